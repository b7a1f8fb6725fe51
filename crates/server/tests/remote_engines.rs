//! A remote engine behind the endpoint: its models are listed, answer, call tools and fail like any other.

mod support;

use axum::Router;
use axum::extract::Json;
use axum::http::StatusCode as Status;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use support::*;

const ID: &str = "box/org/big";

/// Calls the first tool it is offered; refuses a conversation that says `long`; otherwise repeats the question.
async fn answer(Json(body): Json<Value>) -> Response {
    assert_eq!((&body["model"], &body["stream"]), (&json!("org/big"), &json!(true)));
    // The settings' system prompt stands before it.
    let asked = body["messages"].as_array().and_then(|messages| messages.last());
    let question = asked.and_then(|message| message["content"].as_str()).unwrap_or_default();
    if question == "long" {
        let error = json!({"error": {"message": "maximum context length is 8 tokens", "code": 400}});
        return (Status::BAD_REQUEST, Json(error)).into_response();
    }
    let function = &body["tools"][0]["function"];
    let (delta, reason) = match function["name"].as_str() {
        Some(name) => {
            assert_eq!(function["strict"], true);
            let function = json!({"name": name, "arguments": "{\"unit\":\"C\"}"});
            (json!({"tool_calls": [{"index": 0, "id": "a", "function": function}]}), "tool_calls")
        }
        None => (json!({"content": question}), "stop"),
    };
    let mut chunks = vec![json!({"choices": [{"delta": delta}]})];
    // The plug is pulled.
    if question != "cut" {
        chunks.push(json!({"choices": [{"delta": {}, "finish_reason": reason}]}));
        chunks.push(json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}));
    }
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>().into_response()
}

async fn with_remote() -> Fixture {
    let list = json!({"data": [{"id": "org/big", "owned_by": "vllm", "max_model_len": 4096}]});
    let router = Router::new()
        .route("/v1/models", get(|| async { Json(list) }))
        .route("/v1/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let fixture = start().await;
    fixture.app.add_remote("box", &url, None).await.expect("it is added");
    fixture
}

fn asking(question: &str) -> Value {
    json!({"model": ID, "messages": [{"role": "user", "content": question}]})
}

const CHAT: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn it_is_listed_and_answers_whole_and_streamed() {
    let fixture = with_remote().await;
    let (_, list) = fixture.get("/v1/models").await;
    let found =
        list["data"].as_array().unwrap().iter().find(|model| model["id"] == ID).expect("it is listed");
    assert_eq!((&found["context_length"], &found["owned_by"]), (&json!(4096), &json!("box")));
    assert_eq!(fixture.get(&format!("/v1/models/{ID}")).await.1["id"], ID);

    let whole = fixture.ok(CHAT, asking("echo")).await;
    assert_eq!((&whole["model"], &whole["choices"][0]["message"]["content"]), (&json!(ID), &json!("echo")));
    assert_eq!(whole["usage"]["total_tokens"], 7);
    let events = fixture.events(CHAT, asking("echo")).await;
    let text: String = events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_calls_tools() {
    let fixture = with_remote().await;
    let mut body = asking("weather?");
    body["tools"] = json!([{"type": "function", "function": weather()}]);
    let choice = &fixture.ok(CHAT, body).await["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let function = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(*function, json!({"name": "weather", "arguments": "{\"unit\":\"C\"}"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_failures_are_typed_and_the_endpoint_goes_on() {
    let fixture = with_remote().await;
    let (status, error) = fixture.ask(CHAT, asking("long")).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (400, &json!("context_length_exceeded")));
    let (status, error) = fixture.ask(CHAT, asking("cut")).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (502, &json!("remote_connection_lost")));
    let events = fixture.events(CHAT, asking("cut")).await;
    assert_eq!(events.last().unwrap()["error"]["code"], "remote_connection_lost", "{events:?}");
    let unknown = json!({"model": "box/other", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(fixture.ask(CHAT, unknown).await.0.as_u16(), 404);
    assert_eq!(fixture.ok(CHAT, asking("echo")).await["choices"][0]["message"]["content"], "echo");
}
