//! The store behind async calls. One connection, one call at a time, never on a runtime thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lantern_protocol::ErrorInfo;
use lantern_store::{Opened, Store, StoreError};

use crate::{AppError, lock};

/// A handle to the open store.
#[derive(Clone)]
pub(crate) struct Database(Arc<Mutex<Store>>);

impl Database {
    pub(crate) async fn open(dir: PathBuf) -> Result<(Self, Option<ErrorInfo>), AppError> {
        let opened =
            tokio::task::spawn_blocking(move || Store::open(&dir)).await.map_err(AppError::internal)?;
        let Opened { store, notice } = opened?;
        Ok((Self(Arc::new(Mutex::new(store))), notice))
    }

    /// Runs `f` with the store. Once begun it runs to its end, even if the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let store = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || f(&mut lock(&store)));
        Ok(done.await.map_err(AppError::internal)??)
    }
}
