//! The store behind async calls. One connection, one call at a time, never on a runtime thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lantern_protocol::ErrorInfo;
use lantern_store::{Opened, Store, StoreError};

use crate::{AppError, lock};

/// A handle to the open store, and to the one in memory that has the chats which leave no trace.
#[derive(Clone)]
pub(crate) struct Database {
    store: Arc<Mutex<Store>>,
    temporary: Arc<Mutex<Store>>,
}

impl Database {
    pub(crate) async fn open(dir: PathBuf) -> Result<(Self, Option<ErrorInfo>), AppError> {
        let opened =
            tokio::task::spawn_blocking(move || Store::open(&dir)).await.map_err(AppError::internal)?;
        let Opened { store, notice } = opened?;
        let (store, temporary) = (Mutex::new(store), Mutex::new(Store::in_memory()?));
        Ok((Self { store: Arc::new(store), temporary: Arc::new(temporary) }, notice))
    }

    /// The database that has this conversation or message: its id says whether it is temporary.
    pub(crate) fn of(&self, id: &str) -> Self {
        if lantern_store::is_temporary(id) { self.temporary() } else { self.clone() }
    }

    /// The database of the chats that leave no trace.
    pub(crate) fn temporary(&self) -> Self {
        Self { store: Arc::clone(&self.temporary), temporary: Arc::clone(&self.temporary) }
    }

    /// Whether it is that one.
    pub(crate) fn is_temporary(&self) -> bool {
        Arc::ptr_eq(&self.store, &self.temporary)
    }

    /// Runs `f` with the store on this thread, which must not be one of the runtime's.
    pub(crate) fn run_here<T>(
        &self,
        f: impl FnOnce(&mut Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        f(&mut lock(&self.store))
    }

    /// Runs `f` with the store. Once begun it runs to its end, even if the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || f(&mut lock(&store)));
        Ok(done.await.map_err(AppError::internal)??)
    }
}
