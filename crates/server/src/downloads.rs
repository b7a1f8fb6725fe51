//! `/v1/downloads`: fetching models from the Hub, for programs: the queue, its order, and how far each download has come.
//! Everything here is for the owner's key alone, since it takes disk and bandwidth.

use std::time::Duration;

use axum::Json;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use lantern_app::App;
use lantern_protocol::{AppEvent, DownloadProgress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::response;
use crate::server::Server;

/// A line is sent after this time even if nothing happens, so that a client that left is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What to fetch.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct DownloadModel {
    /// `owner/name`, `owner/name:Q4_K_M`, `owner/name/file.gguf`, or a name of Lantern's catalogue.
    model: String,
    /// Branch, tag or commit; `main` if it is left out.
    #[serde(default)]
    revision: Option<String>,
}

/// Which download.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct DownloadId {
    /// As in the list.
    id: String,
}

/// Which download, and where to.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct MoveDownload {
    /// As in the list.
    id: String,
    /// Place among those that are not over, from 0.
    place: usize,
}

/// All downloads since the start, in order.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DownloadList {
    /// Each with `id`, `request`, `state`, `receivedBytes`, `totalBytes`, `bytesPerSecond`, `etaSeconds`, `connections`,
    /// `files` and `error`.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    downloads: Vec<DownloadProgress>,
}

/// `GET /v1/downloads`.
pub(crate) async fn list(server: Server) -> Result<Json<DownloadList>, ApiError> {
    server.for_owner()?;
    listed(&server.app).await
}

async fn listed(app: &App) -> Result<Json<DownloadList>, ApiError> {
    Ok(Json(DownloadList { downloads: app.downloads().await? }))
}

/// `POST /v1/downloads`: joins the download if there is one.
pub(crate) async fn start(
    server: Server,
    JsonBody(request): JsonBody<DownloadModel>,
) -> Result<Json<DownloadProgress>, ApiError> {
    server.for_owner()?;
    let mut wanted = server.app.resolve_download(&request.model).await?;
    wanted.revision = request.revision.or(wanted.revision);
    Ok(Json(server.app.download_model(wanted).await?))
}

/// `POST /v1/downloads/pause`.
pub(crate) async fn pause(
    server: Server,
    JsonBody(request): JsonBody<DownloadId>,
) -> Result<Json<DownloadList>, ApiError> {
    server.for_owner()?;
    server.app.pause_download(&request.id).await?;
    listed(&server.app).await
}

/// `POST /v1/downloads/resume`.
pub(crate) async fn resume(
    server: Server,
    JsonBody(request): JsonBody<DownloadId>,
) -> Result<Json<DownloadList>, ApiError> {
    server.for_owner()?;
    server.app.resume_download(&request.id).await?;
    listed(&server.app).await
}

/// `POST /v1/downloads/cancel`.
pub(crate) async fn cancel(
    server: Server,
    JsonBody(request): JsonBody<DownloadId>,
) -> Result<Json<DownloadList>, ApiError> {
    server.for_owner()?;
    server.app.cancel_download(&request.id).await?;
    listed(&server.app).await
}

/// `POST /v1/downloads/move`.
pub(crate) async fn reorder(
    server: Server,
    JsonBody(request): JsonBody<MoveDownload>,
) -> Result<Json<DownloadList>, ApiError> {
    server.for_owner()?;
    server.app.move_download(&request.id, request.place).await?;
    listed(&server.app).await
}

/// `GET /v1/downloads/events`: the state of all downloads now, then each new state as it comes, as server-sent events.
pub(crate) async fn events(server: Server) -> Result<Response, ApiError> {
    server.for_owner()?;
    // First the ear, then the look: nothing is missed in between.
    let events = server.app.subscribe();
    let now = server.app.downloads().await?;
    let ending = server.ending.clone();
    let told = told(now, events).take_until(async move { ending.cancelled().await });
    Ok(response("text/event-stream", told))
}

fn told(
    now: Vec<DownloadProgress>,
    events: Receiver<AppEvent>,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let first: Vec<Bytes> =
        std::iter::once(Bytes::from(": downloads\n\n")).chain(now.iter().map(event)).collect();
    let later = futures::stream::unfold(events, |mut events| async move {
        loop {
            match tokio::time::timeout(HEARTBEAT, events.recv()).await {
                Ok(Ok(AppEvent::Download { progress })) => return Some((event(&progress), events)),
                // Whoever falls behind learns the state from the next event of each download.
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some((Bytes::from(": still here\n\n"), events)),
            }
        }
    });
    futures::stream::iter(first).chain(later).map(Ok)
}

fn event(progress: &DownloadProgress) -> Bytes {
    let json = serde_json::to_string(progress).unwrap_or_default();
    Bytes::from(format!("event: download\ndata: {json}\n\n"))
}
