//! The response, and how it comes about.

use std::sync::Arc;

use lantern_engine::TokenLogprob;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::item::{InputContent, InputItem, InputPart};
use super::request::{Reasoning, ResponseRequest, TextOptions};
use super::store::{Stored, Turn};
use super::value;
use crate::ApiError;
use crate::generate::{Reason, ShortenedMessages, Tokens, Whole, new_id, now};
use crate::openai::logprobs::Token;
use crate::server::Server;

/// A response.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Response")]
pub(crate) struct ResponseObject {
    pub id: String,
    object: &'static str,
    created_at: u64,
    /// `in_progress`, `completed`, `incomplete`, `failed` or `cancelled`.
    pub status: &'static str,
    background: bool,
    error: Option<ResponseError>,
    incomplete_details: Option<Incomplete>,
    instructions: Option<String>,
    max_output_tokens: Option<u32>,
    pub model: String,
    pub output: Vec<OutputItem>,
    parallel_tool_calls: bool,
    previous_response_id: Option<String>,
    reasoning: Reasoning,
    store: bool,
    temperature: Option<f32>,
    text: TextOptions,
    tool_choice: Value,
    tools: Value,
    top_p: Option<f32>,
    truncation: String,
    usage: Option<ResponseUsage>,
    metadata: Map<String, Value>,
    /// What was left out of the conversation, where `truncation` allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lantern: Option<ShortenedMessages>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct ResponseError {
    code: String,
    message: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct ResponseUsage {
    input_tokens: usize,
    input_tokens_details: InputDetails,
    output_tokens: usize,
    output_tokens_details: OutputDetails,
    total_tokens: usize,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct InputDetails {
    cached_tokens: usize,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct OutputDetails {
    reasoning_tokens: usize,
}

/// What the model said, thought or called.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OutputItem {
    Message { id: String, status: &'static str, role: &'static str, content: Vec<OutputPart> },
    Reasoning { id: String, status: &'static str, summary: Vec<OutputPart>, content: Vec<OutputPart> },
    FunctionCall { id: String, status: &'static str, call_id: String, name: String, arguments: String },
}

/// Words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OutputPart {
    OutputText { text: String, annotations: Vec<()>, logprobs: Vec<Token> },
    ReasoningText { text: String },
}

impl OutputItem {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::Reasoning { id, .. } | Self::FunctionCall { id, .. } => id,
        }
    }

    /// Its words, if it has any.
    pub(super) fn part(&self) -> Option<&OutputPart> {
        match self {
            Self::Message { content, .. } | Self::Reasoning { content, .. } => content.first(),
            Self::FunctionCall { .. } => None,
        }
    }

    fn set_status(&mut self, to: &'static str) {
        match self {
            Self::Message { status, .. }
            | Self::Reasoning { status, .. }
            | Self::FunctionCall { status, .. } => {
                *status = to;
            }
        }
    }

    /// As a later request would bring it.
    fn input(&self) -> InputItem {
        let id = Some(self.id().to_owned());
        let text = |kind: &str, part: Option<&OutputPart>| {
            let text = match part {
                Some(OutputPart::OutputText { text, .. } | OutputPart::ReasoningText { text }) => {
                    text.clone()
                }
                None => String::new(),
            };
            InputContent::Parts(vec![InputPart {
                kind: kind.into(),
                text: Some(text),
                ..InputPart::default()
            }])
        };
        match self {
            Self::Message { .. } => {
                InputItem { id, ..InputItem::message("assistant", text("output_text", self.part())) }
            }
            Self::Reasoning { .. } => InputItem {
                id,
                kind: Some("reasoning".into()),
                content: Some(text("reasoning_text", self.part())),
                ..InputItem::default()
            },
            Self::FunctionCall { call_id, name, arguments, .. } => InputItem {
                id,
                kind: Some("function_call".into()),
                call_id: Some(call_id.clone()),
                name: Some(name.clone()),
                arguments: Some(arguments.clone()),
                ..InputItem::default()
            },
        }
    }
}

impl ResponseObject {
    fn new(request: ResponseRequest) -> Self {
        let tools = value(&request.tools.unwrap_or_default());
        Self {
            id: new_id("resp_"),
            object: "response",
            created_at: now(),
            status: "in_progress",
            background: request.background.unwrap_or(false),
            error: None,
            incomplete_details: None,
            instructions: request.instructions,
            max_output_tokens: request.max_output_tokens,
            model: request.model,
            output: Vec::new(),
            parallel_tool_calls: request.parallel_tool_calls.unwrap_or(true),
            previous_response_id: request.previous_response_id,
            reasoning: request.reasoning.unwrap_or_default(),
            store: request.store.unwrap_or(true),
            temperature: request.temperature,
            text: request.text.unwrap_or_else(TextOptions::plain),
            tool_choice: request.tool_choice.map_or_else(|| "auto".into(), |choice| value(&choice)),
            tools,
            top_p: request.top_p,
            truncation: request.truncation.unwrap_or_else(|| "disabled".into()),
            usage: None,
            metadata: request.metadata.unwrap_or_default(),
            lantern: None,
        }
    }

    /// What it says, as a later request would bring it.
    pub(super) fn items(&self) -> Vec<InputItem> {
        self.output.iter().map(OutputItem::input).collect()
    }

    /// Ends it, if it is not over.
    pub(super) fn cancel(&mut self) {
        if self.status == "in_progress" {
            self.end("cancelled");
        }
    }

