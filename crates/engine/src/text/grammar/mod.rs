//! Answers that must look a certain way: JSON, JSON by a schema, or text by a grammar.
//!
//! Every constraint becomes a grammar for the `llguidance` crate, which says which tokens may come next. What it would ignore or
//! misread is refused here, before anything runs: schemas by keyword (`schema`), GBNF by line and column (`gbnf`).
//!
//! # Lark
//!
//! [`Constraint::Lark`] takes the notation of `llguidance`: rules in small letters, terminals in capitals, regular expressions
//! between slashes, and these:
//!
//! - `<|im_end|>`, `</think>`, `<[TOOL_CALLS]>`: one token of the vocabulary by its spelling, whether the file calls it a
//!   control token or text; a spelling without angle brackets stands between `<[` and `]>`. `<[151645]>` is a token by its id.
//!   A name that the vocabulary does not have is an error. Control tokens are matched by nothing else: no expression, however
//!   wide, allows one. A token that ends an answer may stand in a grammar, and ends it.
//! - `%json {…}`: JSON by a schema, as strict as [`Constraint::JsonSchema`]. It is written on one line, with a space behind
//!   commas and colons.
//! - `head[lazy]: /(?s:.*)<tool_call>/`: anything up to the first time this appears, as soon as it does.
//!
//! Free text with calls in it, each held to a schema from where it begins, and an end wherever the model wants one:
//!
//! ```text
//! start: (head call)* tail
//! head[lazy]: /(?s:.*)<tool_call>/
//! call: "\n" %json {"type": "object"} "\n</tool_call>"
//! tail: /(?s:.*)/
//! ```
//!
//! Where the mark is a control token of the vocabulary, text cannot spell it: `head: tail <|call|>`.
//!
//! A grammar sees the bytes of tokens. Where a vocabulary puts a space in front of every text and takes it off again, that space
//! is the grammar's to allow in Lark; for other constraints it is added.

mod compile;
mod error;
mod gbnf;
mod lark;
mod matching;
mod schema;
mod vocabulary;

#[cfg(test)]
mod tests;

pub(crate) use compile::{Before, Grammars};
pub use error::GrammarError;
pub use gbnf::GbnfError;
pub(crate) use matching::Matching;

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
    /// Text of this grammar in Lark's notation, beginning with the rule `start`; see [the module](crate::text::grammar).
    Lark(String),
    /// Text of this grammar as llama.cpp writes it, beginning with the rule `root`.
    Gbnf(String),
}
