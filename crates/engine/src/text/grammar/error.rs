//! What can be wrong with a constraint.

use super::gbnf::GbnfError;

/// Why an answer cannot be held to a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// More than any sensible constraint needs.
    #[error("the {what} has {bytes} bytes; at most {limit} are taken")]
    TooLarge {
        /// Which kind of constraint.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Values in values in values.
    #[error("the JSON schema is nested more than {limit} levels deep")]
    TooDeep {
        /// What is allowed.
        limit: usize,
    },
    /// A word of the schema that would have no effect, or another than it says.
    #[error("the JSON schema's `{keyword}` at {at} cannot be enforced: {reason}")]
    Keyword {
        /// The word.
        keyword: String,
        /// Where it stands, as a JSON pointer.
        at: String,
        /// Why.
        reason: String,
    },
    /// The schema is not one, contradicts itself or is too complex.
    #[error("the JSON schema cannot be enforced: {0}")]
    Schema(String),
    /// The regular expression or the Lark grammar is not one or is too complex.
    #[error("the {what} cannot be used: {reason}")]
    Grammar {
        /// Which kind of constraint.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The GBNF grammar is not one.
    #[error("the GBNF grammar cannot be used: {0}")]
    Gbnf(#[from] GbnfError),
    /// None of the model's tokens begins what is allowed.
    #[error("the model has no token that begins what the {what} allows")]
    Unspeakable {
        /// Which kind of constraint.
        what: &'static str,
    },
    /// It took too much work to see what may come next, or went wrong.
    #[error("what the constraint allows next could not be found: {0}")]
    Failed(String),
}

impl GrammarError {
    /// Stable and machine-readable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Keyword { .. } | Self::Schema(_) | Self::TooDeep { .. } => "invalid_schema",
            Self::TooLarge { .. } | Self::Grammar { .. } | Self::Gbnf(_) | Self::Unspeakable { .. } => {
                "invalid_grammar"
            }
            Self::Failed(_) => "grammar_failed",
        }
    }

    /// What the person can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::TooLarge { .. } | Self::TooDeep { .. } => "Use a smaller one.".into(),
            Self::Keyword { keyword, .. } => {
                format!("Leave `{keyword}` out of the schema and check the answer for it yourself.")
            }
            Self::Schema(_) => "Correct the schema or make it simpler.".into(),
            Self::Grammar { .. } | Self::Gbnf(_) => "Correct it or make it simpler.".into(),
            Self::Unspeakable { .. } => "Allow something else, or choose another model.".into(),
            Self::Failed(_) => "Make the schema or the grammar simpler, and try again.".into(),
        }
    }
}
