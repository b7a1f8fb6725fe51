//! The one error of the use cases: what it is called, what happened, what to do next.

use lantern_convert::ConvertError;
use lantern_engine::EngineError;
use lantern_exchange::ExchangeError;
use lantern_hub::HubError;
use lantern_protocol::ErrorInfo;
use lantern_remote::RemoteError;
use lantern_store::StoreError;

/// Why a use case could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// A stable name in snake_case.
    pub code: String,
    /// The cause, with its numbers.
    pub message: String,
    /// What the user can do.
    pub next_step: String,
}

impl AppError {
    pub(crate) fn new(code: &str, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), next_step: next_step.into() }
    }

    /// A temporary chat is asked to read files, whose texts would stay in the database.
    pub(crate) fn files_leave_traces() -> Self {
        Self::new(
            "temporary_without_files",
            "A temporary chat leaves no trace, and files that are read for a conversation are kept in the database.",
            "Begin an ordinary conversation for them; deleting it deletes what was read of them, too.",
        )
    }

    /// A task of ours panicked or was cut off by the runtime's end.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(
            "internal_error",
            format!("Something inside Lantern failed: {cause}."),
            "Try again; if it happens every time, please report it with this message.",
        )
    }
}

impl From<AppError> for ErrorInfo {
    fn from(error: AppError) -> Self {
        Self { code: error.code, message: error.message, next_step: error.next_step }
    }
}

impl From<ErrorInfo> for AppError {
    fn from(info: ErrorInfo) -> Self {
        Self { code: info.code, message: info.message, next_step: info.next_step }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<ExchangeError> for AppError {
    fn from(error: ExchangeError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<HubError> for AppError {
    fn from(error: HubError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<ConvertError> for AppError {
    fn from(error: ConvertError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<RemoteError> for AppError {
    fn from(error: RemoteError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

impl From<EngineError> for AppError {
    fn from(error: EngineError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}
