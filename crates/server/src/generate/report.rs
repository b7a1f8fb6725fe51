//! What a request lost that asked to be shortened.

use lantern_app::Shortened;
use lantern_engine::GenerationStream;
use schemars::JsonSchema;
use serde::Serialize;

/// What was left out of a request that asked for `"overflow": "drop_oldest"` (or `"truncation": "auto"`) or `"summarise"`;
/// all zero when everything fitted. Clients pass over fields that they do not know.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ShortenedMessages {
    /// How many messages.
    dropped_messages: usize,
    /// Which of the request's messages, counted from 0, in rising order.
    dropped_indices: Vec<usize>,
    /// Tokens that the prompt would have on top of those it has.
    dropped_tokens: usize,
    /// What stands in place of other messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
}

/// What stands in place of the oldest turns of a request that asked for `"overflow": "summarise"`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Summary {
    /// How many messages it is of.
    messages: usize,
    /// Which of the request's messages, counted from 0, in rising order.
    indices: Vec<usize>,
    /// Tokens that the prompt would have on top of those it has.
    tokens: usize,
    /// What the model reads in their place.
    text: String,
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
