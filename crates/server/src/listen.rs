//! Binding the port, connections with their limits of time, and an orderly end.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lantern_app::App;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ServerError;
use crate::guard::{Guard, Place};
use crate::router::router;
use crate::server::{Limits, Server};

/// Headers that a request may have.
const MAX_HEADERS: usize = 100;
/// Bytes of a request's head that are read at most.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Where and how to listen.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The key clients must send, unless they have one of their own.
    pub key: String,
    /// Origins of web pages that may come in.
    pub allowed_origins: Vec<String>,
    /// Listens for other devices too, not on 127.0.0.1 alone.
    pub lan: bool,
    /// How much clients may ask at once.
    pub limits: Limits,
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
        format!("http://{}:{}/v1", Ipv4Addr::LOCALHOST, self.address.port())
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

/// Starts listening. Returns once the port is bound.
pub async fn serve(app: App, options: ServeOptions) -> Result<ServerHandle, ServerError> {
    let port = options.port;
    let interface = if options.lan { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let listener = TcpListener::bind((interface, port)).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServerError::PortInUse { port },
        _ => ServerError::Listen { port, source },
    })?;
    let address = listener.local_addr().map_err(|source| ServerError::Listen { port, source })?;
    let stop = CancellationToken::new();
    let place = Place { port: address.port(), origins: options.allowed_origins, lan: options.lan };
    let guard = Guard { place, key: options.key, app: app.clone() };
    let router = router(Server::new(app, options.limits.clone(), stop.clone()), guard);
    let (held, freed) = oneshot::channel();
    let connections =
        Connections { router, limits: options.limits, stop: stop.clone(), open: TaskTracker::new() };
    let task = tokio::spawn(async move {
        connections.accept(listener).await;
        drop(held);
        connections.open.close();
        connections.open.wait().await;
    });
    tracing::info!(%address, "the endpoint listens");
    Ok(ServerHandle { address, stop, task, freed })
}

/// What all connections share.
struct Connections {
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    open: TaskTracker,
}

impl Connections {
    /// Takes connections until the end; the socket is closed when this returns.
    async fn accept(&self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(self.limits.connections.min(Semaphore::MAX_PERMITS)));
        let next = async || {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        while let Some(Some((place, accepted))) = self.stop.run_until_cancelled(next()).await {
            match accepted {
                Ok((socket, _)) => {
                    let connection = serve_connection(
                        socket,
                        self.router.clone(),
                        self.limits.header_time,
                        self.stop.clone(),
                    );
                    self.open.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    // There may be no file handles left: trying again at once would not help.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Answers the requests of one connection. At the end, the one under way is the last.
async fn serve_connection(
    socket: TcpStream,
    router: Router,
    header_time: std::time::Duration,
    stop: CancellationToken,
) {
    // Small pieces of an answer must not wait for each other.
    let _ = socket.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
