//! `POST /api/pull`: fetches a model from the Hub, and tells how far it has come.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use lantern_app::{App, AppError};
use lantern_protocol::{DownloadProgress, DownloadState};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error_body;
use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::response;
use crate::server::Server;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What to fetch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct PullRequest {
    /// `owner/name`, `owner/name:Q4_K_M`, `owner/name/file.gguf` (with `hf.co/` before it or not), or a name of Lantern's
    /// catalogue.
    #[serde(alias = "name")]
    model: String,
    /// Whether to tell how far it has come; by default it does. A client that goes away stops nothing.
    #[serde(default)]
    stream: Option<bool>,
}

/// The handler.
pub(crate) async fn pull(
    server: Server,
    JsonBody(request): JsonBody<PullRequest>,
) -> Result<Response, ApiError> {
    let name = ["hf.co/", "huggingface.co/"].iter().find_map(|host| request.model.strip_prefix(host));
    let name = name.unwrap_or(&request.model);
    let wanted = server.app.resolve_download(name).await?;
    let begun = server.app.download_model(wanted).await?;
    let progress = followed(server.app.clone(), begun);
    if request.stream.unwrap_or(true) {
        let first = futures::stream::iter([json!({ "status": "pulling manifest" })]);
        let lines =
            first.chain(progress.map(|step| line(&step))).map(|line| Ok(Bytes::from(format!("{line}\n"))));
        return Ok(response("application/x-ndjson", lines));
    }
    let last = std::pin::pin!(progress).fold(None, |_, step| async move { Some(step) }).await;
    match last {
        Some(Step { error: Some(error), .. }) => Err(error),
        _ => Ok(Json(json!({ "status": "success" })).into_response()),
    }
}

/// How far a download has come, or why it ended.
struct Step {
    progress: DownloadProgress,
    error: Option<ApiError>,
}

/// The download's states, until its last.
fn followed(app: App, begun: DownloadProgress) -> impl futures::Stream<Item = Step> {
    futures::stream::unfold(Some((app, begun)), |state| async move {
        let (app, progress) = state?;
        let error = failure(&progress);
        if error.is_some() || progress.state == DownloadState::Done {
            return Some((Step { progress, error }, None));
        }
        tokio::time::sleep(PAUSE).await;
        let all = app.downloads().await.unwrap_or_default();
        let next = all.into_iter().find(|other| other.id == progress.id);
        let next =
            next.unwrap_or_else(|| DownloadProgress { state: DownloadState::Cancelled, ..progress.clone() });
        Some((Step { progress, error: None }, Some((app, next))))
    })
}

fn failure(progress: &DownloadProgress) -> Option<ApiError> {
    match progress.state {
        DownloadState::Failed => {
            let error = progress
                .error
                .clone()
                .map_or_else(ApiError::ended_early, |error| AppError::from(error).into());
            Some(error)
        }
        DownloadState::Cancelled => Some(ApiError::cancelled()),
        _ => None,
    }
}

fn line(step: &Step) -> Value {
    if let Some(error) = &step.error {
        return error_body(error);
    }
    let progress = &step.progress;
    match progress.state {
        DownloadState::Done => json!({ "status": "success" }),
        DownloadState::Verifying => json!({ "status": "verifying sha256 digest" }),
        _ => json!({
            "status": format!("pulling {}", progress.request.file),
            "digest": progress.id,
            "total": progress.total_bytes,
            "completed": progress.received_bytes,
        }),
    }
}
