//! Models that nobody uses leave while the system has too little memory for other programs. Engines shrink their caches
//! sooner and by themselves; what is looked at here is whether that was enough.

use std::sync::Arc;
use std::time::Duration;

use crate::{App, AppError};

/// Between two looks. Longer than an engine waits before it shrinks its cache.
const PAUSE: Duration = Duration::from_secs(6);

impl App {
    /// Watches until the application closes or nobody has it any more.
    pub(crate) fn watch_memory(&self) {
        let (inner, closing) = (Arc::downgrade(&self.0), self.0.closing.clone());
        let watch = async move {
            while closing.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
                let Some(inner) = inner.upgrade() else { return };
                if let Err(error) = App(inner).relieve_memory().await {
                    tracing::warn!("no model could leave the memory: {error}");
                }
            }
        };
        self.0.tasks.spawn_on(watch, &self.0.runtime);
    }

    /// Takes one model out of memory if that is called for; the one used last stays.
    async fn relieve_memory(&self) -> Result<(), AppError> {
        let models = &self.0.models;
        let has_others = models.slot.engines().len() > 1 || models.embedder.is_loaded();
        if has_others && models.ledger.is_low() {
            let _turn = models.slot.turn.lock().await;
            self.make_one_leave(models.slot.last_key().as_ref()).await?;
        }
        Ok(())
    }
}
