//! What all handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use lantern_app::App;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::openai::responses::ResponseStore;

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

/// The application, and what the endpoint keeps beside it. Clones are the same.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

pub(crate) struct Inner {
    pub app: App,
    pub limits: Limits,
    pub metrics: Metrics,
    pub responses: ResponseStore,
    /// One permit for each request that may be under way.
    pub places: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn new(app: App, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS)));
        let (metrics, responses) = (Metrics::default(), ResponseStore::default());
        Self(Arc::new(Inner { app, limits, metrics, responses, places }))
    }
}

impl Deref for Server {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
