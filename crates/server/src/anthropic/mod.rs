//! Anthropic's messages, as its reference describes them.

mod answer;
mod events;
mod request;

use axum::Json;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::{Ask, count, pictures, stream, whole};
use crate::server::Server;
use answer::message;
use events::MessageEvents;

pub(crate) use answer::Message;
pub(crate) use request::{CountRequest, MessagesRequest};

/// `POST /v1/messages`.
pub(crate) async fn create(
    server: Server,
    JsonBody(request): JsonBody<MessagesRequest>,
) -> Result<Response, ApiError> {
    let streams = request.stream.unwrap_or(false);
    let ask = ask(&server, request).await?;
    if streams {
        return stream(&server, ask, MessageEvents::default()).await;
    }
    Ok(Json(message(whole(&server, ask).await?)).into_response())
}

/// How long a request would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Counted {
    input_tokens: usize,
}

/// `POST /v1/messages/count_tokens`.
pub(crate) async fn count_tokens(
    server: Server,
    JsonBody(request): JsonBody<CountRequest>,
) -> Result<Json<Counted>, ApiError> {
    let ask = ask(&server, request.into()).await?;
    Ok(Json(Counted { input_tokens: count(&server, ask).await? }))
}

async fn ask(server: &Server, request: MessagesRequest) -> Result<Ask, ApiError> {
    let settings = server.settings_for(&request.model).await?;
    let (ask, drafts, tools) = request.checked(&settings)?;
    let messages = pictures::drawn(&server.app, drafts).await?;
    let conversation = Ask::conversation(String::new(), messages, tools, &settings);
    Ok(Ask { prompts: conversation.prompts, put_before: conversation.put_before, ..ask })
}

/// An error in Anthropic's shape, with the same code, field and next step that other clients get.
pub(crate) fn error_body(error: &ApiError) -> Value {
    let kind = match error.status().as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 507 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let mut body = error.body();
    let details = json!({
        "type": kind,
        "message": error.sentence(),
        "code": body["error"]["code"].take(),
        "param": body["error"]["param"].take(),
    });
    json!({ "type": "error", "error": details })
}
