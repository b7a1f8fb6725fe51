//! What a caller asks of the engine, and what it hears back. Plain data; nothing here runs.

use std::time::Duration;

use crate::error::EngineError;
use crate::overflow::Overflow;
use crate::picture::Picture;
use crate::text::{ChatMessage, Constraint, SamplingParams, ToolChoice};

/// The text to continue.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// A conversation, rendered with the model's own chat template up to the start of the answer.
    Messages {
        /// Oldest first.
        messages: Vec<ChatMessage>,
        /// Tool definitions in the OpenAI form, passed to the template.
        tools: Option<serde_json::Value>,
    },
    /// Raw text; it may spell special tokens. The model's BOS is added where it wants one.
    Text(String),
    /// Token ids, used as they are.
    Tokens(Vec<u32>),
    /// What a conversation became ([`Inputs`](crate::Inputs)), once more: used as it is, and the answer is read and held to
    /// its tools like the conversation's.
    Rendered {
        /// Token ids, without the parts of pictures.
        tokens: Vec<u32>,
        /// The conversation's pictures, in order.
        pictures: Vec<Picture>,
        /// Tool definitions in the OpenAI form.
        tools: Option<serde_json::Value>,
    },
}

/// Who goes first. The order of the variants is the order of service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The open chat: served first, never preempted by the others.
    Chat,
    /// A program at the endpoint.
    #[default]
    Api,
    /// Whatever nobody waits for.
    Background,
}

/// One generation.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// The text to continue.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// Ends the answer after so many tokens; `None` goes on until the model stops or the context is full.
    pub max_tokens: Option<usize>,
    /// Ends the answer before any of these; they are not part of the text. Empty strings are ignored.
    pub stop: Vec<String>,
    /// Who goes first.
    pub priority: Priority,
    /// To whom the tokens belong, such as a conversation: what is kept of them on disk can be deleted by this name, see
    /// [`Engine::forget_prefixes`](crate::Engine::forget_prefixes).
    pub owner: Option<String>,
    /// Tokens that the prompt and its answer may have together; `None`, and whatever is more, takes what the engine has
    /// room for, see [`Engine::context_length`](crate::Engine::context_length).
    pub context_length: Option<usize>,
    /// What happens when the prompt does not fit the context.
    pub overflow: Overflow,
    /// Whether the answer may, must or must not call the prompt's tools. Without tools it says nothing.
    pub tool_choice: ToolChoice,
    /// Whether one answer may call several tools.
    pub parallel_tool_calls: bool,
    /// Further variables for the model's chat template, such as `enable_thinking` and `reasoning_effort`.
    pub template_vars: serde_json::Map<String, serde_json::Value>,
    /// What the answer must look like; `None` leaves that to the model.
    pub constraint: Option<Constraint>,
    /// Text that comes before the constrained part, such as `</think>`: the model writes what it likes up to the first time
    /// this appears, and cannot end before; [`Self::constraint`] holds behind it and up to two ends of lines. `None` constrains
    /// the whole answer. The text of the answer has all of it, the marker included where it is not a control token.
    pub constraint_after: Option<String>,
    /// How many of the likeliest tokens to name beside each chosen one, from 0 to [`MOST_LOGPROBS`]; `None` gives no log
    /// probabilities and costs nothing.
    pub logprobs: Option<usize>,
}

/// The most alternatives that [`GenerateRequest::logprobs`] can ask for.
pub const MOST_LOGPROBS: usize = 20;

impl GenerateRequest {
    /// A request with default sampling, no limit of its own and the priority of the endpoint.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            sampling: SamplingParams::default(),
            max_tokens: None,
            stop: Vec::new(),
            priority: Priority::default(),
            owner: None,
            context_length: None,
            overflow: Overflow::default(),
            tool_choice: ToolChoice::default(),
            parallel_tool_calls: true,
            template_vars: serde_json::Map::new(),
            constraint: None,
            constraint_after: None,
            logprobs: None,
        }
    }
}

