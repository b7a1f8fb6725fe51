//! OpenAI's protocol, as its reference describes it, with the sampling fields that llama.cpp's server made customary
//! (`top_k`, `min_p`, `repeat_penalty`). A field that would change the answer and that Lantern cannot honour is refused by
//! name, never ignored; fields that only describe the client (`user`, `metadata`, …) are ignored.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
mod logprobs;
pub(crate) mod models;
pub(crate) mod responses;
pub(crate) mod tools;
mod usage;

use axum::extract::Request;
use axum::http::StatusCode;

use crate::ApiError;
use crate::router::unknown_path;

pub(crate) use chat::{schema_shape, unsupported_content};

/// What OpenAI has and Lantern has not.
const AREAS: [&str; 17] = [
    "assistants",
    "audio",
    "batches",
    "containers",
    "conversations",
    "edits",
    "evals",
    "files",
    "fine_tuning",
    "images",
    "moderations",
    "organization",
    "realtime",
    "threads",
    "uploads",
    "vector_stores",
    "videos",
];

/// A path of OpenAI's that nothing here answers.
pub(crate) async fn unsupported(request: Request) -> ApiError {
    let path = request.uri().path();
    let area = path.split('/').nth(2).unwrap_or("");
    if !AREAS.contains(&area) {
        return unknown_path().await;
    }
    ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "not_supported",
        format!("Lantern does not support /v1/{area}: it runs models that write text and embed it."),
        "GET /openapi.json or /docs list what it supports.",
    )
}
