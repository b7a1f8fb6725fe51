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

    const CANCELLED: &str = "cancelled";

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
        let (status, param) = place(&error.code);
        // Clients look for OpenAI's own name of this one.
        let code =
            if error.code == "context_overflow" { "context_length_exceeded".into() } else { error.code };
        let info = ErrorInfo { code, message: error.message, next_step: error.next_step };
        Self { status, info, param: param.map(Cow::Borrowed), retry_after: 1 }
    }
}

/// The status that goes with a code of the application's, and the field at fault. What is no fault of the request's is 500.
fn place(code: &str) -> (StatusCode, Option<&'static str>) {
    let bad = |param| (StatusCode::BAD_REQUEST, Some(param));
    match code {
        "model_not_found" | "model_ambiguous" | "no_model" | "hub_not_found" | "no_such_file"
        | "file_not_found" | "remote_not_found" => (StatusCode::NOT_FOUND, Some("model")),
        // The Hub's name, or what lies under it.
        "unsafe_name" | "hub_unauthorized" | "hub_gated" => bad("model"),
        "download_busy" | "model_in_use" => (StatusCode::CONFLICT, Some("model")),
        "download_cancelled" | ApiError::CANCELLED => (StatusCode::CONFLICT, None),
        "library_busy" => (StatusCode::SERVICE_UNAVAILABLE, None),
        "hub_unreachable"
        | "hub_http_status"
        | "hub_malformed_response"
        | "hub_rate_limited"
        | "hash_mismatch"
        | "size_mismatch" => (StatusCode::BAD_GATEWAY, None),
        code if is_of_a_file(code) => bad("model"),
        "no_embedding_model" | "embedding_model" => bad("model"),
        "context_overflow"
        | "context_length_exceeded"
        | "bad_picture"
        | "no_vision"
        | "picture_places"
        | "pictures_not_fetched"
        | "bad_address"
        | "template_error" => bad("messages"),
        "text_too_long" | "text_too_short" | "empty_text" | "unknown_token" => bad("input"),
        "invalid_schema" | "invalid_grammar" | "grammar_failed" => bad("response_format"),
        "unknown_tool" => bad("tool_choice"),
        "invalid_logprobs" => bad("top_logprobs"),
        "no_token" => bad("logit_bias"),
        "invalid_sampling" | "invalid_options" | "invalid_request" | "empty_prompt"
        | "remote_unsupported" => (StatusCode::BAD_REQUEST, None),
        "model_too_large" | "device_too_small" | "disk_full" => {
            (StatusCode::INSUFFICIENT_STORAGE, Some("model"))
        }
        "remote_busy" => (StatusCode::TOO_MANY_REQUESTS, None),
        "remote_timeout" => (StatusCode::GATEWAY_TIMEOUT, None),
        "no_such_download" => (StatusCode::NOT_FOUND, Some("id")),
        code if code.starts_with("remote_") => (StatusCode::BAD_GATEWAY, None),
        "engine_stopped" => (StatusCode::SERVICE_UNAVAILABLE, None),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}

/// A file that is no model of ours is no fault of the endpoint's: who asks for another model is answered.
fn is_of_a_file(code: &str) -> bool {
    matches!(
        code,
        "not_gguf"
            | "truncated_file"
            | "bad_metadata"
            | "bad_tensor"
            | "bad_shard"
            | "missing_shard"
            | "missing_tensor"
            | "missing_metadata_key"
            | "wrong_metadata_type"
            | "wrong_tensor_shape"
            | "bad_hyper_parameter"
            | "unknown_hyper_parameter"
            | "unused_tensors"
            | "unknown_architecture"
            | "unknown_tensor_type"
            | "unsupported_gguf_version"
            | "unsupported_tensor_type"
            | "unknown_tokenizer"
            | "invalid_tokenizer"
            | "bad_model_folder"
            | "unsupported_setting"
            | "unsupported_tokenizer"
            | "not_finite"
            | "web_page_instead_of_model"
    )
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
            Self::Listen { .. } => "Choose a port above 1023 in the settings or with --port.".into(),
        }
    }
}

impl From<&ServerError> for ErrorInfo {
    fn from(error: &ServerError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), next_step: error.next_step() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_request_asked_for_is_no_failure_of_the_endpoint() {
        for (code, status, param) in [
            ("unknown_tool", 400, Some("tool_choice")),
            ("invalid_logprobs", 400, Some("top_logprobs")),
            ("no_token", 400, Some("logit_bias")),
            ("invalid_options", 400, None),
            ("text_too_short", 400, Some("input")),
            ("bad_shard", 400, Some("model")),
            ("invalid_tokenizer", 400, Some("model")),
            ("file_not_found", 404, Some("model")),
            ("remote_not_found", 404, Some("model")),
            ("cancelled", 409, None),
            ("model_in_use", 409, Some("model")),
            ("hash_mismatch", 502, None),
            ("remote_key_refused", 502, None),
            ("device_too_small", 507, Some("model")),
            ("internal_error", 500, None),
            ("step_failed", 500, None),
        ] {
            let error: ApiError =
                AppError { code: code.into(), message: "m".into(), next_step: "n".into() }.into();
            assert_eq!((error.status().as_u16(), error.param.as_deref()), (status, param), "{code}");
        }
    }
}
