//! Ollama's protocol: objects a line, durations in nanoseconds, models by name.

mod answer;
mod embed;
mod library;
mod options;
mod pull;
mod request;

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use lantern_app::Stay;
use lantern_engine::Prompt;
use serde_json::{Value, json};

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::{Ask, pictures, stream, whole};
use crate::server::Server;
use answer::{Form, Lines};

pub(crate) use embed::{EmbedOneRequest, EmbedRequest, Embedded, EmbeddedOne, embed, embed_one};
pub(crate) use library::{NameRequest, ps, show, tags, version};
pub(crate) use pull::{PullRequest, pull};
pub(crate) use request::{ChatRequest, GenerateRequest};

/// `POST /api/chat`.
pub(crate) async fn chat(
    server: Server,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let stay = options::stay(request.keep_alive.as_ref())?;
    let model = known(&server, &request.model).await?;
    if request.messages.is_empty() {
        return only_load(&server, model, stay, Form::Chat).await;
    }
    let settings = server.settings_for(&model).await?;
    let streams = request.stream.unwrap_or(true);
    let (ask, drafts, tools) = request.checked(model, &settings)?;
    let messages = pictures::drawn(&server.app, drafts).await?;
    let conversation = Ask::conversation(String::new(), messages, tools, &settings);
    let ask = Ask { prompts: conversation.prompts, put_before: conversation.put_before, ..ask };
    answered(&server, ask, streams, Lines::new(server.clone(), Form::Chat, stay)).await
}

/// `POST /api/generate`.
pub(crate) async fn generate(
    server: Server,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    let stay = options::stay(request.keep_alive.as_ref())?;
    let model = known(&server, &request.model).await?;
    if request.prompt.is_empty() && request.suffix.is_none() && request.images.is_none() {
        return only_load(&server, model, stay, Form::Generate).await;
    }
    let settings = server.settings_for(&model).await?;
    let streams = request.stream.unwrap_or(true);
    let (mut ask, drafts) = request.checked(model, &settings)?;
    if let Some(drafts) = drafts {
        let messages = pictures::drawn(&server.app, drafts).await?;
        let conversation = Ask::conversation(String::new(), messages, None, &settings);
        (ask.prompts, ask.put_before) = (conversation.prompts, conversation.put_before);
    }
    answered(&server, ask, streams, Lines::new(server.clone(), Form::Generate, stay)).await
}

async fn answered(server: &Server, ask: Ask, streams: bool, lines: Lines) -> Result<Response, ApiError> {
    if streams {
        return stream(server, ask, lines).await;
    }
    Ok(Json(lines.whole(whole(server, ask).await?)).into_response())
}

/// A request without words loads a model, or takes it out of memory.
async fn only_load(
    server: &Server,
    model: String,
    stay: Option<Stay>,
    form: Form,
) -> Result<Response, ApiError> {
    let leaves = stay == Some(Stay::For(Duration::ZERO));
    if !leaves {
        server.app.engine(Some(&model)).await?;
    }
    if let Some(stay) = stay {
        server.app.keep_model(&model, stay).await?;
    }
    let reason = if leaves { "unload" } else { "load" };
    Ok(Json(form.empty(&model, reason)).into_response())
}

/// The library id of the model by this name; Ollama's clients add a tag.
async fn known(server: &Server, name: &str) -> Result<String, ApiError> {
    let bare = name.strip_suffix(":latest").unwrap_or(name);
    if bare.is_empty() {
        return Err(ApiError::invalid("model", "`model` is empty.", "Name a model of the library."));
    }
    // A model of Ollama's own has the tag in its name.
    match server.listed(name).await {
        Err(error) if error.code() == "model_not_found" && bare != name => server.listed(bare).await,
        found => found,
    }
}

/// An error in Ollama's shape, with the code that other clients get.
pub(crate) fn error_body(error: &ApiError) -> Value {
    json!({ "error": error.sentence(), "code": error.code() })
}

/// A text that goes on, without a conversation around it.
fn plain(text: String) -> Vec<Prompt> {
    vec![Prompt::Text(text)]
}
