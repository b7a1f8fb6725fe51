//! Errors as clients see them (OpenAI's shape, with Lantern's next step added) and as the host application sees them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lantern_app::AppError;
use lantern_protocol::ErrorInfo;
use serde_json::{Value, json};

/// A refused or failed request: `{"error": {message, type, param, code, next_step}}`.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    info: ErrorInfo,
    param: Option<&'static str>,
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
        Self { status, info, param: None }
    }

    /// 400: the request cannot be understood or served as it is.
    pub fn invalid(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message, next_step)
    }

    /// 400: a field asks for something this version cannot do. Saying so beats ignoring it.
    pub fn unsupported(param: &'static str, message: impl Into<String>) -> Self {
        let next = format!("Leave `{param}` out of the request.");
        Self::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message, next).with_param(param)
    }

    /// Names the field at fault.
    pub fn with_param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// The body that goes with the status, also used inside a stream that has begun.
    pub fn body(&self) -> Value {
        json!({ "error": {
            "message": self.info.message,
            "type": self.kind(),
            "param": self.param,
            "code": self.info.code,
            "next_step": self.info.next_step,
        }})
    }

    /// OpenAI's coarse class of the error.
    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let (status, param) = match error.code.as_str() {
            "model_not_found" | "ambiguous_model" | "no_model" => (StatusCode::NOT_FOUND, Some("model")),
            "context_overflow"
            | "bad_picture"
            | "no_vision"
            | "picture_places"
            | "pictures_not_fetched"
            | "bad_address" => (StatusCode::BAD_REQUEST, Some("messages")),
            "no_embedding_model" | "embedding_model" => (StatusCode::BAD_REQUEST, Some("model")),
            "text_too_long" | "empty_text" | "unknown_token" => (StatusCode::BAD_REQUEST, Some("input")),
            "template_error" | "invalid_sampling" | "invalid_prompt" | "empty_prompt" => {
                (StatusCode::BAD_REQUEST, None)
            }
            "model_too_large" => (StatusCode::INSUFFICIENT_STORAGE, Some("model")),
            "engine_stopped" => (StatusCode::SERVICE_UNAVAILABLE, None),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        // Clients look for OpenAI's own name of this one.
        let code =
            if error.code == "context_overflow" { "context_length_exceeded".into() } else { error.code };
        let info = ErrorInfo { code, message: error.message, next_step: error.next_step };
        Self { status, info, param }
    }
}

impl From<lantern_engine::EngineError> for ApiError {
    fn from(error: lantern_engine::EngineError) -> Self {
        AppError::from(error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
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
            Self::Listen { .. } => "Choose a port above 1023 in the settings or with --port.".into(),
        }
    }
}

impl From<&ServerError> for ErrorInfo {
    fn from(error: &ServerError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), next_step: error.next_step() }
    }
}
