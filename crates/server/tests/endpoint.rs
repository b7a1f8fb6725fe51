//! The endpoint over real sockets, with a real (tiny, random) model behind it.

use std::path::PathBuf;

use futures::StreamExt;
use lantern_app::{App, AppOptions};
use lantern_protocol::{
    AppEvent, EndpointSettings, ModelDefaults, ModelNotes, SamplingDefaults, SettingsPatch,
};
use lantern_server::{Endpoint, ServeOptions, ServerHandle, serve};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "sesame";
const MODEL: &str = "llama_untied-Q8_0";

struct Fixture {
    app: App,
    server: ServerHandle,
    client: Client,
    home: TempDir,
}

fn golden_model() -> PathBuf {
    lantern_golden::path("models").join(format!("{MODEL}.gguf"))
}

async fn start() -> Fixture {
    let home = tempfile::tempdir().expect("a temporary directory");
    let options = AppOptions { home: Some(home.path().into()), ..AppOptions::default() };
    let app = App::open(options).await.expect("the application opens");
    let path = golden_model().canonicalize().expect("the golden model is in the checkout");
    app.import_model(path.to_str().expect("a UTF-8 path").to_string(), false)
        .await
        .expect("the model is imported");
    let server = serve(app.clone(), ServeOptions { key: KEY.into(), ..ServeOptions::default() })
        .await
        .expect("the endpoint starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    Fixture { app, server, client, home }
}

impl Fixture {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    fn post(&self, body: &Value) -> RequestBuilder {
        self.client.post(self.url("/v1/chat/completions")).bearer_auth(KEY).json(body)
    }

    async fn answer(&self, body: Value) -> Value {
        let response = self.post(&body).send().await.expect("a response");
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Chunks of a stream, without the closing `[DONE]`, which must be there.
    async fn chunks(&self, body: Value) -> Vec<Value> {
        let text = self.post(&body).send().await.expect("a response").text().await.expect("a body");
        let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.pop(), Some("[DONE]"), "{text}");
        data.into_iter().map(|chunk| serde_json::from_str(chunk).expect("JSON in each chunk")).collect()
    }
}

fn hello(extra: Value) -> Value {
    let mut body = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Tell me a story"}],
        "temperature": 0,
        "max_tokens": 24,
    });
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn text_of(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect()
}

