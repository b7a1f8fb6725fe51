//! `POST /v1/chat/completions`.

mod message;
mod request;
mod response;

use axum::Json;
use axum::response::{IntoResponse, Response};

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::{Ask, Run, pictures, stream, whole};
use crate::server::Server;

pub(crate) use message::unsupported_content;
pub(crate) use request::{ChatCompletionRequest, StreamOptions, schema_shape};
pub(crate) use response::{ChatCompletion, ChatCompletionChunk, finish_reason};
use response::{Chunks, Identity};

/// The handler.
pub(crate) async fn complete(
    server: Server,
    JsonBody(request): JsonBody<ChatCompletionRequest>,
) -> Result<Response, ApiError> {
    let settings = server.settings_for(&request.model).await?;
    let checked = request.checked(&settings)?;
    let messages = pictures::drawn(&server.app, checked.drafts).await?;
    let conversation = Ask::conversation(String::new(), messages, checked.tools, &settings);
    let ask = Ask { prompts: conversation.prompts, put_before: conversation.put_before, ..checked.ask };
    if checked.stream {
        return stream(&server, ask, Chunks::new(checked.include_usage)).await;
    }
    let answer = whole(&server, ask).await?;
    Ok(Json(Identity::default().completion(answer)).into_response())
}
