//! What programs may ask about models, and do with them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use lantern_engine::{Capabilities, capabilities};
use lantern_protocol::{DownloadRequest, LibraryModel};

use super::slot::{LoadedModel, Stay};
use crate::{App, AppError, lock};

/// What models can do, by path and size: read once from each file.
#[derive(Default)]
pub(crate) struct Described(Mutex<HashMap<(String, u64), Capabilities>>);

/// The memory that models share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes charged for models and their caches.
    pub charged: u64,
    /// Bytes that another model could have.
    pub available: u64,
}

impl App {
    /// What a model of the library can do.
    pub async fn capabilities(&self, model: &LibraryModel) -> Result<Capabilities, AppError> {
        let key = (model.path.clone(), model.size_bytes);
        if let Some(known) = lock(&self.0.models.described.0).get(&key) {
            return Ok(*known);
        }
        let path = model.path.clone();
        let read = tokio::task::spawn_blocking(move || capabilities(Path::new(&path)));
        // A folder that was not converted yet says nothing; nor does a file that has gone.
        let mut can = read.await.map_err(AppError::internal)?.unwrap_or_default();
        can.vision |= can.chat && model.projector.is_some();
        lock(&self.0.models.described.0).insert(key, can);
        Ok(can)
    }

    /// The models in memory that answer, the least recently used first.
    pub fn models_in_memory(&self) -> Vec<LoadedModel> {
        self.0.models.slot.all()
    }

    /// Whether a model is in memory, by its library id.
    pub fn is_in_memory(&self, id: &str) -> bool {
        self.0.models.slot.all().iter().any(|loaded| loaded.id == id)
    }

    /// Takes a model out of memory, by its library id; answers still being written keep it there until they end. Says whether
    /// it was there.
    pub async fn unload(&self, id: &str) -> Result<bool, AppError> {
        let _turn = self.0.models.slot.turn.lock().await;
        let Some((old, state)) = self.0.models.slot.take(id) else { return Ok(false) };
        // Frees gigabytes and waits for the engine's thread: not on a runtime thread.
        let freed = tokio::task::spawn_blocking(move || drop(old)).await;
        self.emit(lantern_protocol::AppEvent::ModelChanged { model: state });
        freed.map_err(AppError::internal)?;
        Ok(true)
    }

    /// Says how long a model stays in memory after its last use; with no time it leaves now.
    pub async fn keep_model(&self, id: &str, stay: Stay) -> Result<(), AppError> {
        match stay {
            Stay::For(Duration::ZERO) => {
                self.unload(id).await?;
            }
            stay => self.0.models.slot.stay(id, stay),
        }
        Ok(())
    }

    /// The file that a name means on the Hub: `owner/name`, `owner/name:Q4_K_M`, `owner/name/file.gguf`, or one of the
    /// catalogue.
    pub async fn resolve_download(&self, name: &str) -> Result<DownloadRequest, AppError> {
        Ok(self.hub().await.resolve(name).await?)
    }

    /// The books of memory.
    pub fn memory_use(&self) -> MemoryUse {
        let ledger = &self.0.models.ledger;
        MemoryUse { charged: ledger.charged(), available: ledger.available() }
    }
}
