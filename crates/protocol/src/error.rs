//! The one shape in which any failure reaches a person or a program.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What went wrong, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ErrorInfo {
    /// A stable name in snake_case, for programs and for searching: `model_too_large`.
    pub code: String,
    /// The cause, with its numbers, in a sentence.
    pub message: String,
    /// What the reader can do next, in a sentence.
    pub next_step: String,
}

impl std::fmt::Display for ErrorInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} [{}]", self.message, self.next_step, self.code)
    }
}

impl std::error::Error for ErrorInfo {}
