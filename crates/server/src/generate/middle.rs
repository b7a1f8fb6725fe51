//! Filling in the middle: how models that were made for it read what comes before and after.

use axum::http::StatusCode;
use lantern_engine::{Prompt, Tokenizer};

use crate::ApiError;

/// Tokens before the beginning, before the end, and before the middle, family by family: Qwen and Granite 4, StarCoder and
/// Granite, DeepSeek, Code Llama, CodeGemma, GLM. All read the beginning first.
const MARKS: [[&str; 3]; 7] = [
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
    ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
    ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    ["<PRE>", "<SUF>", "<MID>"],
    ["<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"],
];

/// The prompt whose answer belongs between a text and what comes after it.
pub(super) fn prompt(tokenizer: &Tokenizer, before: &str, after: &str) -> Result<Prompt, ApiError> {
    let is_there = |marks: &&[&str; 3]| marks.iter().all(|mark| tokenizer.token_id(mark).is_some());
    let Some([prefix, suffix, middle]) = MARKS.iter().find(is_there) else {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "suffix_not_supported",
            "This model was not made to fill in the middle: its vocabulary has no tokens for it.",
            "Leave `suffix` out, or choose a model for code, such as Qwen2.5-Coder.",
        )
        .with_param("suffix"));
    };
    Ok(Prompt::Text(format!("{prefix}{before}{suffix}{after}{middle}")))
}
