//! How likely tokens were.

use lantern_engine::TokenLogprob;
use schemars::JsonSchema;
use serde::Serialize;

/// The tokens of a piece of text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Logprobs {
    content: Vec<Token>,
    refusal: Option<()>,
}

/// A token, and what might have stood in its place.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Token {
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
        (!tokens.is_empty())
            .then(|| Self { content: tokens.iter().map(Token::from).collect(), refusal: None })
    }
}

impl From<&TokenLogprob> for Token {
    fn from(token: &TokenLogprob) -> Self {
        Self {
            token: Likely::new(&token.bytes, token.logprob),
            top_logprobs: token.top.iter().map(|top| Likely::new(&top.bytes, top.logprob)).collect(),
        }
    }
}

impl Likely {
    fn new(bytes: &[u8], logprob: f32) -> Self {
        let token = String::from_utf8_lossy(bytes).into_owned();
        Self { token, logprob: finite(logprob), bytes: bytes.to_vec() }
    }
}

/// JSON has no infinity; this is OpenAI's word for it.
pub(crate) fn finite(logprob: f32) -> f32 {
    logprob.max(-9999.0)
}
