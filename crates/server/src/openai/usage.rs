//! Tokens read and written.

use schemars::JsonSchema;
use serde::Serialize;

use crate::generate::Tokens;

/// Tokens read and written.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct PromptDetails {
    /// Tokens that did not have to be read anew.
    cached_tokens: usize,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct CompletionDetails {
    /// Tokens of thoughts.
    reasoning_tokens: usize,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self {
            prompt_tokens: tokens.prompt,
            completion_tokens: tokens.completion,
            total_tokens: tokens.prompt + tokens.completion,
            prompt_tokens_details: PromptDetails { cached_tokens: tokens.cached },
            completion_tokens_details: CompletionDetails { reasoning_tokens: tokens.reasoning },
        }
    }
}
