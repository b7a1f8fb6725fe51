//! Why a conversation could not be rendered.

/// A chat template that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template isn't valid.
    #[error("the chat template has an error in line {line}: {cause}")]
    Syntax {
        /// Line in the template, from 1.
        line: usize,
        /// What is wrong.
        cause: String,
    },
    /// The template refuses the conversation: it called `raise_exception`.
    #[error("the model's chat template refuses this conversation: {message}")]
    Refused {
        /// The template's own words.
        message: String,
        /// Line in the template, from 1.
        line: usize,
    },
    /// The template did something impossible with the conversation.
    #[error("the chat template failed in line {line}: {cause}")]
    Render {
        /// Line in the template, from 1.
        line: usize,
        /// What went wrong.
        cause: String,
    },
    /// The template used more steps, time or memory than any honest one needs.
    #[error("the chat template was stopped: {limit}")]
    Limit {
        /// Which limit it ran into, with numbers.
        limit: String,
    },
}

impl TemplateError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        "template_error"
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Refused { .. } => {
                "Change the conversation as the template asks: many models allow no system message, or want user and \
                 assistant to take turns."
                    .into()
            }
            Self::Syntax { .. } | Self::Render { .. } => {
                "Try another conversion of the model: its chat template doesn't work.".into()
            }
            Self::Limit { .. } => "Don't use this model file: its chat template looks faulty or hostile.".into(),
        }
    }
}
