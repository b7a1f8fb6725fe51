//! Messages of a conversation as clients of chat completions write them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lantern_engine::ChatMessage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ApiError;
use crate::generate::fields::short;
use crate::generate::pictures::{Draft, DraftPart};

/// A message of the conversation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct RequestMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// Text, or parts.
    #[serde(default)]
    pub content: Option<Content>,
    /// The assistant's calls of tools.
    #[serde(default)]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Which call a `tool` message answers.
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// The tool's name.
    #[serde(default)]
    pub name: Option<String>,
    /// What the assistant thought before it answered.
    #[serde(default, alias = "reasoning")]
    pub reasoning_content: Option<String>,
}

/// A message's content.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of parts")]
pub(crate) enum Content {
    /// Plain.
    Text(String),
    /// In parts.
    Parts(Vec<Part>),
}

/// A part of a message's content.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Part {
    /// `text`, `image_url` or `refusal`; others are refused.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a `text` part.
    #[serde(default)]
    pub text: Option<String>,
    /// The text of a `refusal` part.
    #[serde(default)]
    pub refusal: Option<String>,
    /// The picture of an `image_url` part.
    #[serde(default)]
    pub image_url: Option<ImageUrl>,
}

/// Where a picture is. `detail` is ignored: a model sees a picture as its authors prepare it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected an address or an object with `url`")]
pub(crate) enum ImageUrl {
    /// As OpenAI has it.
    Object {
        /// `data:image/png;base64,…`, or an address on the web.
        url: String,
    },
    /// The address alone, as some programs send it.
    Plain(String),
}

/// A call of a tool.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ToolCall {
    /// The call's name.
    #[serde(default)]
    pub id: String,
    /// `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// What is called.
    pub function: CalledFunction,
}

/// A function with its arguments.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CalledFunction {
    /// The tool's name.
    pub name: String,
    /// JSON text.
    #[serde(default)]
    pub arguments: String,
}

fn function() -> String {
    "function".into()
}

/// All messages, before their pictures are looked at.
pub(crate) fn drafts(messages: Vec<RequestMessage>) -> Result<Vec<Draft>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` is empty.", "Send at least one message."));
    }
    // Templates want a tool's name with its result; clients send the call's id.
    let mut called = BTreeMap::new();
    let mut drafts = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        for call in message.tool_calls.iter().flatten() {
            called.insert(call.id.clone(), call.function.name.clone());
        }
        let name = message.tool_call_id.as_ref().and_then(|id| called.get(id).cloned());
        let mut draft = message.draft(index)?;
        draft.message.name = draft.message.name.or(name);
        drafts.push(draft);
    }
    Ok(drafts)
}

impl RequestMessage {
    fn draft(self, index: usize) -> Result<Draft, ApiError> {
        let role = match self.role.as_str() {
            "developer" => "system",
            role @ ("system" | "user" | "assistant" | "tool") => role,
            other => {
                let message = format!("Message {index} has the unknown role `{}`.", short(other));
                let next = "Use system, developer, user, assistant or tool.";
                return Err(ApiError::invalid(format!("messages[{index}].role"), message, next));
            }
        };
        let parts = match self.content {
            None => Vec::new(),
            Some(Content::Text(text)) => vec![DraftPart::Text(text)],
            Some(Content::Parts(parts)) => {
                parts.into_iter().map(|part| part.draft(index)).collect::<Result<_, _>>()?
            }
        };
        let calls = self.tool_calls.filter(|calls| role == "assistant" && !calls.is_empty());
        let message = ChatMessage {
            reasoning: self.reasoning_content.filter(|_| role == "assistant"),
            tool_calls: calls.map(|calls| json!(calls)),
            tool_call_id: self.tool_call_id.filter(|_| role == "tool"),
            name: self.name.filter(|_| role == "tool"),
            ..ChatMessage::new(role, "")
        };
        Ok(Draft { message, parts })
    }
}

impl Part {
    fn draft(self, index: usize) -> Result<DraftPart, ApiError> {
        match (self.kind.as_str(), self.text, self.image_url, self.refusal) {
            ("text", Some(text), ..) | ("refusal", _, _, Some(text)) => Ok(DraftPart::Text(text)),
            ("image_url", _, Some(ImageUrl::Object { url } | ImageUrl::Plain(url)), _) => {
                Ok(DraftPart::Url(url))
            }
            (kind, ..) => Err(unsupported_content(kind, format!("messages[{index}].content"))),
        }
    }
}

/// A part that no model here can read.
pub(crate) fn unsupported_content(kind: &str, param: String) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "unsupported_content",
        format!("Content of the type `{}` is not supported, or has nothing in it.", short(kind)),
        "Send texts and pictures.",
    )
    .with_param(param)
}
