//! Models that nobody uses leave after the time that the settings or their last user said, and while the system has too little memory for other
//! programs. Engines shrink their caches
//! sooner and by themselves; what is looked at here is whether that was enough.

use std::sync::Arc;
use std::time::Duration;

use lantern_protocol::AppEvent;

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
                let app = App(inner);
                for done in [app.unload_unused().await, app.relieve_memory().await] {
                    if let Err(error) = done {
                        tracing::warn!("no model could leave the memory: {error}");
                    }
                }
            }
        };
        self.0.tasks.spawn_on(watch, &self.0.runtime);
    }

    /// Takes models out of memory that were not used for as long as their last user or the settings say.
    pub(crate) async fn unload_unused(&self) -> Result<(), AppError> {
        let slot = &self.0.models.slot;
        if slot.engines().is_empty() {
            return Ok(());
        }
        let minutes = self.settings().await?.unload_after_minutes;
        let _turn = slot.turn.lock().await;
        let left = slot.leave_unused(minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes))));
        if !left.is_empty() {
            tokio::task::spawn_blocking(move || drop(left)).await.map_err(AppError::internal)?;
            self.emit(AppEvent::ModelChanged { model: slot.state() });
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AppOptions;
    use crate::models::Stay;

    #[tokio::test]
    async fn who_is_not_used_leaves_and_who_is_stays() {
        let home = tempfile::tempdir().unwrap();
        let options = AppOptions { home: Some(home.path().to_owned()), ..AppOptions::default() };
        let app = App::open(options).await.unwrap();
        let golden = lantern_golden::path("models/llama_tied-F16.gguf");
        let model = app.import_model(golden, false).await.unwrap();
        let loaded = app.engine(Some(&model.id)).await.unwrap();
        let slot = &app.0.models.slot;
        let (no_time, long) = (Some(Duration::ZERO), Some(Duration::from_secs(3600)));
        assert!(slot.leave_unused(no_time).is_empty(), "it is held");
        drop(loaded);
        assert!(slot.leave_unused(long).is_empty(), "it was used just now");
        app.unload_unused().await.unwrap();
        assert_eq!(slot.engines().len(), 1, "the settings say nothing");
        app.keep_model(&model.id, Stay::Always).await.unwrap();
        assert!(slot.leave_unused(no_time).is_empty(), "its user wants it to stay");
        app.engine(Some(&model.id)).await.unwrap();
        assert_eq!(slot.leave_unused(no_time).len(), 1, "that was said of an earlier use");
        assert_eq!(slot.state(), lantern_protocol::ModelState::Unloaded);

        app.engine(Some(&model.id)).await.unwrap();
        app.keep_model(&model.id, Stay::For(Duration::from_millis(1))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        app.unload_unused().await.unwrap();
        assert!(slot.engines().is_empty(), "its user wanted it for a moment");

        app.engine(Some(&model.id)).await.unwrap();
        app.keep_model(&model.id, Stay::For(Duration::ZERO)).await.unwrap();
        assert!(slot.engines().is_empty(), "it goes at once");
    }
}
