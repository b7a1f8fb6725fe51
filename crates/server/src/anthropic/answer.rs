//! A message in one piece.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::generate::{Call, Reason, ShortenedMessages, Tokens, Whole, new_id};

/// The assistant's message.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Message {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: String,
    pub(super) content: Vec<AnswerBlock>,
    /// `end_turn`, `stop_sequence`, `max_tokens` or `tool_use`.
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<String>,
    pub(super) usage: MessageUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lantern: Option<ShortenedMessages>,
}

/// Words, thoughts or a call.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum AnswerBlock {
    Thinking { thinking: String, signature: String },
    Text { text: String },
    ToolUse { id: String, name: String, input: Value },
}

/// Tokens read and written.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
pub(crate) struct MessageUsage {
    /// Tokens that had to be read.
    input_tokens: usize,
    cache_creation_input_tokens: usize,
    /// Tokens that the cache had.
    cache_read_input_tokens: usize,
    output_tokens: usize,
}

impl From<Tokens> for MessageUsage {
    fn from(tokens: Tokens) -> Self {
        Self {
            input_tokens: tokens.prompt.saturating_sub(tokens.cached),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: tokens.cached,
            output_tokens: tokens.completion,
        }
    }
}

impl Message {
    /// One that has said nothing yet.
    pub(super) fn empty(model: String) -> Self {
        Self {
            id: new_id("msg_"),
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: MessageUsage::default(),
            lantern: None,
        }
    }
}

/// The whole message.
pub(super) fn message(answer: Whole) -> Message {
    let choice = answer.choices.into_iter().next().unwrap_or_default();
    let mut content = Vec::new();
    if !choice.reasoning.is_empty() {
        content.push(AnswerBlock::Thinking { thinking: choice.reasoning, signature: String::new() });
    }
    if !choice.text.is_empty() || choice.calls.is_empty() {
        content.push(AnswerBlock::Text { text: choice.text });
    }
    content.extend(choice.calls.into_iter().map(tool_use));
    Message {
        content,
        stop_reason: Some(stop_reason(choice.reason, &choice.stop_string)),
        stop_sequence: choice.stop_string,
        usage: answer.tokens.into(),
        lantern: answer.report,
        ..Message::empty(answer.model)
    }
}

/// Arguments that broke off are no JSON; then there are none.
fn tool_use(call: Call) -> AnswerBlock {
    let input = serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::Object(Map::new()));
    AnswerBlock::ToolUse { id: call.id, name: call.name, input }
}

pub(super) fn stop_reason(reason: Reason, stop_string: &Option<String>) -> &'static str {
    match reason {
        Reason::Stop if stop_string.is_some() => "stop_sequence",
        Reason::Stop => "end_turn",
        Reason::Length => "max_tokens",
        Reason::ToolCalls => "tool_use",
    }
}
