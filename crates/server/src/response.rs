//! What `/v1/chat/completions` answers: one object, or a stream of chunks. Shapes follow OpenAI's reference.

use lantern_app::Shortened;
use lantern_engine::{FinishReason, GenerationStream, Usage};
use serde::Serialize;

/// A whole answer.
#[derive(Debug, Serialize)]
pub struct ChatCompletion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: [Choice; 1],
    usage: ApiUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    lantern: Option<ShortenedMessages>,
}

/// What was left out of a request that asked for `"overflow": "drop_oldest"` or `"summarise"`; all zero when everything fitted. OpenAI's
/// reference has no such field, and clients pass over fields that they do not know.
#[derive(Debug, Clone, Serialize)]
pub struct ShortenedMessages {
    /// How many messages.
    dropped_messages: usize,
    /// Which of the request's `messages`, counted from 0, in rising order.
    dropped_indices: Vec<usize>,
    /// Tokens that the prompt would have on top of those it has.
    dropped_tokens: usize,
    /// What stands in place of other messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
}

/// What stands in place of the oldest turns of a request that asked for `"overflow": "summarise"`.
#[derive(Debug, Clone, Serialize)]
struct Summary {
    /// How many messages it is of.
    messages: usize,
    /// Which of the request's `messages`, counted from 0, in rising order.
    indices: Vec<usize>,
    /// Tokens that the prompt would have on top of those it has.
    tokens: usize,
    /// What the model reads in their place.
    text: String,
}

#[derive(Debug, Serialize)]
struct Choice {
    index: u32,
    message: AnswerMessage,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
struct AnswerMessage {
    role: &'static str,
    content: String,
    refusal: Option<()>,
}

/// Tokens read and written.
#[derive(Debug, Clone, Serialize)]
struct ApiUsage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptDetails,
}

#[derive(Debug, Clone, Serialize)]
struct PromptDetails {
    cached_tokens: usize,
}

/// A piece of an answer.
#[derive(Debug, Serialize)]
pub struct ChatCompletionChunk {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ApiUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lantern: Option<ShortenedMessages>,
}

#[derive(Debug, Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// What all chunks of one answer share.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    id: String,
    created: u64,
    model: String,
    dropped: Option<ShortenedMessages>,
}

impl ShortenedMessages {
    /// `put_before` messages stand before the client's own.
    pub(crate) fn new(stream: &GenerationStream, shortened: &Shortened, put_before: usize) -> Self {
        let own = |messages: &[usize]| messages.iter().map(|at| at.saturating_sub(put_before)).collect();
        let dropped = shortened.dropped(stream);
        let summarised = shortened.summarised.as_ref().map(|summarised| {
            let tokens = summarised.tokens_before.saturating_sub(stream.prompt_tokens());
            let (messages, text) = (&summarised.messages, summarised.text.clone());
            Summary { messages: messages.len(), indices: own(messages), tokens, text }
        });
        Self {
            dropped_messages: dropped.len(),
            dropped_indices: own(&dropped),
            dropped_tokens: stream.dropped().map_or(0, |d| d.tokens_before.saturating_sub(d.tokens_after)),
            summary: summarised,
        }
    }
}

impl Identity {
    /// A new answer by the model of this library id, with what to report of messages that were left out.
    pub fn new(model: String, dropped: Option<ShortenedMessages>) -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let created = since_epoch.map_or(0, |d| d.as_secs());
        Self { id: format!("chatcmpl-{}", uuid::Uuid::now_v7().simple()), created, model, dropped }
    }

    /// The answer in one object.
    pub fn completion(self, content: String, reason: FinishReason, usage: &Usage) -> ChatCompletion {
        let message = AnswerMessage { role: "assistant", content, refusal: None };
        let choice = Choice { index: 0, message, logprobs: None, finish_reason: finish_reason(reason) };
        let Self { id, created, model, dropped } = self;
        ChatCompletion {
            id,
            object: "chat.completion",
            created,
            model,
            choices: [choice],
            usage: usage.into(),
            lantern: dropped,
        }
    }

    /// The first chunk, which names the role and tells what was left out.
    pub fn opening(&self) -> ChatCompletionChunk {
        let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
        ChatCompletionChunk { lantern: self.dropped.clone(), ..self.delta(delta, None) }
    }

    /// A piece of text.
    pub fn text(&self, content: String) -> ChatCompletionChunk {
        self.delta(Delta { role: None, content: Some(content) }, None)
    }

    /// The last chunk with a choice.
    pub fn closing(&self, reason: FinishReason) -> ChatCompletionChunk {
        self.delta(Delta::default(), Some(finish_reason(reason)))
    }

    /// The chunk that `include_usage` asks for.
    pub fn usage(&self, usage: &Usage) -> ChatCompletionChunk {
        ChatCompletionChunk { usage: Some(usage.into()), ..self.chunk(Vec::new()) }
    }

    fn delta(&self, delta: Delta, finish_reason: Option<&'static str>) -> ChatCompletionChunk {
        self.chunk(vec![ChunkChoice { index: 0, delta, logprobs: None, finish_reason }])
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
}

impl From<&Usage> for ApiUsage {
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cached_tokens },
        }
    }
}

fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Cancelled => "stop",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Length => "length",
    }
}
