//! Everything that can go wrong with a remote engine, with a stable code and the next step for the person.

use lantern_engine::EngineError;

/// Why a remote engine gave no answer, or no whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The address cannot be used.
    #[error("`{address}` cannot be used as a remote engine: {why}")]
    BadAddress {
        /// As it was given, without a password.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The key cannot travel in a header.
    #[error("the key for {host} has characters that no key has")]
    BadKey {
        /// The server.
        host: String,
    },
    /// No connection.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        host: String,
        /// What the network said.
        why: String,
    },
    /// 401 or 403.
    #[error("{host} refused the key (HTTP {status})")]
    KeyRefused {
        /// The server.
        host: String,
        /// The status.
        status: u16,
    },
    /// The server has no model of this name.
    #[error("{host} has no model `{model}`: {why}")]
    ModelNotFound {
        /// The server.
        host: String,
        /// The model that was asked for.
        model: String,
        /// The server's words.
        why: String,
    },
    /// The conversation is longer than the model's context.
    #[error("the conversation does not fit the context of the model on {host}: {why}")]
    ContextExceeded {
        /// The server.
        host: String,
        /// The server's words, with its numbers.
        why: String,
    },
    /// The server asks to wait.
    #[error("{host} answers no more requests for now: {why}")]
    Busy {
        /// The server.
        host: String,
        /// The server's words.
        why: String,
    },
    /// The server refused or failed, in its own words.
    #[error("{host} answered with an error (HTTP {status}): {why}")]
    Refused {
        /// The server.
        host: String,
        /// The status; that of the answer as a whole where the error came within a stream.
        status: u16,
        /// The server's words.
        why: String,
    },
    /// What came is not OpenAI's protocol.
    #[error("{host} does not answer as an OpenAI-compatible server does: {why}")]
    BadAnswer {
        /// The server.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// Nothing came for too long.
    #[error("{host} was silent for {seconds} s")]
    Silent {
        /// The server.
        host: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {host} was lost in the middle of the answer: {why}")]
    Lost {
        /// The server.
        host: String,
        /// What the network said.
        why: String,
    },
    /// A picture could not be made a file for the server.
    #[error("a picture could not be made ready to be sent: {why}")]
    Picture {
        /// What went wrong.
        why: String,
    },
    /// The request has something that cannot be asked of another server.
    #[error("{what} cannot be asked of a remote engine")]
    Unsupported {
        /// What.
        what: &'static str,
    },
}

impl RemoteError {
    /// Stable and machine-readable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "remote_address",
            Self::BadKey { .. } => "remote_key",
            Self::Unreachable { .. } => "remote_unreachable",
            Self::KeyRefused { .. } => "remote_key_refused",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::ContextExceeded { .. } => "context_length_exceeded",
            Self::Busy { .. } => "remote_busy",
            Self::Refused { .. } => "remote_error",
            Self::BadAnswer { .. } => "remote_bad_answer",
            Self::Silent { .. } => "remote_timeout",
            Self::Lost { .. } => "remote_connection_lost",
            Self::Picture { .. } => "bad_picture",
            Self::Unsupported { .. } => "remote_unsupported",
        }
    }

    /// What the person can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::BadAddress { .. } => {
                "Give the address up to /v1, as https://gpu.example.org/v1; plain http is for this machine and the local network."
            }
            Self::BadKey { .. } => "Copy the key again, without spaces and line breaks.",
            Self::Unreachable { .. } => "Check that the server runs, and its address and port.",
            Self::KeyRefused { .. } => "Remove the remote engine and add it again with a key that the server takes.",
            Self::ModelNotFound { .. } => "Choose a model that the remote engine lists.",
            Self::ContextExceeded { .. } => "Shorten the conversation, or start the server with a longer context.",
            Self::Busy { .. } => "Try again in a while.",
            Self::Refused { .. } => "Look into the log of that server, or change the request as it says.",
            Self::BadAnswer { .. } => "Check that the address is that of an OpenAI-compatible server, up to /v1.",
            Self::Silent { .. } => "Try again; if it happens every time, see whether the server is overloaded.",
            Self::Lost { .. } => "The text so far is kept. See whether the server still runs, and ask again.",
            Self::Picture { .. } => "Try it with a smaller one, or leave it out.",
            Self::Unsupported { .. } => "Leave it out, or choose a model on this computer.",
        }
        .into()
    }
}

impl From<RemoteError> for EngineError {
    fn from(error: RemoteError) -> Self {
        Self::Remote { code: error.code(), message: error.to_string(), next_step: error.next_step() }
    }
}
