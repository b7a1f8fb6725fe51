//! Grammars as llama.cpp writes them (GBNF), turned into Lark's notation.

/// What is wrong with a GBNF grammar, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct GbnfError {
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}
