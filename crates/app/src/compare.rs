//! Two model files held against each other on this machine: speed, memory, how well they predict, how often they agree.

use lantern_protocol::{CompareEvent, CompareRequest};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{App, AppError};

/// The events of a comparison. Dropping it ends the comparison.
#[derive(Debug)]
pub struct CompareStream {
    events: mpsc::UnboundedReceiver<CompareEvent>,
    _stop_on_drop: DropGuard,
}

impl CompareStream {
    /// The next event; `None` after `done` or `failed`. Cancel safe.
    pub async fn next(&mut self) -> Option<CompareEvent> {
        self.events.recv().await
    }
}

impl App {
    /// Compares two models of the library.
    pub async fn compare(&self, request: CompareRequest) -> Result<CompareStream, AppError> {
        let (_a, _b) = (self.find_model(&request.a).await?, self.find_model(&request.b).await?);
        let (sender, events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let error = AppError::new("not_yet", "Comparing is being built.", "Try again later.");
        let _ = sender.send(CompareEvent::Failed { error: error.into() });
        Ok(CompareStream { events, _stop_on_drop: stop.drop_guard() })
    }
}

impl App {
    /// Ends the comparison that runs, if there is one.
    pub fn stop_comparing(&self) {}
}
