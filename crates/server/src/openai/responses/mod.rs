//! `/v1/responses`: answers that can be asked for again, and gone on from.
//!
//! What is stored is in memory, bounded, and gone when Lantern ends: see [`ResponseStore`].

mod answer;
mod events;
mod item;
mod request;
mod store;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use lantern_protocol::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::fields::{self, within};
use crate::generate::{Ask, pictures, stream, whole};
use crate::server::Server;
use answer::Recorder;
use events::ResponseEvents;
use item::InputItem;
use store::{Stored, Turn};

pub(crate) use answer::ResponseObject;
pub(crate) use request::ResponseRequest;
pub(crate) use store::ResponseStore;

/// `POST /v1/responses`.
pub(crate) async fn create(
    server: Server,
    JsonBody(request): JsonBody<ResponseRequest>,
) -> Result<Response, ApiError> {
    let settings = server.settings_for(&request.model).await?;
    let (ask, recorder) = prepared(&server, request, &settings).await?;
    if recorder.streams() {
        return stream(&server, ask, ResponseEvents::new(recorder)).await;
    }
    if recorder.in_background() {
        let begun = recorder.snapshot();
        tokio::spawn(finished(server, ask, recorder));
        return Ok(Json(begun).into_response());
    }
    match finished(server, ask, recorder).await {
        Ok(response) => Ok(Json(response).into_response()),
        Err(error) => Err(error),
    }
}

/// Checks a request, and puts the conversation before it that it goes on from.
async fn prepared(
    server: &Server,
    request: ResponseRequest,
    settings: &Settings,
) -> Result<(Ask, Recorder), ApiError> {
    let previous = match &request.previous_response_id {
        Some(id) => Some(found(server, id, "previous_response_id")?),
        None => None,
    };
    let items = request.items()?;
    let mut turns: Vec<Turn> = previous.map_or_else(Vec::new, |stored| stored.conversation());
    turns.push(Arc::new(items));
    let drafts = item::drafts(request.instructions.as_deref(), turns.iter().flat_map(|turn| turn.iter()))?;
    let (mut ask, tools) = request.asked(settings)?;
    let messages = pictures::drawn(&server.app, drafts).await?;
    let conversation = Ask::conversation(String::new(), messages, tools, settings);
    (ask.prompts, ask.put_before) = (conversation.prompts, conversation.put_before);
    let recorder = Recorder::new(server.clone(), request, turns, ask.cancel.clone());
    Ok((ask, recorder))
}

/// Waits for the answer and keeps it.
async fn finished(server: Server, ask: Ask, mut recorder: Recorder) -> Result<ResponseObject, ApiError> {
    // What the engine's side panics at must not leave a response in progress for ever.
    let answer = std::panic::AssertUnwindSafe(whole(&server, ask)).catch_unwind().await;
    match answer.unwrap_or_else(|_| Err(ApiError::ended_early())) {
        Ok(answer) => Ok(recorder.finish(answer)),
        Err(error) => {
            recorder.fail(&error);
            Err(error)
        }
    }
}

/// Query of `GET /v1/responses/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct RetrieveQuery {
    stream: Option<bool>,
}

/// `GET /v1/responses/{id}`.
pub(crate) async fn retrieve(
    server: Server,
    Path(id): Path<String>,
    Query(query): Query<RetrieveQuery>,
) -> Result<Json<ResponseObject>, ApiError> {
    if query.stream.unwrap_or(false) {
        return Err(ApiError::unsupported("stream", "A stored response does not come as a stream."));
    }
    Ok(Json(found(&server, &id, "response_id")?.response()))
}

/// What became of a response that was to go.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    id: String,
    object: &'static str,
    deleted: bool,
}

/// `DELETE /v1/responses/{id}`.
pub(crate) async fn delete(server: Server, Path(id): Path<String>) -> Result<Json<Deleted>, ApiError> {
    let stored = server.responses.remove(&id, server.key()).ok_or_else(|| not_found(&id, "response_id"))?;
    stored.cancel();
    Ok(Json(Deleted { id, object: "response", deleted: true }))
}

/// `POST /v1/responses/{id}/cancel`: ends an answer that is being written, in the background or in a stream.
pub(crate) async fn cancel(server: Server, Path(id): Path<String>) -> Result<Json<ResponseObject>, ApiError> {
    let stored = found(&server, &id, "response_id")?;
    stored.cancel();
    Ok(Json(stored.response()))
}

/// Query of `GET /v1/responses/{id}/input_items`.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemsQuery {
    limit: Option<usize>,
    order: Option<String>,
    after: Option<String>,
}

/// The items of a request.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ItemList {
    object: &'static str,
    data: Vec<InputItem>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// `GET /v1/responses/{id}/input_items`.
pub(crate) async fn input_items(
    server: Server,
    Path(id): Path<String>,
    Query(query): Query<ItemsQuery>,
) -> Result<Json<ItemList>, ApiError> {
    let limit = within("limit", query.limit, 1..=100)?.unwrap_or(20);
    let mut items: Vec<InputItem> = found(&server, &id, "response_id")?.input().to_vec();
    match query.order.as_deref() {
        None | Some("desc") => items.reverse(),
        Some("asc") => {}
        Some(other) => {
            let message = format!("`order` is `{}`.", fields::short(other));
            return Err(ApiError::invalid("order", message, "Use asc or desc."));
        }
    }
    if let Some(after) = query.after {
        let at = items.iter().position(|item| item.id.as_ref() == Some(&after));
        items.drain(..at.map_or(items.len(), |at| at + 1));
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id = |item: Option<&InputItem>| item.and_then(|item| item.id.clone());
    let (first_id, last_id) = (id(items.first()), id(items.last()));
    Ok(Json(ItemList { object: "list", data: items, first_id, last_id, has_more }))
}

fn found(server: &Server, id: &str, param: &'static str) -> Result<Arc<Stored>, ApiError> {
    server.responses.get(id, server.key()).ok_or_else(|| not_found(id, param))
}

fn not_found(id: &str, param: &'static str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "response_not_found",
        format!("Response with id '{}' not found.", fields::short(id)),
        "Responses are kept in memory: the latest ones, until Lantern ends, unless `store` is false.",
    )
    .with_param(param)
}

/// The value as JSON; plain data always is.
fn value(data: &impl Serialize) -> Value {
    serde_json::to_value(data).unwrap_or_default()
}
