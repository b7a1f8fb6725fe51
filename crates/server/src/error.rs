//! Errors as clients see them, in the shape of the protocol they speak, and as the host application sees them.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lantern_app::AppError;
use lantern_protocol::ErrorInfo;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::status;

/// A refused or failed request. By default it is told as OpenAI does, `{"error": {message, type, param, code}}`, with
/// Lantern's `next_step` added; [`crate::dialect`] tells it in the shape of other protocols.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    info: ErrorInfo,
    param: Option<Cow<'static, str>>,
    /// Seconds after which a 429 may be tried again.
    retry_after: u64,
}

/// The body of an error.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetails,
}

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorDetails {
    /// For people, with the numbers that matter.
    pub message: String,
    /// The coarse class: `invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`.
    pub r#type: String,
    /// The field at fault, such as `messages[1].content`.
    pub param: Option<String>,
    /// Stable and machine-readable.
    pub code: Option<String>,
    /// What can be done about it; an extension of Lantern's.
    pub next_step: String,
}

impl ApiError {
    /// An error with any status.
    pub fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        let info = ErrorInfo { code: code.into(), message: message.into(), next_step: next_step.into() };
        Self { status, info, param: None, retry_after: 1 }
    }

    /// 400: a field has a value that cannot be used.
    pub fn invalid(
        param: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_value", message, next_step).with_param(param)
    }

    /// 400: a field asks for something this version cannot do. Saying so beats ignoring it.
    pub fn unsupported(param: &'static str, message: impl Into<String>) -> Self {
        let next = format!("Leave `{param}` out of the request.");
        Self::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message, next).with_param(param)
    }

    /// Something of ours ended before its work was done.
    pub(crate) fn ended_early() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "engine_stopped",
            "The model was unloaded before the answer was whole.",
            "Send the request again.",
        )
    }

    /// Somebody asked for the end of an answer.
    pub(crate) fn cancelled() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            Self::CANCELLED,
            "The answer was cancelled.",
            "Send the request again.",
        )
    }

    /// Whether somebody asked for the end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.code() == Self::CANCELLED
    }

    pub(crate) const CANCELLED: &str = "cancelled";

    /// Says when a 429 may be tried again, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// Names the field at fault.
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The status that goes with it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Stable and machine-readable.
    pub fn code(&self) -> &str {
        &self.info.code
    }

    /// Message and next step in one, for protocols that have room for no more.
    pub(crate) fn sentence(&self) -> String {
        format!("{} {}", self.info.message, self.info.next_step)
    }

    /// The body that goes with the status, also used inside a stream that has begun.
    pub fn body(&self) -> Value {
        let error = ErrorDetails {
            message: self.info.message.clone(),
            r#type: self.kind().into(),
            param: self.param.as_deref().map(str::to_owned),
            code: Some(self.info.code.clone()),
            next_step: self.info.next_step.clone(),
        };
        json!(ErrorBody { error })
    }

    /// OpenAI's coarse class of the error.
    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let (status, param) = status::of(&error.code);
        // Clients look for OpenAI's own name of this one.
        let code =
            if error.code == "context_overflow" { "context_length_exceeded".into() } else { error.code };
        let info = ErrorInfo { code, message: error.message, next_step: error.next_step };
        Self { status, info, param: param.map(Cow::Borrowed), retry_after: 1 }
    }
}

impl From<lantern_engine::EngineError> for ApiError {
    fn from(error: lantern_engine::EngineError) -> Self {
        let param = match &error {
            lantern_engine::EngineError::InvalidSampling(error) => Some(error.field),
            _ => None,
        };
        let error = Self::from(AppError::from(error));
        match param {
            Some(param) => error.with_param(param),
            None => error,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        // Whoever speaks another protocol tells it anew.
        response.extensions_mut().insert(self);
        response
    }
}

/// Why the endpoint could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another program has the port.
    #[error("Port {port} on 127.0.0.1 is already in use.")]
    PortInUse {
        /// The port asked for.
        port: u16,
    },
    /// The system refused the port for another reason.
    #[error("Cannot listen on 127.0.0.1:{port}: {source}.")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ServerError {
    /// Stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PortInUse { .. } => "port_in_use",
            Self::Listen { .. } => "cannot_listen",
        }
    }

    /// What the user can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::PortInUse { .. } => {
                "Choose another port in the settings or with --port, or close the other program (it may be another Lantern)."
                    .into()
            }
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "Choose a port above 1023 in the settings or with --port.".into()
            }
            Self::Listen { .. } => "Choose another port in the settings or with --port.".into(),
        }
    }
}

impl From<&ServerError> for ErrorInfo {
    fn from(error: &ServerError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), next_step: error.next_step() }
    }
}
