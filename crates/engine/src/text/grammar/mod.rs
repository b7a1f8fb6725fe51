//! Answers that must look a certain way: JSON, JSON by a schema, or text by a grammar.
//!
//! All constraints become one grammar in Lark's notation as the `llguidance` crate reads it; that crate says which tokens may
//! come next. What it cannot enforce is refused here, before anything runs.

mod error;
mod gbnf;

pub use error::GrammarError;
pub use gbnf::GbnfError;

/// What an answer must look like. The model can write nothing else, however it is sampled.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// Some JSON object.
    JsonObject,
    /// JSON that this schema allows. What a schema says and cannot be enforced is an error, nothing is left out silently.
    JsonSchema(serde_json::Value),
    /// Text that this regular expression matches from beginning to end. Rust's notation, without look-around and
    /// back-references.
    Regex(String),
    /// Text of this grammar in Lark's notation, beginning with the rule `start`; see [`crate::text::grammar`].
    Lark(String),
    /// Text of this grammar as llama.cpp writes it, beginning with the rule `root`.
    Gbnf(String),
}
