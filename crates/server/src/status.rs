//! Which status and which field go with the application's codes.

use axum::http::StatusCode;

use crate::error::ApiError;

/// The status that goes with a code of the application's, and the field at fault. What is no fault of the request's is 500.
pub fn of(code: &str) -> (StatusCode, Option<&'static str>) {
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
            let (found, field) = of(code);
            assert_eq!((found.as_u16(), field), (status, param), "{code}");
        }
    }
}
