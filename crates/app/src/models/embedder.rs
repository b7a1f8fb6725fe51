//! The model that turns texts into vectors: one at a time, beside those that answer, loaded when it is first needed.

use std::path::PathBuf;
use std::sync::Arc;

use lantern_engine::{EmbeddingModel, Embeddings};
use lantern_protocol::LibraryModel;

use crate::{App, AppError};

/// Texts that are to become vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Texts {
    /// As they are written.
    Written(Vec<String>),
    /// As the model's tokens.
    Tokens(Vec<Vec<u32>>),
}

/// What makes two loads the same.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    path: PathBuf,
    threads: Option<u32>,
}

/// The place for one model; whoever loads or looks holds it.
#[derive(Default)]
pub(crate) struct EmbedderSlot(tokio::sync::Mutex<Option<(Key, Arc<EmbeddingModel>)>>);

impl EmbedderSlot {
    /// Empties it.
    pub(super) async fn leave(&self) -> Option<Arc<EmbeddingModel>> {
        self.0.lock().await.take().map(|(_, model)| model)
    }

    /// Whether something is in it; not while somebody loads.
    pub(super) fn is_loaded(&self) -> bool {
        self.0.try_lock().is_ok_and(|slot| slot.is_some())
    }

    /// Empties it if nobody uses what is in it.
    pub(super) fn leave_if_idle(&self) -> Option<Arc<EmbeddingModel>> {
        let mut slot = self.0.try_lock().ok()?;
        slot.take_if(|(_, model)| Arc::strong_count(model) == 1).map(|(_, model)| model)
    }
}

impl App {
    /// A vector for each text, by the model of this name (library id, file name, path or repository); loads it if need be.
    /// Gives the model's library id too.
    pub async fn embed(&self, model: &str, texts: Texts) -> Result<(String, Embeddings), AppError> {
        let found = self.find_model(model).await?;
        let key = Key { path: PathBuf::from(&found.path), threads: self.settings().await?.threads };
        let model = self.embedder(key).await?;
        let embed = move || match texts {
            Texts::Written(texts) => model.embed(&texts),
            Texts::Tokens(texts) => model.embed_tokens(&texts),
        };
        let embeddings = tokio::task::spawn_blocking(embed).await.map_err(AppError::internal)??;
        Ok((found.id, embeddings))
    }

    /// The model in memory, after loading it if need be.
    pub(crate) async fn embedder_of(&self, model: &LibraryModel) -> Result<Arc<EmbeddingModel>, AppError> {
        self.embedder(Key { path: PathBuf::from(&model.path), threads: self.settings().await?.threads }).await
    }

    /// The same for a file.
    async fn embedder(&self, key: Key) -> Result<Arc<EmbeddingModel>, AppError> {
        let mut slot = self.0.models.embedder.0.lock().await;
        if let Some((_, model)) = slot.as_ref().filter(|(loaded, _)| *loaded == key) {
            return Ok(Arc::clone(model));
        }
        let _turn = self.0.models.slot.turn.lock().await;
        // First out, then in: two models at once may not fit.
        let old = slot.take();
        tokio::task::spawn_blocking(move || drop(old)).await.map_err(AppError::internal)?;
        let (path, ledger) = (key.path.clone(), self.0.models.ledger.clone());
        self.make_room(None, move || EmbeddingModel::fits(&path, &ledger)).await?;
        let (path, ledger) = (key.path.clone(), self.0.models.ledger.clone());
        let threads = key.threads.unwrap_or(0) as usize;
        let load = move || EmbeddingModel::load_charged(&path, threads, &ledger);
        let model = tokio::task::spawn_blocking(load).await.map_err(AppError::internal)??;
        let model = Arc::new(model);
        *slot = Some((key, Arc::clone(&model)));
        Ok(model)
    }
}
