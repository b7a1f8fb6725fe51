//! Failures of a command, printed in one way: `error[code]: message`, then `next: …`.

use std::io;
use std::process::ExitCode;

use lantern_app::AppError;
use lantern_convert::ConvertError;
use lantern_engine::EngineError;
use lantern_gguf::GgufError;
use lantern_hub::HubError;
use lantern_protocol::ErrorInfo;
use lantern_server::ServerError;

/// Why a command ends early.
#[derive(Debug)]
pub enum CliError {
    /// A failure to be told.
    Failed(ErrorInfo),
    /// Whoever read our output has gone; nothing is wrong and nobody is there to be told.
    OutputClosed,
    /// A replay gave another answer, which was printed.
    Different,
    /// Stopped by the user, who knows.
    Interrupted,
}

impl CliError {
    pub fn new(code: &str, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::Failed(ErrorInfo { code: code.into(), message: message.into(), next_step: next_step.into() })
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", message, "Try again, and report this if it stays.")
    }

    /// For the file a person named.
    pub fn file(action: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let message = format!("Could not {action} {}: {error}.", path.display());
        Self::new("io_error", message, "Check the path, its permissions and the room on the disk.")
    }

    /// Prints it and gives the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Failed(info) => {
                print_error(&info);
                ExitCode::from(1)
            }
            Self::Different => ExitCode::from(1),
            Self::OutputClosed => ExitCode::SUCCESS,
            // What shells give for SIGINT.
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

/// To standard error; a closed one is nobody's loss.
pub fn print_error(info: &ErrorInfo) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "error[{}]: {}\nnext: {}", info.code, info.message, info.next_step);
}

impl From<ErrorInfo> for CliError {
    fn from(info: ErrorInfo) -> Self {
        Self::Failed(info)
    }
}

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<HubError> for CliError {
    fn from(error: HubError) -> Self {
        Self::Failed(error.info())
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<ConvertError> for CliError {
    fn from(error: ConvertError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<GgufError> for CliError {
    fn from(error: GgufError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        Self::Failed(ErrorInfo::from(&error))
    }
}

/// Errors of writing to standard output.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::new(
                "io_error",
                format!("Could not write the output: {error}."),
                "Check where the output goes.",
            ),
        }
    }
}
