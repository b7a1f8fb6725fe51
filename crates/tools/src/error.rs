//! Why a tool, or the server that has it, did not do as it should.

/// An error with a code, a cause and a next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments are not what the tool takes.
    #[error("The tool cannot work with these arguments: {0}.")]
    Arguments(String),
    /// The tool did not do what it was asked to.
    #[error("The tool failed: {0}.")]
    Failed(String),
    /// It took too long.
    #[error("The tool did not answer within {0} s.")]
    TimedOut(u64),
    /// The user stopped it.
    #[error("The call was stopped.")]
    Stopped,
    /// There is no such tool.
    #[error("There is no tool `{0}`.")]
    Unknown(String),
    /// The server's description cannot be used.
    #[error("The tool server cannot be set up like this: {0}.")]
    Config(String),
    /// The program could not be started.
    #[error("`{command}` could not be started: {why}.")]
    Start {
        /// The program.
        command: String,
        /// What the system said.
        why: String,
    },
    /// It started, but there was no talking to it.
    #[error("The tool server does not answer as it should: {0}.")]
    Protocol(String),
    /// It ended by itself.
    #[error("The tool server ended by itself.")]
    Ended,
    /// The user has not signed in.
    #[error("The tool server wants you to sign in.")]
    SignIn,
    /// Signing in did not work.
    #[error("Signing in did not work: {0}.")]
    SignInFailed(String),
    /// It is not running.
    #[error("The tool server is switched off.")]
    Off,
}

impl ToolError {
    /// A stable name in snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Arguments(_) => "tool_arguments",
            Self::Failed(_) => "tool_failed",
            Self::TimedOut(_) => "tool_timeout",
            Self::Stopped => "tool_stopped",
            Self::Unknown(_) => "tool_unknown",
            Self::Config(_) => "tool_server_config",
            Self::Start { .. } => "tool_server_start",
            Self::Protocol(_) => "tool_server_protocol",
            Self::Ended => "tool_server_ended",
            Self::SignIn => "tool_server_sign_in",
            Self::SignInFailed(_) => "tool_server_sign_in_failed",
            Self::Off => "tool_server_off",
        }
    }

    /// What the user can do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Arguments(_) | Self::Failed(_) => "Ask the model to try it differently.",
            Self::TimedOut(_) => "Try again, or give tools more time in the settings.",
            Self::Stopped => "Ask again if you want it done.",
            Self::Unknown(_) => "Look at the server's tools in the settings.",
            Self::Config(_) => "Correct the command or the address.",
            Self::Start { .. } => {
                "Check the command: the program must be installed, and found by the name you gave."
            }
            Self::Protocol(_) | Self::Ended => {
                "Look at what the server wrote, below its name in the settings, and start it again."
            }
            Self::SignIn => "Sign in, in the settings under tools.",
            Self::SignInFailed(_) => "Try again; the server's provider may have to allow Lantern.",
            Self::Off => "Switch it on in the settings under tools.",
        }
    }
}
