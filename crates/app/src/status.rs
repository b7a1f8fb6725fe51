//! What a new window asks first, and the events that keep it current.

use lantern_protocol::{AppEvent, AppStatus, EndpointStatus, ErrorInfo};
use tokio::sync::broadcast;

use crate::{App, AppError, lock};

impl App {
    /// Version, place, model, endpoint and notices as they are now.
    pub async fn status(&self) -> Result<AppStatus, AppError> {
        Ok(AppStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            data_dir: self.0.home.display().to_string(),
            model: self.model_state().await,
            endpoint: self.endpoint_status(),
            notices: lock(&self.0.notices).clone(),
        })
    }

    /// Everything that changes from now on. A slow receiver misses the oldest events and should then read anew.
    pub fn subscribe(&self) -> broadcast::Receiver<AppEvent> {
        self.0.events.subscribe()
    }

    /// Whether the endpoint listens, and where.
    pub fn endpoint_status(&self) -> EndpointStatus {
        lock(&self.0.endpoint).clone()
    }

    /// For whoever runs the endpoint: what became of it.
    pub fn set_endpoint_status(&self, status: EndpointStatus) {
        let changed = {
            let mut endpoint = lock(&self.0.endpoint);
            std::mem::replace(&mut *endpoint, status.clone()) != status
        };
        if changed {
            self.emit(AppEvent::EndpointChanged { endpoint: status });
        }
    }

    /// Tells the user something, now and in every status until the end of the process.
    pub fn notify(&self, notice: ErrorInfo) {
        lock(&self.0.notices).push(notice.clone());
        self.emit(AppEvent::Notice { notice });
    }
}