/// How likely the model took one token of the answer to be, by its own unchanged logits: the natural logarithm of the
/// probability at temperature 1, before `logit_bias`, penalties and what a constraint allows.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// The token that was chosen.
    pub token: u32,
    /// Its log probability.
    pub logprob: f32,
    /// What it stands for: perhaps only a part of a character, and for a control token its spelling.
    pub bytes: Vec<u8>,
    /// The likeliest tokens, as many as were asked for, the likeliest first. The chosen one may be among them.
    pub top: Vec<TopLogprob>,
}

/// One of the likeliest tokens at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct TopLogprob {
    /// The token.
    pub token: u32,
    /// Its log probability.
    pub logprob: f32,
    /// What it stands for.
    pub bytes: Vec<u8>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, a stop string appeared, or its constraint allows nothing more.
    Stop,
    /// The model ended it and called tools.
    ToolCalls,
    /// `max_tokens` was reached, or the request's context is full.
    Length,
    /// [`GenerationStream::cancel`](crate::GenerationStream::cancel) was called.
    Cancelled,
}

/// Counted tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, template included.
    pub prompt_tokens: usize,
    /// Tokens sampled, the end-of-turn token included.
    pub completion_tokens: usize,
    /// Prompt tokens that came from the prefix cache.
    pub cached_tokens: usize,
}

/// Where the time went. The three phases follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timings {
    /// From the request to its first step.
    pub queue: Duration,
    /// From the first step to the first token.
    pub prefill: Duration,
    /// From the first token to the end.
    pub decode: Duration,
    /// From the request to the first token.
    pub first_token: Duration,
}

impl Timings {
    /// Tokens per second after the first one; 0 when there was at most one.
    pub fn decode_tokens_per_second(&self, completion_tokens: usize) -> f64 {
        let seconds = self.decode.as_secs_f64();
        if completion_tokens < 2 || seconds <= 0.0 {
            return 0.0;
        }
        (completion_tokens - 1) as f64 / seconds
    }
}

/// What happens to a request, in order: any number of `Queued` and `Prefill`, then of `Text`, `Reasoning`, `ToolCall` and
/// `ToolArguments`, then exactly one of `Finished` and `Failed`.
#[derive(Debug)]
pub enum GenerationEvent {
    /// Others go first.
    Queued {
        /// How many stand before this one.
        position: usize,
    },
    /// The prompt is being read.
    Prefill {
        /// Tokens read so far, cached ones included.
        processed: usize,
        /// Tokens of the prompt.
        total: usize,
        /// Of those, tokens found in the prefix cache.
        cached: usize,
    },
    /// A piece of the answer.
    Text {
        /// Whole UTF-8 characters, to be appended; empty when the tokens print nothing.
        text: String,
        /// Every token sampled since the last event that has tokens, special ones included.
        tokens: Vec<u32>,
        /// How likely each of them was, in the same order; empty where nobody asked.
        logprobs: Vec<TokenLogprob>,
    },
    /// A piece of what the model thinks before it answers. Only for conversations ([`Prompt::Messages`], [`Prompt::Rendered`]).
    Reasoning {
        /// Whole UTF-8 characters, to be appended.
        text: String,
        /// Every token sampled since the last event that has tokens, special ones included.
        tokens: Vec<u32>,
    },
    /// A call of one of the conversation's tools begins.
    ToolCall {
        /// Counts the answer's calls from 0.
        index: usize,
        /// `call_` and 24 letters and digits.
        id: String,
        /// The tool.
        name: String,
    },
    /// A piece of a call's arguments. All pieces together are a JSON object, unless the answer ended early.
    ToolArguments {
        /// The call's number.
        index: usize,
        /// JSON text, to be appended.
        text: String,
        /// Every token sampled since the last event that has tokens, special ones included.
        tokens: Vec<u32>,
    },
    /// The answer is whole.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// The stop string that ended it.
        stop_string: Option<String>,
        /// Counted tokens.
        usage: Usage,
        /// Where the time went.
        timings: Timings,
    },
    /// The answer failed; the text so far stands.
    Failed(EngineError),
}
