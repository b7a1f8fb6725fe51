//! What happens to an answer, in words of no protocol.

use lantern_engine::{FinishReason, GenerationEvent, TokenLogprob, Usage};

use crate::ApiError;

/// What a client hears of one choice.
#[derive(Debug)]
pub(crate) enum Event {
    /// To be appended to the answer.
    Text { text: String, logprobs: Vec<TokenLogprob> },
    /// To be appended to what the model thinks.
    Reasoning { text: String },
    /// A call of a tool begins.
    Call { index: usize, id: String, name: String },
    /// To be appended to the call's arguments.
    Arguments { index: usize, text: String },
    /// The choice is whole.
    Finished { reason: Reason, stop_string: Option<String>, tokens: Tokens },
    /// The choice failed.
    Failed(ApiError),
}

/// Why a choice ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    #[default]
    Stop,
    Length,
    ToolCalls,
}

/// Counted tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub prompt: usize,
    pub cached: usize,
    pub completion: usize,
    pub reasoning: usize,
}

impl Tokens {
    pub(crate) fn new(usage: &Usage, reasoning: usize) -> Self {
        Self {
            prompt: usage.prompt_tokens,
            cached: usage.cached_tokens,
            completion: usage.completion_tokens,
            reasoning: reasoning.min(usage.completion_tokens),
        }
    }
}

/// The event as clients hear it; `None` for what only the window shows. `reasoning` counts tokens of thoughts.
pub(crate) fn translated(event: GenerationEvent, reasoning: &mut usize) -> Option<Event> {
    Some(match event {
        GenerationEvent::Text { text, logprobs, .. } => {
            if text.is_empty() && logprobs.is_empty() {
                return None;
            }
            Event::Text { text, logprobs }
        }
        GenerationEvent::Reasoning { text, tokens, .. } => {
            *reasoning += tokens.len();
            if text.is_empty() {
                return None;
            }
            Event::Reasoning { text }
        }
        GenerationEvent::ToolCall { index, id, name } => Event::Call { index, id, name },
        GenerationEvent::ToolArguments { index, text, .. } => Event::Arguments { index, text },
        GenerationEvent::Finished { reason, stop_string, usage, .. } => {
            let tokens = Tokens::new(&usage, *reasoning);
            Event::Finished { reason: reason.into(), stop_string, tokens }
        }
        GenerationEvent::Failed(error) => Event::Failed(error.into()),
        GenerationEvent::Queued { .. } | GenerationEvent::Prefill { .. } => return None,
    })
}

impl From<FinishReason> for Reason {
    fn from(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Stop | FinishReason::Cancelled => Reason::Stop,
            FinishReason::Length => Reason::Length,
            FinishReason::ToolCalls => Reason::ToolCalls,
        }
    }
}
