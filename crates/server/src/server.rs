//! What all handlers share.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use lantern_app::App;
use lantern_protocol::{LibraryModel, Settings};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::ApiError;
use crate::generate::Tokens;
use crate::metrics::Metrics;
use crate::openai::responses::ResponseStore;
use crate::visit::Visit;

/// How much one client, and all together, may ask of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a request may have: a context of a million tokens as text, with room to spare.
    pub body_bytes: usize,
    /// Time in which a request's head must have come; also how long an idle connection stays open.
    pub header_time: Duration,
    /// Time in which a request's body must have come.
    pub body_time: Duration,
    /// Requests under way at once; one more gets a 429.
    pub requests: usize,
    /// Connections at once; one more waits.
    pub connections: usize,
    /// How long a stream waits for its model and its prompt before it begins. What goes wrong sooner has a status of its
    /// own; what goes wrong later is told in the stream.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            header_time: Duration::from_secs(20),
            body_time: Duration::from_secs(60),
            requests: 128,
            connections: 512,
            patience: Duration::from_millis(500),
        }
    }
}

/// The application, and what the endpoint keeps beside it, as one request sees them. Clones are the same.
#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<Inner>,
    /// The request; nobody's where none is served.
    visit: Option<Arc<Visit>>,
}

pub(crate) struct Inner {
    pub app: App,
    pub limits: Limits,
    pub metrics: Metrics,
    pub responses: ResponseStore,
    /// One permit for each request that may be under way.
    pub places: Arc<Semaphore>,
    /// Cancelled when the endpoint ends: what would go on for ever ends with it.
    pub ending: CancellationToken,
}

impl Server {
    pub(crate) fn new(app: App, limits: Limits, ending: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS)));
        let (metrics, responses) = (Metrics::default(), ResponseStore::default());
        Self { inner: Arc::new(Inner { app, limits, metrics, responses, places, ending }), visit: None }
    }

    /// The library id of the model by this name, which the request's sender must be allowed to use.
    pub(crate) async fn listed(&self, name: &str) -> Result<String, ApiError> {
        let id = self.app.listed_model(name).await?;
        self.use_model(&id)?;
        Ok(id)
    }

    /// The settings as they hold for the model that a request names; empty and `default` are the default model.
    pub(crate) async fn settings_for(&self, model: &str) -> Result<Settings, ApiError> {
        let named = Some(model).filter(|name| !name.is_empty() && *name != "default");
        Ok(self.app.settings_for(named).await?)
    }

    /// The models of the library that can be used, and that the request's sender may use.
    pub(crate) async fn library(&self) -> Result<Vec<LibraryModel>, ApiError> {
        let mut models = self.app.library().await?;
        models.retain(|model| model.error.is_none() && self.may_use(&model.id));
        Ok(models)
    }

    /// See [`Visit::use_model`].
    pub(crate) fn use_model(&self, model: &str) -> Result<(), ApiError> {
        self.visit.as_ref().map_or(Ok(()), |visit| visit.use_model(model))
    }

    /// Refuses everybody but who has the endpoint's own key: what is done concerns the whole computer.
    pub(crate) fn for_owner(&self) -> Result<(), ApiError> {
        if self.visit.as_ref().is_none_or(|visit| visit.is_by_owner()) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "owner_only",
            "A program's key does not allow this.",
            "Use the endpoint's own key, which Lantern's settings show.",
        ))
    }

    /// See [`Visit::may_use`].
    pub(crate) fn may_use(&self, model: &str) -> bool {
        self.visit.as_ref().is_none_or(|visit| visit.may_use(model))
    }

    /// See [`Visit::key`].
    pub(crate) fn key(&self) -> Option<&str> {
        self.visit.as_ref().and_then(|visit| visit.key())
    }

    /// Counts tokens that were read and written for the request.
    pub(crate) fn generated(&self, tokens: Tokens) {
        self.metrics.generated(tokens);
        if let Some(visit) = &self.visit {
            visit.add_tokens(tokens);
        }
    }

    /// See [`Visit::failed`].
    pub(crate) fn failed(&self, error: &ApiError) {
        if let Some(visit) = &self.visit {
            visit.failed(error);
        }
    }
}

impl Deref for Server {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl FromRequestParts<Server> for Server {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Infallible> {
        Ok(Server { visit: parts.extensions.get().cloned(), ..server.clone() })
    }
}
