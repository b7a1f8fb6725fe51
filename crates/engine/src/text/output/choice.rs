//! Whether an answer may call tools.

/// Whether an answer may, must or must not call tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    #[default]
    Auto,
    /// Never: what looks like a call is text.
    None,
    /// At least once.
    Required,
    /// This tool, and no other.
    Named(String),
}
