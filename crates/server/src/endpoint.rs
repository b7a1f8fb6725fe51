//! Keeps the endpoint as the settings say: on or off, at this port, with this key.

use lantern_app::App;
use lantern_protocol::{AppEvent, EndpointSettings, EndpointStatus};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::{ServeOptions, ServerHandle, serve};

/// The task that follows the settings; dropping it stops the endpoint.
#[derive(Debug)]
pub struct Endpoint {
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Starts or stops the endpoint now and whenever its settings change, and tells the application how it stands.
    pub fn supervise(app: App) -> Self {
        Self { task: tokio::spawn(follow(app)) }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(app: App) {
    let mut events = app.subscribe();
    let mut served: Option<EndpointSettings> = None;
    let mut handle: Option<ServerHandle> = None;
    loop {
        match app.settings().await {
            Ok(settings) if served.as_ref() != Some(&settings.endpoint) => {
                // The port must be free before it is asked for again.
                if let Some(old) = handle.take() {
                    old.close().await;
                }
                let (running, status) = start(&app, &settings.endpoint).await;
                handle = running;
                served = Some(settings.endpoint);
                app.set_endpoint_status(status);
            }
            Ok(_) => {}
            Err(error) => tracing::error!(code = error.code, "the endpoint cannot read its settings"),
        }
        loop {
            match events.recv().await {
                Ok(AppEvent::SettingsChanged { .. }) | Err(RecvError::Lagged(_)) => break,
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

async fn start(app: &App, settings: &EndpointSettings) -> (Option<ServerHandle>, EndpointStatus) {
    if !settings.enabled {
        return (None, EndpointStatus { running: false, url: None, error: None });
    }
    let options = ServeOptions {
        port: settings.port,
        key: settings.key.clone(),
        allowed_origins: settings.allowed_origins.clone(),
        lan: settings.lan,
        ..ServeOptions::default()
    };
    match serve(app.clone(), options).await {
        Ok(handle) => {
            let status = EndpointStatus { running: true, url: Some(handle.url()), error: None };
            (Some(handle), status)
        }
        Err(error) => (None, EndpointStatus { running: false, url: None, error: Some((&error).into()) }),
    }
}
