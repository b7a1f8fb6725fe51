//! What chat completions answer: one object, or a stream of chunks.

use schemars::JsonSchema;
use serde::Serialize;

use super::Run;
use super::message::{CalledFunction, ToolCall};
use crate::ApiError;
use crate::generate::{
    Call, Choice, Event, Frames, Reason, ShortenedMessages, Tokens, Whole, Writer, new_id, now,
};
use crate::openai::logprobs::Logprobs;
use crate::openai::usage::Usage;

/// A whole answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChatCompletion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<WholeChoice>,
    usage: Usage,
    system_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lantern: Option<ShortenedMessages>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct WholeChoice {
    index: usize,
    message: AnswerMessage,
    logprobs: Option<Logprobs>,
    finish_reason: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AnswerMessage {
    role: &'static str,
    /// `None` where the answer is calls of tools alone.
    content: Option<String>,
    refusal: Option<()>,
    /// What the model thought before it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

/// A piece of an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChatCompletionChunk {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lantern: Option<ShortenedMessages>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ChunkChoice {
    index: usize,
    delta: Delta,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallDelta>,
}

/// A piece of a call; the first has everything but the arguments.
#[derive(Debug, Serialize, JsonSchema)]
struct CallDelta {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionDelta,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}

/// What all chunks of one answer share.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    id: String,
    created: u64,
    model: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { id: new_id("chatcmpl-"), created: now(), model: String::new() }
    }
}

impl Identity {
    /// The answer in one object.
    pub(super) fn completion(self, answer: Whole) -> ChatCompletion {
        let choices = answer.choices.into_iter().enumerate();
        ChatCompletion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: answer.model,
            choices: choices.map(|(index, choice)| WholeChoice::new(index, choice)).collect(),
            usage: answer.tokens.into(),
            system_fingerprint: None,
            lantern: answer.report,
        }
    }

    fn chunk(&self, choices: Vec<ChunkChoice>) -> ChatCompletionChunk {
        ChatCompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: None,
            lantern: None,
        }
    }

    fn delta(&self, index: usize, delta: Delta, logprobs: Option<Logprobs>) -> ChatCompletionChunk {
        self.chunk(vec![ChunkChoice { index, delta, logprobs, finish_reason: None }])
    }
}

impl WholeChoice {
    fn new(index: usize, choice: Choice) -> Self {
        let Choice { text, reasoning, calls, logprobs, reason, .. } = choice;
        let silent = text.is_empty() && !calls.is_empty();
        let message = AnswerMessage {
            role: "assistant",
            content: (!silent).then_some(text),
            refusal: None,
            reasoning_content: (!reasoning.is_empty()).then_some(reasoning),
            tool_calls: calls.into_iter().map(ToolCall::from).collect(),
        };
        Self { index, message, logprobs: Logprobs::of(&logprobs), finish_reason: finish_reason(reason) }
    }
}

impl From<Call> for ToolCall {
    fn from(call: Call) -> Self {
        let function = CalledFunction { name: call.name, arguments: call.arguments };
        Self { id: call.id, kind: "function".into(), function }
    }
}

/// The stream's writer.
pub(super) struct Chunks {
    identity: Identity,
    include_usage: bool,
}

impl Chunks {
    pub(super) fn new(include_usage: bool) -> Self {
        Self { identity: Identity::default(), include_usage }
    }
}

impl Writer for Chunks {
    /// The first chunk of each choice names the role; the very first tells what was left out.
    fn open(&mut self, run: &Run, out: &mut Frames) {
        self.identity.model.clone_from(&run.model);
        for index in 0..run.choices {
            let delta = Delta { role: Some("assistant"), content: Some(String::new()), ..Delta::default() };
            let lantern = run.report.clone().filter(|_| index == 0);
            out.data(&ChatCompletionChunk { lantern, ..self.identity.delta(index, delta, None) });
        }
    }

    fn event(&mut self, choice: usize, event: Event, out: &mut Frames) {
        let (delta, logprobs) = match event {
            Event::Text { text, logprobs } => {
                (Delta { content: Some(text), ..Delta::default() }, Logprobs::of(&logprobs))
            }
            Event::Reasoning { text } => (Delta { reasoning_content: Some(text), ..Delta::default() }, None),
            Event::Call { index, id, name } => {
                let function = FunctionDelta { name: Some(name), arguments: String::new() };
                let call = CallDelta { index, id: Some(id), kind: Some("function"), function };
                (Delta { tool_calls: vec![call], ..Delta::default() }, None)
            }
            Event::Arguments { index, text } => {
                let function = FunctionDelta { name: None, arguments: text };
                let call = CallDelta { index, id: None, kind: None, function };
                (Delta { tool_calls: vec![call], ..Delta::default() }, None)
            }
            Event::Finished { reason, .. } => {
                let finish_reason = Some(finish_reason(reason));
                let delta = Delta::default();
                let closing = ChunkChoice { index: choice, delta, logprobs: None, finish_reason };
                return out.data(&self.identity.chunk(vec![closing]));
            }
            Event::Failed(_) => return,
        };
        out.data(&self.identity.delta(choice, delta, logprobs));
    }

    fn close(&mut self, tokens: Tokens, out: &mut Frames) {
        if self.include_usage {
            out.data(&ChatCompletionChunk { usage: Some(tokens.into()), ..self.identity.chunk(Vec::new()) });
        }
        out.raw("[DONE]");
    }

    fn fail(&mut self, error: &ApiError, out: &mut Frames) {
        out.data(&error.body());
    }
}

pub(crate) fn finish_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Stop => "stop",
        Reason::Length => "length",
        Reason::ToolCalls => "tool_calls",
    }
}
