//! Binding the port, the routes, and an orderly end.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use lantern_app::App;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::guard::{self, Guard};
use crate::{ApiError, ServerError, chat, embeddings, models};

/// Bytes a request may have: a context of a million tokens as text, with room to spare.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Where and how to listen.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The key clients must send.
    pub key: String,
}

/// A running endpoint. When it is dropped or closed, nothing new is accepted, also not on connections that are still
/// open; requests under way run to their end.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Resolves when the port is free.
    freed: oneshot::Receiver<()>,
}

impl ServerHandle {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as base URL: `http://127.0.0.1:11535/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns when the port is free.
    pub async fn close(mut self) {
        self.stop.cancel();
        // The sender says nothing; that it is dropped is the news.
        let _ = (&mut self.freed).await;
    }

    /// Returns when the requests under way have been answered.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // The task ends by itself or was cancelled with its runtime: either way it is over.
        let _ = (&mut self.task).await;
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The listening socket, which tells when it is dropped.
struct Port {
    listener: TcpListener,
    _held: oneshot::Sender<()>,
}

impl axum::serve::Listener for Port {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        axum::serve::Listener::accept(&mut self.listener).await
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Starts listening. Returns once the port is bound.
pub async fn serve(app: App, options: ServeOptions) -> Result<ServerHandle, ServerError> {
    let port = options.port;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => ServerError::PortInUse { port },
            _ => ServerError::Listen { port, source },
        })?;
    let address = listener.local_addr().map_err(|source| ServerError::Listen { port, source })?;
    let stop = CancellationToken::new();
    let router = router(app, Guard { port: address.port(), key: options.key });
    let stopped = stop.clone().cancelled_owned();
    let (held, freed) = oneshot::channel();
    let port = Port { listener, _held: held };
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(port, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the endpoint ended");
        }
    });
    tracing::info!(%address, "the endpoint listens");
    Ok(ServerHandle { address, stop, task, freed })
}

fn router(app: App, guard: Guard) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::show))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embeddings::create))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn_with_state(Arc::new(guard), guard::check))
        .with_state(app)
}

async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

async fn unknown_path() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "unknown_path",
        "There is nothing at this path.",
        "Use /v1/models, /v1/chat/completions, /v1/embeddings or /health.",
    )
}

async fn unknown_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "unknown_method",
        "This path does not take this method.",
        "POST to /v1/chat/completions; GET the others.",
    )
}
