//! The prefix cache on disk, as far as settings and conversations have a say in it.

use std::sync::Arc;
use std::time::Duration;

use lantern_engine::{DiskCacheOptions, Engine};
use lantern_protocol::Settings;

use super::Models;
use crate::{App, AppError};

/// How long closing waits for the disk. What is not written by then is computed again.
const LAST_WRITES: Duration = Duration::from_secs(2);

impl Models {
    /// Where prefixes are kept; `None` when nobody wants them kept.
    pub(crate) fn prefix_disk(&self, settings: &Settings) -> Option<DiskCacheOptions> {
        let quota_bytes = u64::from(settings.prefix_disk_gb) * 1_000_000_000;
        (quota_bytes > 0).then(|| self.prefixes_up_to(quota_bytes))
    }

    fn prefixes_up_to(&self, quota_bytes: u64) -> DiskCacheOptions {
        DiskCacheOptions { folder: self.prefixes.clone(), quota_bytes }
    }
}

impl App {
    /// Deletes what is kept on disk of a conversation and of nothing else.
    pub(crate) async fn forget_prefixes(&self, conversation: &str) -> Result<(), AppError> {
        let (engines, folder) = (self.engines_in_memory(), self.0.models.prefixes_up_to(0));
        let conversation = conversation.to_owned();
        let forgotten = tokio::task::spawn_blocking(move || {
            // One may be about to write more, of an answer that was stopped this moment.
            engines.iter().for_each(|(_, engine)| engine.forget_prefixes(&conversation));
            folder.forget(&conversation)
        });
        if let Err(error) = forgotten.await.map_err(AppError::internal)? {
            tracing::warn!("what was kept of a conversation could not be deleted: {error}");
        }
        Ok(())
    }

    /// Makes what was computed of a conversation the last to go, in memory and on disk, or lets it go like everything else.
    pub(crate) async fn pin_prefixes(&self, conversation: &str, pinned: bool) -> Result<(), AppError> {
        let (engines, folder) = (self.engines_in_memory(), self.0.models.prefixes_up_to(0));
        let conversation = conversation.to_owned();
        let done = tokio::task::spawn_blocking(move || {
            engines.iter().for_each(|(_, engine)| engine.pin_prefixes(&conversation, pinned));
            folder.pin(&conversation, pinned)
        });
        if let Err(error) = done.await.map_err(AppError::internal)? {
            tracing::warn!("a conversation was not pinned on disk: {error}");
        }
        Ok(())
    }

    /// Tells an engine, and the folder, what is pinned: the one was not there when it was said, and the other may have been
    /// deleted since.
    pub(crate) async fn tell_pins(&self, engine: &Arc<Engine>) {
        let Ok(pinned) = self.0.db.run(|store| store.pinned_conversations()).await else { return };
        let (engine, folder) = (Arc::clone(engine), self.0.models.prefixes_up_to(0));
        let told = tokio::task::spawn_blocking(move || {
            // The latest changed one last, so that it is the last to go.
            for conversation in pinned.iter().rev() {
                engine.pin_prefixes(conversation, true);
                if let Err(error) = folder.pin(conversation, true) {
                    tracing::warn!("a conversation is not pinned on disk: {error}");
                }
            }
        });
        let _ = told.await;
    }

    /// Deletes all prefixes, and keeps no more until a model is loaded next.
    pub(crate) async fn delete_prefixes(&self) -> Result<(), AppError> {
        let (engines, folder) = (self.engines_in_memory(), self.0.models.prefixes_up_to(0));
        let deleted = tokio::task::spawn_blocking(move || {
            engines.iter().for_each(|(_, engine)| engine.leave_prefixes());
            folder.remove_all()
        });
        if let Err(error) = deleted.await.map_err(AppError::internal)? {
            tracing::warn!("cached prefixes could not be deleted: {error}");
        }
        Ok(())
    }

    /// Waits a moment for what is still to be written.
    pub(crate) async fn save_prefixes(&self) {
        let engines = self.engines_in_memory();
        let saved = tokio::task::spawn_blocking(move || {
            engines.iter().for_each(|(_, engine)| engine.save_prefixes());
        });
        if tokio::time::timeout(LAST_WRITES, saved).await.is_err() {
            tracing::info!("closed before all prefixes were on the disk");
        }
    }
}