async fn error_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body: Value = response.json().await.expect("errors are JSON");
    for field in ["message", "type", "code", "next_step"] {
        assert!(
            body["error"][field].as_str().is_some_and(|s| !s.is_empty()),
            "`{field}` is missing in {body}"
        );
    }
    (status, body["error"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_carries_the_same_text_as_a_whole_answer() {
    let fixture = start().await;
    let whole = fixture.answer(hello(json!({}))).await;
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(whole["model"], MODEL);
    let usage = &whole["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);

    let body = hello(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let chunks = fixture.chunks(body).await;
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(text_of(&chunks), whole["choices"][0]["message"]["content"].as_str().unwrap());
    let usage_chunk = chunks.last().unwrap();
    assert_eq!(usage_chunk["choices"], json!([]));
    assert_eq!(usage_chunk["usage"]["completion_tokens"], usage["completion_tokens"]);
    assert!(usage_chunk["usage"]["prompt_tokens_details"]["cached_tokens"].is_u64());
    let closing = &chunks[chunks.len() - 2]["choices"][0];
    assert_eq!(closing["finish_reason"], whole["choices"][0]["finish_reason"]);
}

#[tokio::test]
async fn a_models_defaults_hold_where_a_request_says_nothing() {
    let fixture = start().await;
    let sampling = SamplingDefaults { max_tokens: Some(3), ..SamplingDefaults::default() };
    let defaults = ModelDefaults { sampling, ..ModelDefaults::default() };
    fixture.app.set_model_notes(MODEL, ModelNotes { defaults, ..ModelNotes::default() }).await.unwrap();
    let tokens = async |more: Value| {
        let mut request = json!({"model": MODEL, "messages": [{"role": "user", "content": "hello"}]});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = fixture.answer(request).await;
        answer["usage"]["completion_tokens"].as_u64().unwrap()
    };
    assert_eq!(tokens(json!({"logit_bias": {"511": -100}})).await, 3);
    assert_eq!(
        tokens(json!({"logit_bias": {"511": -100}, "max_tokens": 5})).await,
        5,
        "the request goes first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn max_tokens_and_stop_end_the_answer() {
    let fixture = start().await;
    let long = fixture.answer(hello(json!({"max_tokens": 12, "logit_bias": {"511": -100}}))).await;
    assert_eq!(
        (&long["choices"][0]["finish_reason"], &long["usage"]["completion_tokens"]),
        (&json!("length"), &json!(12))
    );
    let text = long["choices"][0]["message"]["content"].as_str().unwrap();
    let stop: String = text.chars().skip(4).take(3).collect();
    assert!(!stop.is_empty(), "the tiny model wrote too little to cut: {text:?}");
    let cut =
        fixture.answer(hello(json!({"max_tokens": 12, "logit_bias": {"511": -100}, "stop": [stop]}))).await;
    let expected = &text[..text.find(&stop).unwrap()];
    assert_eq!(cut["choices"][0]["message"]["content"], expected);
    assert_eq!(cut["choices"][0]["finish_reason"], "stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_repeats_and_another_seed_differs() {
    let fixture = start().await;
    let ask = |seed: u32| {
        fixture
            .answer(hello(json!({"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": seed})))
    };
    let content = |answer: Value| answer["choices"][0]["message"]["content"].clone();
    let first = content(ask(1).await);
    assert_eq!(first, content(ask(1).await));
    assert_ne!(first, content(ask(2).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn four_streams_at_once_say_what_each_says_alone() {
    let fixture = start().await;
    let body = |i: usize| {
        let question = format!("Question number {i}: {}", "why is the sky blue? ".repeat(i));
        hello(json!({"stream": true, "max_tokens": 40, "messages": [{"role": "user", "content": question}]}))
    };
    let mut alone = Vec::new();
    for i in 0..4 {
        alone.push(text_of(&fixture.chunks(body(i)).await));
    }
    let together = futures::future::join_all((0..4).map(|i| fixture.chunks(body(i)))).await;
    let together: Vec<String> = together.iter().map(|chunks| text_of(chunks)).collect();
    assert_eq!(together, alone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_does_not_fit_loses_its_oldest_turns_only_on_request() {
    let fixture = start().await;
    let mut messages = Vec::new();
    for turn in 0..200 {
        messages.push(json!({"role": "user", "content": format!("Question {turn}, please")}));
        messages.push(json!({"role": "assistant", "content": format!("This is answer {turn}.")}));
    }
    messages.push(json!({"role": "user", "content": "And now?"}));
    let body = |extra: Value| {
        let mut body = hello(extra);
        body["messages"] = json!(messages);
        body
    };
    let (status, error) = error_of(fixture.post(&body(json!({}))).send().await.unwrap()).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("context_length_exceeded")));
    let (status, error) =
        error_of(fixture.post(&body(json!({"overflow": "forget"}))).send().await.unwrap()).await;
    assert_eq!((status, &error["param"]), (StatusCode::BAD_REQUEST, &json!("overflow")));

    let whole = fixture.answer(body(json!({"overflow": "drop_oldest"}))).await;
    let report = &whole["lantern"];
    let dropped = report["dropped_messages"].as_u64().unwrap();
    assert!(dropped > 0 && dropped % 2 == 0 && dropped < 400, "{report}");
    let oldest: Vec<u64> = (0..dropped).collect();
    assert_eq!(report["dropped_indices"], json!(oldest), "counted in the request's own messages");
    let left = whole["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(left + 24 <= 2048 && left + report["dropped_tokens"].as_u64().unwrap() > 2048, "{whole}");

    let chunks = fixture.chunks(body(json!({"overflow": "drop_oldest", "stream": true}))).await;
    assert_eq!(&chunks[0]["lantern"], report);
    assert!(chunks[1..].iter().all(|chunk| chunk.get("lantern").is_none()), "once is enough");
    assert_eq!(text_of(&chunks), whole["choices"][0]["message"]["content"].as_str().unwrap());

    let summarise = json!({"overflow": "summarise", "context_length": 1024});
    let told = fixture.answer(body(summarise.clone())).await;
    let summary = &told["lantern"]["summary"];
    let of = summary["messages"].as_u64().unwrap();
    assert!(of > dropped && of % 2 == 0 && told["lantern"]["dropped_messages"] == 0, "{}", told["lantern"]);
    assert_eq!(summary["indices"], json!((0..of).collect::<Vec<u64>>()));
    assert!(!summary["text"].as_str().unwrap().is_empty());
    let left = told["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(left + 24 <= 1024 && left + summary["tokens"].as_u64().unwrap() > 2048, "{told}");
    let again = fixture.answer(body(summarise)).await;
    assert_eq!(again["lantern"], told["lantern"], "the same summary");
    let strict = fixture.post(&body(json!({"context_length": 8}))).send().await.unwrap();
    let (status, error) = error_of(strict).await;
    assert_eq!((status, &error["param"]), (StatusCode::BAD_REQUEST, &json!("context_length")));
    let short = fixture.post(&hello(json!({"messages": messages[..40], "context_length": 128})));
    let (status, error) = error_of(short.send().await.unwrap()).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("context_length_exceeded")));
    assert!(error["message"].as_str().unwrap().contains("128"), "{error}");

    let fits = fixture.answer(hello(json!({"overflow": "drop_oldest"}))).await;
    assert_eq!(fits["lantern"]["dropped_messages"], 0);
    let silent = fixture.answer(hello(json!({"overflow": "error"}))).await;
    assert!(silent.get("lantern").is_none(), "{silent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_the_engine() {
    let fixture = start().await;
    let body = hello(json!({"stream": true, "max_tokens": 100_000, "logit_bias": {"511": -100}}));
    let mut stream = fixture.post(&body).send().await.unwrap().bytes_stream();
    stream.next().await.expect("the stream has begun").unwrap();
    let engine = fixture.app.engine(Some(MODEL)).await.unwrap().engine;
    drop(stream);
    for _ in 0..200 {
        if engine.stats().running == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the sequence still runs five seconds after its client has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn unloading_the_model_cuts_no_answer_short() {
    let fixture = start().await;
    let body = hello(json!({"stream": true, "max_tokens": 300, "logit_bias": {"511": -100}}));
    let mut stream = fixture.post(&body).send().await.unwrap().bytes_stream();
    let mut text = stream.next().await.expect("the stream has begun").unwrap().to_vec();
    fixture.app.unload_model().await.unwrap();
    while let Some(bytes) = stream.next().await {
        text.extend(bytes.unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.trim_end().ends_with("[DONE]"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_and_shown() {
    let fixture = start().await;
    let get = |path: &str| fixture.client.get(fixture.url(path)).bearer_auth(KEY).send();
    let list: Value = get("/v1/models").await.unwrap().json().await.unwrap();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|m| m["id"].as_str()).collect();
    assert!(ids.contains(&MODEL), "{list}");
    let one: Value = get(&format!("/v1/models/{MODEL}")).await.unwrap().json().await.unwrap();
    assert_eq!((&one["id"], &one["object"]), (&json!(MODEL), &json!("model")));
    let (status, error) = error_of(get("/v1/models/nobody/knows").await.unwrap()).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("model_not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_request_gets_its_own_error() {
    let fixture = start().await;
    let expect = async |request: RequestBuilder, status: StatusCode, code: &str| {
        let (got, error) = error_of(request.send().await.unwrap()).await;
        assert_eq!((got, error["code"].as_str()), (status, Some(code)), "{error}");
    };
    let url = fixture.url("/v1/chat/completions");
    let raw = |body: &str| {
        fixture
            .client
            .post(&url)
            .bearer_auth(KEY)
            .header("content-type", "application/json")
            .body(body.to_string())
    };
    expect(raw("{"), StatusCode::BAD_REQUEST, "malformed_json").await;
    expect(raw("[]"), StatusCode::BAD_REQUEST, "malformed_json").await;
    expect(raw(&"[".repeat(100_000)), StatusCode::BAD_REQUEST, "malformed_json").await;
    let form = fixture
        .client
        .post(&url)
        .bearer_auth(KEY)
        .header("content-type", "text/plain")
        .body(hello(json!({})).to_string());
    expect(form, StatusCode::UNSUPPORTED_MEDIA_TYPE, "json_required").await;
    expect(fixture.client.post(&url).json(&hello(json!({}))), StatusCode::UNAUTHORIZED, "invalid_api_key")
        .await;
    expect(
        fixture.client.post(&url).bearer_auth("wrong").json(&hello(json!({}))),
        StatusCode::UNAUTHORIZED,
        "invalid_api_key",
    )
    .await;
    expect(fixture.post(&hello(json!({"model": "gpt-4"}))), StatusCode::NOT_FOUND, "model_not_found").await;
    expect(
        fixture.post(&hello(json!({}))).header("origin", "https://evil.example"),
        StatusCode::FORBIDDEN,
        "origin_refused",
    )
    .await;
    expect(
        fixture.post(&hello(json!({}))).header("host", "evil.example"),
        StatusCode::FORBIDDEN,
        "host_refused",
    )
    .await;
    let file = fixture.home.path().join("secret.txt");
    std::fs::write(&file, "not a model").unwrap();
    expect(fixture.post(&hello(json!({"model": file}))), StatusCode::NOT_FOUND, "model_not_found").await;
    let long = "word ".repeat(50_000);
    let overflow = fixture.post(&hello(json!({"messages": [{"role": "user", "content": long}]})));
    expect(overflow, StatusCode::BAD_REQUEST, "context_length_exceeded").await;
    expect(fixture.client.get(fixture.url("/v2")).bearer_auth(KEY), StatusCode::NOT_FOUND, "unknown_path")
        .await;
    expect(fixture.client.get(&url).bearer_auth(KEY), StatusCode::METHOD_NOT_ALLOWED, "unknown_method").await;
    let health = fixture.client.get(fixture.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_said() {
    let fixture = start().await;
    let port = fixture.server.address().port();
    let error = serve(fixture.app.clone(), ServeOptions { port, key: KEY.into(), ..ServeOptions::default() })
        .await
        .expect_err("the port is taken");
    assert_eq!(error.code(), "port_in_use");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_follows_its_settings() {
    let fixture = start().await;
    let taken = fixture.server.address().port();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let app = &fixture.app;
    let set = async |enabled: bool, port: u16| {
        let mut events = app.subscribe();
        let endpoint = EndpointSettings {
            enabled,
            port,
            key: "0123456789abcdef-second-key".into(),
            ..EndpointSettings::default()
        };
        app.update_settings(SettingsPatch { endpoint: Some(endpoint), ..SettingsPatch::default() })
            .await
            .unwrap();
        loop {
            if let AppEvent::EndpointChanged { endpoint } = events.recv().await.unwrap() {
                return endpoint;
            }
        }
    };
    let disabled = EndpointSettings { enabled: false, ..EndpointSettings::default() };
    app.update_settings(SettingsPatch { endpoint: Some(disabled), ..SettingsPatch::default() })
        .await
        .unwrap();
    let _endpoint = Endpoint::supervise(app.clone());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;

    assert_eq!(set(true, taken).await.error.map(|e| e.code), Some("port_in_use".into()));
    let status = set(true, free).await;
    assert_eq!(status.url, Some(format!("http://127.0.0.1:{free}/v1")));
    let models = format!("http://127.0.0.1:{free}/v1/models");
    let ok = fixture.client.get(&models).bearer_auth("0123456789abcdef-second-key").send().await.unwrap();
    assert_eq!(ok.status(), StatusCode::OK);
    assert!(!set(false, free).await.running);
    assert!(fixture.client.get(&models).send().await.is_err(), "nobody should listen any more");
}