    fn end(&mut self, status: &'static str) {
        self.status = status;
        let of_items = if status == "completed" { "completed" } else { "incomplete" };
        if let Some(last) = self.output.last_mut() {
            last.set_status(of_items);
        }
    }
}

/// Writes a response down as it comes about, and keeps it if it is to be kept. Dropped before the end, as when a client goes
/// away, it leaves it cancelled.
pub(super) struct Recorder {
    pub(super) response: ResponseObject,
    streams: bool,
    stored: Option<Arc<Stored>>,
}

impl Recorder {
    pub(super) fn new(
        server: Server,
        request: ResponseRequest,
        turns: Vec<Turn>,
        cancel: CancellationToken,
    ) -> Self {
        let streams = request.stream.unwrap_or(false);
        let response = ResponseObject::new(request);
        let key = server.key().map(str::to_owned);
        let stored = response.store.then(|| Arc::new(Stored::new(response.clone(), key, turns, cancel)));
        if let Some(stored) = &stored {
            server.responses.insert(Arc::clone(stored));
        }
        Self { response, streams, stored }
    }

    pub(super) fn streams(&self) -> bool {
        self.streams
    }

    pub(super) fn in_background(&self) -> bool {
        self.response.background
    }

    pub(super) fn snapshot(&self) -> ResponseObject {
        self.response.clone()
    }

    /// The whole answer.
    pub(super) fn finish(&mut self, answer: Whole) -> ResponseObject {
        self.response.model = answer.model;
        self.response.lantern = answer.report;
        let choice = answer.choices.into_iter().next().unwrap_or_default();
        if !choice.reasoning.is_empty() {
            self.think(&choice.reasoning);
        }
        if !choice.text.is_empty() || choice.calls.is_empty() {
            self.say(&choice.text, &choice.logprobs);
        }
        for call in choice.calls {
            self.call(call.id, call.name);
            self.argue(&call.arguments);
        }
        self.close(choice.reason, answer.tokens);
        self.response.clone()
    }

    /// More words; a new message where something else was last.
    pub(super) fn say(&mut self, more: &str, likely: &[TokenLogprob]) {
        self.settle(|last| matches!(last, OutputItem::Message { .. }));
        if self.response.output.last().is_none_or(|last| !matches!(last, OutputItem::Message { .. })) {
            let part = OutputPart::OutputText { text: String::new(), annotations: vec![], logprobs: vec![] };
            let (id, content) = (new_id("msg_"), vec![part]);
            let item = OutputItem::Message { id, status: "in_progress", role: "assistant", content };
            self.response.output.push(item);
        }
        if let Some(OutputItem::Message { content, .. }) = self.response.output.last_mut()
            && let Some(OutputPart::OutputText { text, logprobs, .. }) = content.first_mut()
        {
            text.push_str(more);
            logprobs.extend(likely.iter().map(Token::from));
        }
    }

    /// More thoughts.
    pub(super) fn think(&mut self, more: &str) {
        self.settle(|last| matches!(last, OutputItem::Reasoning { .. }));
        if self.response.output.last().is_none_or(|last| !matches!(last, OutputItem::Reasoning { .. })) {
            let content = vec![OutputPart::ReasoningText { text: String::new() }];
            let (id, summary) = (new_id("rs_"), Vec::new());
            self.response.output.push(OutputItem::Reasoning { id, status: "in_progress", summary, content });
        }
        if let Some(OutputItem::Reasoning { content, .. }) = self.response.output.last_mut()
            && let Some(OutputPart::ReasoningText { text }) = content.first_mut()
        {
            text.push_str(more);
        }
    }

    /// A call begins.
    pub(super) fn call(&mut self, call_id: String, name: String) {
        self.settle(|_| false);
        let (id, arguments) = (new_id("fc_"), String::new());
        let item = OutputItem::FunctionCall { id, status: "in_progress", call_id, name, arguments };
        self.response.output.push(item);
    }

    /// More of the last call's arguments.
    pub(super) fn argue(&mut self, more: &str) {
        if let Some(OutputItem::FunctionCall { arguments, .. }) = self.response.output.last_mut() {
            arguments.push_str(more);
        }
    }

    /// What is last is whole, unless it goes on.
    pub(super) fn settle(&mut self, goes_on: impl Fn(&OutputItem) -> bool) {
        if let Some(last) = self.response.output.last_mut().filter(|last| !goes_on(last)) {
            last.set_status("completed");
        }
    }

    /// The end.
    pub(super) fn close(&mut self, reason: Reason, tokens: Tokens) {
        self.response.usage = Some(ResponseUsage {
            input_tokens: tokens.prompt,
            input_tokens_details: InputDetails { cached_tokens: tokens.cached },
            output_tokens: tokens.completion,
            output_tokens_details: OutputDetails { reasoning_tokens: tokens.reasoning },
            total_tokens: tokens.prompt + tokens.completion,
        });
        match reason {
            Reason::Length => {
                self.response.incomplete_details = Some(Incomplete { reason: "max_output_tokens" });
                self.response.end("incomplete");
            }
            Reason::Stop | Reason::ToolCalls => self.response.end("completed"),
        }
        self.keep();
    }

    /// The end, too early.
    pub(super) fn fail(&mut self, error: &ApiError) {
        if error.is_cancelled() {
            self.response.end("cancelled");
        } else {
            self.response.end("failed");
            let (code, message) = (error.code().to_owned(), error.sentence());
            self.response.error = Some(ResponseError { code, message });
        }
        self.keep();
    }

    fn keep(&self) {
        if let Some(stored) = &self.stored {
            stored.put(self.response.clone());
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.response.status == "in_progress" {
            self.response.cancel();
            self.keep();
        }
    }
}

impl TextOptions {
    fn plain() -> Self {
        Self { format: Some(super::request::Format::text()) }
    }
}
