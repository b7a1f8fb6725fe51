//! How likely tokens were.

use schemars::JsonSchema;
use serde::Serialize;

use crate::generate::{TokenLogprob, TopLogprob};

/// The tokens of a piece of text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Logprobs {
    content: Vec<Token>,
    refusal: Option<()>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Token {
    #[serde(flatten)]
    token: Likely,
    /// The likeliest tokens at this place.
    top_logprobs: Vec<Likely>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Likely {
    /// As text; what is no whole character is U+FFFD.
    token: String,
    /// Natural logarithm of its probability.
    logprob: f32,
    /// UTF-8.
    bytes: Vec<u8>,
}

impl Logprobs {
    /// `None` where nobody asked.
    pub(crate) fn of(tokens: &[TokenLogprob]) -> Option<Self> {
        let token = |token: &TokenLogprob| Token {
            token: (&token.token).into(),
            top_logprobs: token.top.iter().map(Likely::from).collect(),
        };
        (!tokens.is_empty()).then(|| Self { content: tokens.iter().map(token).collect(), refusal: None })
    }
}

impl From<&TopLogprob> for Likely {
    fn from(token: &TopLogprob) -> Self {
        Self {
            token: String::from_utf8_lossy(&token.bytes).into_owned(),
            // JSON has no infinity.
            logprob: token.logprob.max(-9999.0),
            bytes: token.bytes.clone(),
        }
    }
}
