//! A remote engine played by plain sockets: what comes over the wire, and what is made of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lantern_engine::{
    ChatMessage, ContentPart, EngineError, FinishReason, GenerateRequest, GenerationEvent, GenerationStream,
    Picture, Prompt, Usage,
};
use lantern_remote::{Kind, Patience, RemoteEngine, RemoteError, RemoteModel};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What the server does after it has read a request.
#[derive(Clone)]
enum Act {
    /// Sends this and closes.
    Say(String),
    /// Sends this and nothing more, but stays.
    Stay(String),
}

/// The address, every request (head and body), and a word each time a client has gone from an [`Act::Stay`].
struct Played {
    base: String,
    requests: UnboundedReceiver<(String, Value)>,
    gone: UnboundedReceiver<()>,
}

async fn play(act: Act) -> Played {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let ((heard, requests), (left, gone)) = (unbounded_channel(), unbounded_channel());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let request = read(&mut socket).await;
            let _ = heard.send(request);
            let (Act::Say(text) | Act::Stay(text)) = &act;
            socket.write_all(text.as_bytes()).await.unwrap();
            if matches!(act, Act::Stay(_)) {
                let left = left.clone();
                tokio::spawn(async move {
                    while socket.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                    let _ = left.send(());
                });
            }
        }
    });
    Played { base, requests, gone }
}

