//! What an answer that is no success means.

use serde_json::Value;

use crate::RemoteError;

/// No longer text of a server is shown.
const MOST_CHARS: usize = 500;

/// The error of an answer with this status and body.
pub(crate) fn of_answer(host: &str, model: &str, status: u16, body: &[u8]) -> RemoteError {
    let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if (300..400).contains(&status) {
        let why = format!("it redirects elsewhere (HTTP {status}), which is not followed");
        return RemoteError::BadAnswer { host: host.into(), why };
    }
    let said = words(&json)
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().chars().take(MOST_CHARS).collect());
    let said = if said.is_empty() { "it says no more".to_owned() } else { said };
    of_words(host, model, status, said, &json)
}

/// The error in a chunk of a stream, if there is one.
pub(crate) fn of_chunk(host: &str, model: &str, chunk: &Value) -> Option<RemoteError> {
    chunk.get("error").filter(|error| !error.is_null())?;
    let said = words(chunk).unwrap_or_else(|| "it says no more".into());
    // In a stream the status has gone out as 200; the code within may be one.
    let status = field(chunk, "code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Some(of_words(host, model, status.unwrap_or(200), said, chunk))
}

fn of_words(host: &str, model: &str, status: u16, why: String, json: &Value) -> RemoteError {
    let host = host.to_owned();
    let code = field(json, "code").and_then(Value::as_str).unwrap_or_default();
    let kind = field(json, "type").and_then(Value::as_str).unwrap_or_default();
    let is_too_long = [code, kind].iter().any(|name| {
        matches!(*name, "context_length_exceeded" | "exceed_context_size_error" | "context_overflow")
    }) || (status == 400 && why.contains("maximum context length"));
    match status {
        _ if is_too_long => RemoteError::ContextExceeded { host, why },
        401 | 403 => RemoteError::KeyRefused { host, status },
        404 => RemoteError::ModelNotFound { host, model: model.to_owned(), why },
        429 => RemoteError::Busy { host, why },
        _ if code == "model_not_found" => RemoteError::ModelNotFound { host, model: model.to_owned(), why },
        _ => RemoteError::Refused { host, status, why },
    }
}

/// `error.code`, or `code` beside a message, as older servers write it. Codes may be numbers.
fn field<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    json.get("error").and_then(|error| error.get(name)).or_else(|| json.get(name))
}

fn words(json: &Value) -> Option<String> {
    let said = field(json, "message").or(json.get("error")).or(json.get("detail"))?;
    let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    Some(said.chars().take(MOST_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: u16, body: &str) -> &'static str {
        of_answer("h", "m", status, body.as_bytes()).code()
    }

    #[test]
    fn statuses_and_codes_become_typed_errors() {
        let too_long =
            r#"{"error":{"message":"This model's maximum context length is 2048 tokens.","code":400}}"#;
        assert_eq!(code(400, too_long), "context_length_exceeded");
        let llama = r#"{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}"#;
        assert_eq!(code(400, llama), "context_length_exceeded");
        assert_eq!(code(401, r#"{"error":"Unauthorized"}"#), "remote_key_refused");
        assert_eq!(code(404, r#"{"object":"error","message":"no such model"}"#), "model_not_found");
        assert_eq!(code(307, ""), "remote_bad_answer");
        assert_eq!(code(429, ""), "remote_busy");
        assert_eq!(code(500, "<html>"), "remote_error");
        assert!(of_answer("h", "m", 422, br#"{"detail":"bad field"}"#).to_string().contains("bad field"));
    }
}
