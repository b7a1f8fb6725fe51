//! What a parser reads out of an answer.

/// A piece of an answer, in the order in which the model wrote it. Pieces of one kind that follow each other belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputEvent {
    /// Text for whoever asked.
    Content(String),
    /// What the model thinks before it answers.
    Reasoning(String),
    /// A call of a tool begins.
    ToolCallStart {
        /// Counts the answer's calls from 0.
        index: usize,
        /// `call_` and 24 letters and digits.
        id: String,
        /// The tool.
        name: String,
    },
    /// A piece of a call's arguments: all pieces together are a JSON object, unless the answer ended or broke off early.
    ToolArguments {
        /// The call's number.
        index: usize,
        /// JSON text, to be appended.
        text: String,
    },
    /// The call is whole, or nothing more comes of it.
    ToolCallEnd {
        /// The call's number.
        index: usize,
    },
}
