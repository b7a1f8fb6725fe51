//! Anthropic's and Ollama's protocols, and what belongs to none.

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{EMBEDDER, KEY, MODEL, PLAIN, start, start_with};

fn message(extra: Value) -> Value {
    let mut body = json!({
        "model": PLAIN,
        "max_tokens": 8,
        "temperature": 0,
        "system": [{"type": "text", "text": "You are brief."}],
        "messages": [{"role": "user", "content": "Tell me a story"}],
    });
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_messages_come_whole_and_in_events() {
    let fixture = start().await;
    let path = "/v1/messages";
    let body = message(json!({}));
    let response =
        fixture.client.post(fixture.url(path)).header("x-api-key", KEY).json(&body).send().await.unwrap();
    let whole: Value = response.json().await.unwrap();
    assert_eq!((&whole["type"], &whole["stop_reason"]), (&json!("message"), &json!("max_tokens")), "{whole}");
    assert_eq!(whole["usage"]["output_tokens"], 8);
    let events = fixture.events(path, body.clone()).await;
    let mut kinds: Vec<&str> =
        events.iter().map(|e| e["type"].as_str().unwrap()).filter(|k| *k != "ping").collect();
    kinds.dedup();
    let order = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, order);
    let told: String = events.iter().filter_map(|e| e["delta"]["text"].as_str()).collect();
    assert_eq!(whole["content"][0], json!({"type": "text", "text": told}));
    let stop: String = told.chars().skip(3).take(2).collect();
    let until = message(json!({"stop_sequences": ["never to be said", stop]}));
    let stopped = fixture.ok(path, until.clone()).await;
    assert_eq!((&stopped["stop_reason"], &stopped["stop_sequence"]), (&json!("stop_sequence"), &json!(stop)));
    let events = fixture.events(path, until).await;
    let delta = &events.iter().find(|e| e["type"] == "message_delta").unwrap()["delta"];
    assert_eq!(delta, &json!({"stop_reason": "stop_sequence", "stop_sequence": stop}));
    let mut count = body.clone();
    for field in ["max_tokens", "temperature"] {
        count.as_object_mut().unwrap().remove(field);
    }
    let counted = fixture.ok("/v1/messages/count_tokens", count).await;
    let usage = &whole["usage"];
    let read = usage["input_tokens"].as_u64().unwrap() + usage["cache_read_input_tokens"].as_u64().unwrap();
    assert_eq!(counted["input_tokens"], read);
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_tools_and_errors_have_its_shape() {
    let fixture = start().await;
    let weather = support::weather();
    let tool = json!({"name": "weather", "input_schema": weather["parameters"]});
    let body = message(json!({
        "model": MODEL,
        "tools": [tool.clone()],
        "messages": [
            {"role": "user", "content": "How is the weather?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "I ask.", "signature": ""},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"unit": "C"}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "18 degrees"}]},
        ],
    }));
    fixture.ok("/v1/messages", body).await;
    let call =
        message(json!({"model": MODEL, "tools": [tool], "tool_choice": {"type": "any"}, "max_tokens": 300}));
    let whole = fixture.ok("/v1/messages", call.clone()).await;
    assert_eq!(whole["stop_reason"], "tool_use", "{whole}");
    let uses =
        |blocks: &Value| blocks.as_array().unwrap().iter().find(|b| b["type"] == "tool_use").unwrap().clone();
    let input = uses(&whole["content"])["input"].clone();
    assert!(["C", "F"].contains(&input["unit"].as_str().unwrap()), "{input}");
    let events = fixture.events("/v1/messages", call).await;
    let begun = events.iter().find(|e| e["content_block"]["type"] == "tool_use").expect("a call");
    let pieces = events.iter().filter(|e| e["index"] == begun["index"]);
    let pieces: String = pieces.filter_map(|e| e["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), input);
    let ollama = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "stream": false,
        "tools": [{"type": "function", "function": weather}], "options": {"num_predict": 4}});
    fixture.ok("/api/chat", ollama).await;
    let (status, error) = fixture.ask("/v1/messages", message(json!({"temperature": 2}))).await;
    assert_eq!((status, &error["type"]), (StatusCode::BAD_REQUEST, &json!("error")));
    assert_eq!(
        (&error["error"]["type"], &error["error"]["param"]),
        (&json!("invalid_request_error"), &json!("temperature"))
    );
    let no_key =
        fixture.client.post(fixture.url("/v1/messages")).json(&message(json!({}))).send().await.unwrap();
    assert_eq!(no_key.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(no_key.json::<Value>().await.unwrap()["error"]["type"], "authentication_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn ollamas_answers_come_line_by_line() {
    let fixture = start().await;
    let options = json!({"temperature": 0, "num_predict": 8});
    let chat = json!({"model": PLAIN, "messages": [{"role": "user", "content": "Tell me a story"}], "options": options});
    let lines = fixture.lines("/api/chat", chat.clone()).await;
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["done"], &last["done_reason"], &last["eval_count"]),
        (&json!(true), &json!("length"), &json!(8))
    );
    let told: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    let mut whole = chat;
    whole["stream"] = json!(false);
    let whole = fixture.ok("/api/chat", whole).await;
    assert_eq!(whole["message"]["content"], told);
    let generate = json!({"model": format!("{PLAIN}:latest"), "prompt": "Tell me", "format": {"enum": ["yes"]},
        "options": options, "stream": false, "keep_alive": 0});
    let answer = fixture.ok("/api/generate", generate).await;
    assert_eq!(answer["response"], "\"yes\"", "{answer}");
    let (_, tags) = fixture.get("/api/tags").await;
    assert_eq!(tags["models"].as_array().map(Vec::len), Some(3), "{tags}");
    let shown = fixture.ok("/api/show", json!({"model": MODEL})).await;
    assert_eq!(shown["capabilities"], json!(["completion"]), "{shown}");
    let vectors = fixture.ok("/api/embed", json!({"model": EMBEDDER, "input": ["one", "two"]})).await;
    assert_eq!(vectors["embeddings"].as_array().map(Vec::len), Some(2));
    let old = fixture.ok("/api/embeddings", json!({"model": EMBEDDER, "prompt": "one"})).await;
    assert_eq!(old["embedding"], vectors["embeddings"][0]);
    fixture.ok("/api/chat", json!({"model": PLAIN})).await;
    assert_eq!(fixture.get("/api/ps").await.1["models"][0]["name"], PLAIN);
    let leave = json!({"model": PLAIN, "keep_alive": "0s"});
    assert_eq!(fixture.ok("/api/chat", leave).await["done_reason"], "unload");
    assert_eq!(fixture.get("/api/ps").await.1["models"], json!([]));
    let soon = json!({"model": PLAIN, "keep_alive": "soon"});
    assert_eq!(fixture.ask("/api/chat", soon).await.0, StatusCode::BAD_REQUEST);
    assert!(fixture.get("/api/version").await.1["version"].is_string());
    let (status, error) = fixture.ask("/api/chat", json!({"model": "nobody", "messages": []})).await;
    assert_eq!((status, error["error"].is_string()), (StatusCode::NOT_FOUND, true), "{error}");
    let mirostat = json!({"model": PLAIN, "prompt": "x", "options": {"mirostat": 2}});
    assert_eq!(fixture.ask("/api/generate", mirostat).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_ranked_and_everything_is_counted() {
    let fixture = start().await;
    let body = json!({"model": EMBEDDER, "query": "a red apple", "documents": ["a blue car", {"text": "a red apple"}],
        "return_documents": true});
    let answer = fixture.ok("/v1/rerank", body.clone()).await;
    let best = &answer["results"][0];
    assert_eq!((&best["index"], &best["document"]["text"]), (&json!(1), &json!("a red apple")));
    assert!((best["relevance_score"].as_f64().unwrap() - 1.0).abs() < 1e-4, "{answer}");
    let mut one = body;
    one["top_n"] = json!(1);
    assert_eq!(fixture.ok("/v1/rerank", one).await["results"].as_array().map(Vec::len), Some(1));
    fixture
        .ok(
            "/api/generate",
            json!({"model": PLAIN, "prompt": "x", "options": {"num_predict": 3}, "stream": false}),
        )
        .await;
    let metrics = fixture.client.get(fixture.url("/metrics")).bearer_auth(KEY).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "lantern_requests_total{route=\"/v1/rerank\",status=\"200\"} 2",
        "lantern_completion_tokens_total 3",
        &format!("lantern_requests_running{{model=\"{PLAIN}\"}} 0"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_paths_that_are_there() {
    let fixture = start().await;
    let document: Value =
        fixture.client.get(fixture.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    let mut paths = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let url = fixture.url(&path.replace("{id}", "nobody"));
            let method = method.to_uppercase().parse().unwrap();
            let response = fixture.client.request(method, url).bearer_auth(KEY).send().await.unwrap();
            let status = response.status();
            assert!(
                !status.is_server_error() && status != StatusCode::METHOD_NOT_ALLOWED,
                "{path}: {status}"
            );
            paths += 1;
            if status.is_success() && response.headers()["content-type"] == "text/event-stream" {
                // It goes on for as long as somebody listens.
                continue;
            }
            let body = response.text().await.unwrap();
            assert!(!body.contains("unknown_path"), "{path}: {body}");
        }
    }
    assert!(paths > 25, "{paths}");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    assert!(document["components"]["schemas"]["ChatCompletionRequest"]["properties"]["messages"].is_object());
    let page = fixture.client.get(fixture.url("/docs")).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = page.text().await.unwrap();
    assert!(page.contains("/v1/chat/completions") && !page.contains("<script"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_before_its_model_is_there() {
    let limits = lantern_server::Limits { patience: std::time::Duration::ZERO, ..Default::default() };
    let fixture = start_with(limits).await;
    let long = "word ".repeat(50_000);
    let body = |content: &str| json!({"model": PLAIN, "stream": true, "max_tokens": 4, "messages": [{"role": "user", "content": content}]});
    let response = fixture.post("/v1/chat/completions", &body(&long)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "what goes wrong later is told in the stream");
    let text = response.text().await.unwrap();
    assert!(text.starts_with(": working") && text.contains("context_length_exceeded"), "{text}");
    let unknown = json!({"model": "nobody", "stream": true, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(fixture.ask("/v1/chat/completions", unknown).await.0, StatusCode::NOT_FOUND);
    fixture.app.unload(PLAIN).await.unwrap();
    let asks = (0..4).map(|_| fixture.events("/v1/chat/completions", body("Hello")));
    for chunks in futures::future::join_all(asks).await {
        assert!(chunks.last().unwrap()["choices"][0]["finish_reason"].is_string(), "{chunks:?}");
    }
    assert_eq!(fixture.app.models_in_memory().len(), 1, "they share one load");
}
