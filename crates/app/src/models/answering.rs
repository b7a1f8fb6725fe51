//! Whoever answers: a model in memory, or one on a server that the user named.

use std::sync::Arc;

use lantern_engine::{GenerateRequest, GenerationStream};
use lantern_remote::RemoteEngine;

use super::slot::LoadedModel;
use crate::{App, AppError};

/// A model of a remote engine.
#[derive(Debug, Clone)]
pub struct RemoteModel {
    /// `NAME/model`.
    pub id: String,
    /// Tokens that a conversation may hold, where the server tells.
    pub context_length: Option<usize>,
    engine: RemoteEngine,
    model: lantern_remote::RemoteModel,
}

impl RemoteModel {
    pub(super) fn new(remote: &str, engine: RemoteEngine, model: lantern_remote::RemoteModel) -> Self {
        let (id, context_length) = (format!("{remote}/{}", model.id), model.context_length);
        Self { id, context_length, engine, model }
    }

    /// Whether it is shown pictures: where its server does not tell, that is asked and may refuse.
    pub fn sees(&self) -> bool {
        self.model.sees.unwrap_or(true)
    }
}

/// A model that is ready to answer. Hold it while a stream of it is read.
#[derive(Clone)]
pub enum Answering {
    /// In memory here.
    Local(LoadedModel),
    /// On another server.
    Remote(Box<RemoteModel>),
}

impl Answering {
    /// Library id, or `NAME/model`.
    pub fn id(&self) -> &str {
        match self {
            Self::Local(loaded) => &loaded.id,
            Self::Remote(remote) => &remote.id,
        }
    }

    /// Tokens that a conversation may have; `None` where a server does not tell.
    pub fn context_length(&self) -> Option<usize> {
        match self {
            Self::Local(loaded) => Some(loaded.context_length),
            Self::Remote(remote) => remote.context_length,
        }
    }

    /// Whether it is shown pictures.
    pub fn sees(&self) -> bool {
        match self {
            Self::Local(loaded) => loaded.engine.info().sees,
            Self::Remote(remote) => remote.sees(),
        }
    }

    /// The model in memory, for what only that can do.
    pub fn local(&self) -> Option<&LoadedModel> {
        match self {
            Self::Local(loaded) => Some(loaded),
            Self::Remote(_) => None,
        }
    }

    /// Begins an answer. A remote engine drops no old turns by itself: what does not fit is its `context_length_exceeded`.
    pub async fn generate(&self, request: GenerateRequest) -> Result<GenerationStream, AppError> {
        match self {
            Self::Local(loaded) => {
                let engine = Arc::clone(&loaded.engine);
                // Rendering and tokenising a long conversation takes a while.
                let stream = tokio::task::spawn_blocking(move || engine.generate(request));
                Ok(stream.await.map_err(AppError::internal)??)
            }
            Self::Remote(remote) => Ok(remote.engine.generate(&remote.model, &request).await?),
        }
    }
}

impl App {
    /// The model by this name, or the default one; a local one is loaded if need be, with room for so many tokens. A remote
    /// one answers only to its whole id.
    pub async fn answering(&self, model: Option<&str>, context: Option<u32>) -> Result<Answering, AppError> {
        let name = match model {
            Some(name) => name.to_owned(),
            None => self.default_model().await?,
        };
        match self.remote_named(&name).await? {
            Some(remote) => Ok(Answering::Remote(Box::new(remote))),
            None => Ok(Answering::Local(self.engine_for(Some(&name), context).await?)),
        }
    }
}
