//! Reading a request's body: JSON alone, within limits of size and time, with the field at fault named.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::ApiError;
use crate::server::Server;

/// A body that is JSON and has this shape.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Server> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, server: &Server) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        check_type(&parts.headers)?;
        let limit = server.limits.body_bytes;
        let told = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if told.is_some_and(|bytes: u64| usize::try_from(bytes).map_or(true, |bytes| bytes > limit)) {
            return Err(too_large(limit));
        }
        let time = server.limits.body_time;
        let reading = tokio::time::timeout(time, read(body, limit));
        let bytes = reading.await.map_err(|_| too_slow(time))??;
        parse(&bytes).map(Self)
    }
}

/// A web form's `text/plain` must not pass, because browsers send it without asking first.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "json_required",
        "The request's content type is not application/json.",
        "Send `Content-Type: application/json`.",
    ))
}

async fn read(body: axum::body::Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut frames = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| malformed(format!("The request's body broke off: {error}.")))?;
        if bytes.len() + frame.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&frame);
    }
    Ok(bytes.freeze())
}

/// The value that a text is, with the place of what is wrong in it.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        malformed(format!("The request is not UTF-8 from byte {} on.", error.valid_up_to()))
    })?;
    // Lists of a structure's fields in order would be read too.
    if !text.trim_start().starts_with('{') {
        return Err(malformed("The request is no JSON object.".into()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        misfit(path, &error.into_inner())
    })?;
    json.end().map_err(|error| misfit(".".into(), &error))?;
    Ok(value)
}

/// The reader stops at a depth of 128, so that no request exhausts the stack.
fn misfit(path: String, error: &serde_json::Error) -> ApiError {
    let message: String = error.to_string().chars().take(300).collect();
    let at_the_top = path == "." || path == "?";
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let param = if at_the_top { field.to_owned() } else { format!("{path}.{field}") };
        let status = StatusCode::BAD_REQUEST;
        let message = format!("Missing required parameter: '{param}'.");
        return ApiError::new(status, "missing_required_parameter", message, format!("Send `{param}`."))
            .with_param(param);
    }
    // What no number can hold is an error of syntax to the reader, but of the field to whoever wrote it.
    let is_of_the_field = error.is_data() || message.starts_with("number out of range");
    if !is_of_the_field || at_the_top {
        return malformed(format!("The request cannot be read: {message}."));
    }
    let path: String = path.chars().take(200).collect();
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "invalid_type",
        format!("Invalid value for '{path}': {message}."),
        "Correct the field; GET /openapi.json says what it may be.",
    )
    .with_param(path)
}

fn malformed(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", message, "Send one JSON object in UTF-8.")
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request_too_large",
        format!("The request has more than {limit} bytes."),
        "Send less at once: smaller pictures, or fewer texts.",
    )
}

fn too_slow(time: Duration) -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_too_slow",
        format!("The request's body did not come within {} seconds.", time.as_secs_f32()),
        "Send it again, without pauses.",
    )
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[allow(dead_code, reason = "only whether it can be read matters")]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[allow(dead_code, reason = "only whether it can be read matters")]
        number: u32,
    }

    fn error(text: &[u8]) -> (Value, Value) {
        let body = parse::<Outer>(text).expect_err("nothing to read").body();
        (body["error"]["code"].clone(), body["error"]["param"].clone())
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert_eq!(error(b"{}"), ("missing_required_parameter".into(), "list".into()));
        assert_eq!(
            error(br#"{"list": [{}]}"#),
            ("missing_required_parameter".into(), "list[0].number".into())
        );
        assert_eq!(error(br#"{"list": [{"number": -1}]}"#), ("invalid_type".into(), "list[0].number".into()));
        assert_eq!(
            error(br#"{"list": [{"number": 1e999}]}"#),
            ("invalid_type".into(), "list[0].number".into())
        );
        assert_eq!(error(br#"{"list": 1}"#), ("invalid_type".into(), "list".into()));
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = format!("{{\"x\": {}", "[".repeat(100_000));
        let broken: [&[u8]; 5] = [b"", b"[1]", b"{\"list\": []} x", b"{\"\xff\": 1}", deep.as_bytes()];
        for text in broken {
            assert_eq!(error(text), ("malformed_json".into(), Value::Null), "{}", text.len());
        }
    }
}