async fn read(socket: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = socket.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        if body.len() >= length {
            return (head, serde_json::from_str(body).unwrap_or_default());
        }
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn stream(chunks: &[Value]) -> String {
    let chunks: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    format!("{HEAD}{chunks}")
}

fn status(status: &str, body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn engine(played: &Played) -> RemoteEngine {
    let patience = Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(5) };
    RemoteEngine::with_patience(&played.base, Some("sk-test"), patience).unwrap()
}

fn model() -> RemoteModel {
    RemoteModel { id: "m".into(), context_length: None, sees: None, kind: Kind::Vllm }
}

fn question() -> GenerateRequest {
    let tools =
        Some(json!([{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]));
    GenerateRequest::new(Prompt::Messages { messages: vec![ChatMessage::new("user", "1+2?")], tools })
}

async fn ask(played: &Played) -> Result<GenerationStream, RemoteError> {
    engine(played).generate(&model(), &question()).await
}

async fn refused(played: &Played) -> RemoteError {
    ask(played).await.expect_err("the server refuses")
}

async fn all(mut stream: GenerationStream) -> Vec<GenerationEvent> {
    let mut events = Vec::new();
    while let Some(event) = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap() {
        events.push(event);
    }
    events
}

fn text(events: &[GenerationEvent]) -> String {
    let pieces = events.iter().filter_map(|event| match event {
        GenerationEvent::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    pieces.collect()
}

fn failure(events: &[GenerationEvent]) -> &'static str {
    match events.last() {
        Some(GenerationEvent::Failed(error @ EngineError::Remote { .. })) => {
            assert!(!error.next_step().is_empty());
            error.code()
        }
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_stream_is_text_thoughts_and_counts() {
    let usage =
        json!({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}});
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "hm"})),
        delta(json!({"reasoning": "m"})),
        delta(json!({"content": "thr"})),
        delta(json!({"content": "ée"})),
        end("stop"),
        json!({"choices": [], "usage": usage}),
    ];
    let mut played = play(Act::Stay(format!("{}data: [DONE]\n\n", stream(&chunks)))).await;
    let events = all(ask(&played).await.unwrap()).await;
    assert!(matches!(&events[0], GenerationEvent::Reasoning { text, .. } if text.starts_with("hm")));
    assert_eq!(text(&events), "thrée");
    let Some(GenerationEvent::Finished { reason: FinishReason::Stop, usage, .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(*usage, Usage { prompt_tokens: 9, completion_tokens: 4, cached_tokens: 8 });

    let (head, body) = played.requests.recv().await.unwrap();
    assert!(
        head.starts_with("post /v1/chat/completions ") && head.contains("authorization: bearer sk-test"),
        "{head}"
    );
    assert_eq!((&body["model"], &body["stream"]), (&json!("m"), &json!(true)));
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert_eq!(body["messages"], json!([{"role": "user", "content": "1+2?"}]));
    assert_eq!(body["tools"][0]["function"]["strict"], true);
}

#[tokio::test]
async fn calls_of_tools_are_told_piece_by_piece() {
    let call = |call: Value| delta(json!({"tool_calls": [call]}));
    let chunks = [
        call(
            json!({"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": ""}}),
        ),
        call(json!({"index": 0, "function": {"arguments": "{\"x\":"}})),
        call(json!({"index": 0, "id": "a", "function": {"name": "add", "arguments": "1}"}})),
        call(json!({"index": 1, "id": "b", "function": {"name": "add", "arguments": "{}"}})),
        end("tool_calls"),
    ];
    let played = play(Act::Say(stream(&chunks))).await;
    let events = all(ask(&played).await.unwrap()).await;
    let mut calls = Vec::new();
    for event in &events {
        match event {
            GenerationEvent::ToolCall { id, name, .. } => {
                calls.push((id.clone(), name.clone(), String::new()))
            }
            GenerationEvent::ToolArguments { index, text, .. } => calls[*index].2.push_str(text),
            _ => {}
        }
    }
    let add = |id: &str, arguments: &str| (id.to_owned(), "add".to_owned(), arguments.to_owned());
    assert_eq!(calls, [add("a", "{\"x\":1}"), add("b", "{}")]);
    assert!(matches!(events.last(), Some(GenerationEvent::Finished { reason: FinishReason::ToolCalls, .. })));
}

#[tokio::test]
async fn a_plug_that_is_pulled_is_a_typed_failure_behind_the_text() {
    let half = format!("{}data: {{\"choi", stream(&[delta(json!({"content": "half"}))]));
    let whole_chunks = stream(&[delta(json!({"content": "half"}))]);
    let promised = whole_chunks.replace("connection: close", "content-length: 100000");
    for (said, code) in [
        (whole_chunks, "remote_connection_lost"),
        (promised, "remote_connection_lost"),
        (half, "remote_bad_answer"),
    ] {
        let played = play(Act::Say(said)).await;
        let events = all(ask(&played).await.unwrap()).await;
        assert_eq!((text(&events).as_str(), failure(&events)), ("half", code));
    }
}

#[tokio::test]
async fn an_error_within_a_stream_is_told_in_the_servers_words() {
    let error = json!({"error": {"message": "out of memory", "type": "InternalServerError", "code": 500}});
    let played = play(Act::Say(stream(&[delta(json!({"content": "half"})), error]))).await;
    let events = all(ask(&played).await.unwrap()).await;
    assert_eq!(failure(&events), "remote_error");
    assert!(format!("{events:?}").contains("out of memory"));
}

#[tokio::test]
async fn garbage_in_a_stream_is_a_bad_answer() {
    for garbage in
        ["data: [1,2\n\n", "data: 7\n\n", "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]}}]}\n\n"]
    {
        let played = play(Act::Say(format!("{HEAD}{garbage}"))).await;
        assert_eq!(failure(&all(ask(&played).await.unwrap()).await), "remote_bad_answer", "{garbage}");
    }
    let page = play(Act::Say(format!("{HEAD}<html>Hello</html>"))).await;
    assert_eq!(failure(&all(ask(&page).await.unwrap()).await), "remote_connection_lost");
}

#[tokio::test]
async fn refusals_are_typed() {
    let too_long = r#"{"error":{"message":"maximum context length is 8 tokens","code":400}}"#;
    for (said, body, code) in [
        ("401 Unauthorized", r#"{"error":"Unauthorized"}"#, "remote_key_refused"),
        ("404 Not Found", r#"{"error":{"message":"no `m`","code":404}}"#, "model_not_found"),
        ("400 Bad Request", too_long, "context_length_exceeded"),
        ("500 Oops", "{", "remote_error"),
    ] {
        let error = refused(&play(status(said, body)).await).await;
        assert_eq!(error.code(), code);
        assert!(!error.next_step().is_empty() && !error.to_string().contains("sk-test"));
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let mut other = play(status("200 OK", "{}")).await;
    let head =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.base);
    assert_eq!(refused(&play(Act::Say(head)).await).await.code(), "remote_bad_answer");
    assert!(other.requests.try_recv().is_err());
}

#[tokio::test]
async fn silence_and_a_closed_port_are_typed() {
    let patience = Patience { connect: Duration::from_secs(5), silence: Duration::from_millis(200) };
    for said in [String::new(), stream(&[delta(json!({"content": "half"}))])] {
        let played = play(Act::Stay(said.clone())).await;
        let engine = RemoteEngine::with_patience(&played.base, None, patience).unwrap();
        match engine.generate(&model(), &question()).await {
            Err(error) => assert_eq!((error.code(), said.as_str()), ("remote_timeout", "")),
            Ok(stream) => assert_eq!(failure(&all(stream).await), "remote_timeout"),
        }
    }
    let nobody = RemoteEngine::new("http://127.0.0.1:9/v1", None).unwrap();
    assert_eq!(nobody.models().await.unwrap_err().code(), "remote_unreachable");
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let mut played = play(Act::Stay(stream(&[delta(json!({"content": "on and on"}))]))).await;
    let mut stream = ask(&played).await.unwrap();
    assert!(matches!(stream.next().await, Some(GenerationEvent::Text { .. })));
    drop(stream);
    tokio::time::timeout(Duration::from_secs(30), played.gone.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_list_tells_lengths_and_kinds() {
    let list = json!({"object": "list", "data": [
        {"id": "a", "owned_by": "vllm", "max_model_len": 4096},
        {"id": "b", "owned_by": "llamacpp", "meta": {"n_ctx_train": 2048}},
        {"id": "c"},
    ]});
    let played = play(status("200 OK", &list.to_string())).await;
    let found = engine(&played).models().await.unwrap();
    let found: Vec<_> = found.iter().map(|m| (m.id.as_str(), m.context_length, m.kind)).collect();
    assert_eq!(
        found,
        [("a", Some(4096), Kind::Vllm), ("b", Some(2048), Kind::LlamaCpp), ("c", None, Kind::Other)]
    );
    let page = play(status("200 OK", "<html>")).await;
    assert_eq!(engine(&page).models().await.unwrap_err().code(), "remote_bad_answer");
}

#[tokio::test]
async fn pictures_are_sent_in_their_places_and_without_what_else_their_files_hold() {
    let waves = include_bytes!("../../../tests/golden/vision/waves.png");
    let picture = Picture::decode(waves).unwrap();
    let parts = vec![
        ContentPart::Text("Before ".into()),
        ContentPart::Picture(picture.clone()),
        ContentPart::Text("and behind?".into()),
    ];
    let prompt = Prompt::Messages { messages: vec![ChatMessage::of_parts("user", parts)], tools: None };
    let mut played = play(Act::Say(stream(&[delta(json!({"content": "Waves."})), end("stop")]))).await;
    let answer = engine(&played).generate(&model(), &GenerateRequest::new(prompt)).await.unwrap();
    assert_eq!(text(&all(answer).await), "Waves.");

    let (_, body) = played.requests.recv().await.unwrap();
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0], json!({"type": "text", "text": "Before "}));
    assert_eq!(content[2], json!({"type": "text", "text": "and behind?"}));
    assert_eq!(content[1]["type"], "image_url");
    let url = content[1]["image_url"]["url"].as_str().unwrap();
    let sent = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    assert_eq!(Picture::decode(&sent).unwrap(), picture);
}

#[tokio::test]
async fn a_list_tells_which_models_see() {
    let list = json!({"data": [
        {"id": "llama-server", "architecture": {"input_modalities": ["text", "image"]}},
        {"id": "text", "architecture": {"input_modalities": ["text"]}},
        {"id": "mistral", "capabilities": {"completion_chat": true, "vision": true}},
        {"id": "lantern", "capabilities": {"chat": true, "vision": false}},
        {"id": "vllm", "owned_by": "vllm"},
    ]});
    let played = play(status("200 OK", &list.to_string())).await;
    let sees: Vec<_> = engine(&played).models().await.unwrap().into_iter().map(|model| model.sees).collect();
    assert_eq!(sees, [Some(true), Some(false), Some(true), Some(false), None]);
}
