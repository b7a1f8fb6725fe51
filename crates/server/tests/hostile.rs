//! Requests that nobody means well with: each gets its own refusal, nothing starts, and the next ordinary request is answered.

mod support;

use std::time::Duration;

use lantern_server::Limits;
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{Fixture, KEY, PLAIN, start_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

fn hello() -> Value {
    json!({"model": PLAIN, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, "temperature": 0})
}

/// What the endpoint answers to these bytes, until it closes the connection.
async fn raw(fixture: &Fixture, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(fixture.server.address()).await.expect("a connection");
    // It may close before all is written, which is an answer too.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut answer));
    let _ = reading.await.expect("the endpoint answers or closes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// A POST with these header lines and this body.
fn post(fixture: &Fixture, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let host = fixture.server.address().to_string();
    let mut lines = vec![("Host", host.as_str()), ("Content-Type", "application/json")];
    let length = body.len().to_string();
    let key = format!("Bearer {KEY}");
    lines.extend([("Authorization", key.as_str()), ("Content-Length", &length), ("Connection", "close")]);
    for (name, value) in headers {
        lines.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        lines.push((name, value));
    }
    let mut text = format!("POST {path} HTTP/1.1\r\n");
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("{name}: {value}\r\n");
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

async fn steps(fixture: &Fixture) -> u64 {
    fixture.app.engine(Some(PLAIN)).await.expect("the model").engine.stats().steps
}

/// The status that a path with these headers is answered with.
type Head<'a> = (u16, &'a str, &'a [(&'a str, &'a str)]);

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_not_meant_well_are_refused() {
    let fixture = start_with(Limits::default()).await;
    fixture.ok(CHAT, hello()).await;
    let before = steps(&fixture).await;
    let body = hello().to_string();
    let many: Vec<(String, String)> = (0..200).map(|n| (format!("X-{n}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let long = "z".repeat(200_000);
    let heads: &[Head<'_>] = &[
        (403, CHAT, &[("Host", "evil.example")]),
        (403, CHAT, &[("Host", "127.0.0.1")]),
        (403, CHAT, &[("Host", "127.0.0.1.evil.example:80")]),
        (403, CHAT, &[("Host", "")]),
        (403, CHAT, &[("Origin", "null")]),
        (403, CHAT, &[("Origin", "https://evil.example")]),
        (403, CHAT, &[("Origin", "http://localhost:3000")]),
        (401, CHAT, &[("Authorization", "")]),
        (401, CHAT, &[("Authorization", "Bearer nonsense")]),
        (401, CHAT, &[("Authorization", "Basic c2VzYW1l")]),
        (415, CHAT, &[("Content-Type", "text/plain")]),
        (415, CHAT, &[("Content-Type", "application/x-www-form-urlencoded")]),
        (415, CHAT, &[("Content-Type", "multipart/form-data; boundary=x")]),
        (415, CHAT, &[("Content-Type", "")]),
        (413, CHAT, &[("Content-Length", "104857600")]),
        (400, CHAT, &[("Content-Length", "-1")]),
        (400, CHAT, &[("Content-Length", "5, 6")]),
        (400, CHAT, &[("X-Bad\u{1}", "y")]),
        (431, CHAT, &many),
        (431, CHAT, &[("X-Long", &long)]),
        (404, "/v1/../../etc/passwd", &[]),
        (404, "/v1/%2e%2e/%2e%2e/etc/passwd", &[]),
        (404, "//etc/passwd", &[]),
        (405, "/v1/models", &[]),
    ];
    for (status, path, headers) in heads {
        let answer = raw(&fixture, &post(&fixture, path, headers, body.as_bytes())).await;
        let shown: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {v:.40}")).take(2).collect();
        assert_eq!(status_of(&answer), *status, "{path} {shown:?}: {answer:.300}");
        assert!(!answer.to_lowercase().contains("access-control-allow-origin"), "{answer}");
    }
    let split = post(&fixture, CHAT, &[("X-Split", "a\r\nHost: evil.example")], body.as_bytes());
    assert_eq!(status_of(&raw(&fixture, &split).await), 403, "two hosts are none");
    assert_eq!(steps(&fixture).await, before, "nothing was computed");
    fixture.ok(CHAT, hello()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_meant_well_are_refused() {
    let fixture = start_with(Limits::default()).await;
    fixture.ok(CHAT, hello()).await;
    let before = steps(&fixture).await;
    let with = |key: &str, value: Value| {
        let mut body = hello();
        body[key] = value;
        body.to_string().into_bytes()
    };
    let raw_field = |key: &str, text: &str| {
        let mut body = hello();
        body.as_object_mut().unwrap().remove(key);
        let body = body.to_string();
        format!("{},\"{key}\":{text}}}", &body[..body.len() - 1]).into_bytes()
    };
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let biases: serde_json::Map<String, Value> = (0..5000).map(|id| (id.to_string(), json!(1))).collect();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("messages", b"{}".to_vec()),
        ("", b"{".to_vec()),
        ("", b"[]".to_vec()),
        ("", b"null".to_vec()),
        ("", Vec::new()),
        ("", b"{\"messages\": \"\xff\xfe\"}".to_vec()),
        ("", deep("[", "]").into_bytes()),
        ("", raw_field("metadata", &deep("{\"a\":", "}"))),
        ("tools[0][0]", raw_field("tools", &deep("[", "]"))),
        ("temperature", raw_field("temperature", "1e999")),
        ("temperature", raw_field("temperature", "1e300")),
        ("temperature", with("temperature", json!(-0.1))),
        ("temperature", with("temperature", json!("hot"))),
        ("top_p", with("top_p", json!(0))),
        ("top_p", with("top_p", json!(1.5))),
        ("min_p", with("min_p", json!(-1))),
        ("presence_penalty", with("presence_penalty", json!(3))),
        ("frequency_penalty", with("frequency_penalty", json!(-3))),
        ("max_tokens", with("max_tokens", json!(-1))),
        ("max_tokens", with("max_tokens", json!(0))),
        ("max_tokens", with("max_tokens", json!(1e30))),
        ("n", with("n", json!(0))),
        ("n", with("n", json!(1_000_000))),
        ("stop", with("stop", json!(vec!["x"; 100_000]))),
        ("stop", with("stop", json!("y".repeat(100_000)))),
        ("stop", with("stop", json!([""]))),
        ("logit_bias", with("logit_bias", json!(biases))),
        ("logit_bias", with("logit_bias", json!({"one": 1}))),
        ("logit_bias", with("logit_bias", json!({"1": 1000}))),
        ("top_logprobs", with("top_logprobs", json!(21))),
        ("top_logprobs", with("top_logprobs", json!(5))),
        ("context_length", with("context_length", json!(1))),
        ("messages", with("messages", json!([]))),
        ("messages[0].role", with("messages", json!([{"role": "king", "content": "x"}]))),
        ("messages[0].content", with("messages", json!([{"role": "user", "content": 7}]))),
        (
            "messages[0].content",
            with("messages", json!([{"role": "user", "content": [{"type": "input_audio"}]}])),
        ),
        (
            "messages",
            with(
                "messages",
                json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]),
            ),
        ),
        ("tools", with("tools", json!([{"type": "web_search"}]))),
        ("tool_choice", with("tool_choice", json!({"type": "function", "function": {"name": "nobody"}}))),
        ("response_format.type", with("response_format", json!({"type": "yaml"}))),
        ("reasoning_effort", with("reasoning_effort", json!("endless"))),
        ("functions", with("functions", json!([]))),
    ];
    for (param, body) in bodies {
        let answer = raw(&fixture, &post(&fixture, CHAT, &[], &body)).await;
        let shown: String = String::from_utf8_lossy(&body).chars().take(160).collect();
        assert_eq!(status_of(&answer), 400, "{shown}: {answer:.300}");
        let told = answer.split("\r\n\r\n").nth(1).unwrap_or("");
        let error: Value = serde_json::from_str(told).unwrap_or_else(|_| panic!("{answer}"));
        let error = error["error"].as_object().expect("an error");
        for key in ["message", "type", "param", "code"] {
            assert!(error.contains_key(key), "{key} is missing: {error:?}");
        }
        assert_eq!(error["param"].as_str().unwrap_or(""), param, "{shown}: {error:?}");
    }
    assert_eq!(steps(&fixture).await, before, "nothing was computed");
    fixture.ok(CHAT, hello()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_large_requests_are_cut_off() {
    let limits = Limits {
        header_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        body_bytes: 10_000,
        ..Limits::default()
    };
    let fixture = start_with(limits).await;
    let half = post(&fixture, CHAT, &[], hello().to_string().as_bytes());
    assert_eq!(raw(&fixture, &half[..20]).await, "", "a head that never ends is closed");
    let answer = raw(&fixture, &half[..half.len() - 5]).await;
    assert_eq!(status_of(&answer), 408, "{answer}");
    let chunk = [b"2710\r\n".as_slice(), &[b' '; 10_000], b"\r\n"].concat();
    let mut endless = post(&fixture, CHAT, &[("Content-Length", ""), ("Transfer-Encoding", "chunked")], b"");
    endless.extend(chunk.repeat(3));
    assert_eq!(status_of(&raw(&fixture, &endless).await), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_told_to_come_again() {
    let fixture = start_with(Limits { requests: 1, ..Limits::default() }).await;
    let whole = post(&fixture, CHAT, &[], hello().to_string().as_bytes());
    let mut first = TcpStream::connect(fixture.server.address()).await.unwrap();
    let (half, rest) = whole.split_at(whole.len() - 5);
    first.write_all(half).await.unwrap();
    // When its head has arrived, the only place is taken.
    let refused = loop {
        let response = fixture.post(CHAT, &hello()).send().await.unwrap();
        if response.status() != StatusCode::OK {
            break response;
        }
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let error: Value = refused.json().await.unwrap();
    assert_eq!(error["error"]["code"], "rate_limit_exceeded");
    let health = fixture.client.get(fixture.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    first.write_all(rest).await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status_of(&answer), 200, "{answer}");
    while fixture.ask(CHAT, hello()).await.0 != StatusCode::OK {}
}
