//! OpenAI's protocol beyond plain chats.

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{EMBEDDER, KEY, MODEL, PLAIN, start};

fn hello(extra: Value) -> Value {
    let mut body = json!({
        "model": PLAIN,
        "messages": [{"role": "user", "content": "Tell me a story"}],
        "temperature": 0,
        "max_tokens": 12,
    });
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

const CHAT: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn several_answers_have_seeds_of_their_own() {
    let fixture = start().await;
    let body = hello(json!({"n": 3, "temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 5}));
    let answer = fixture.ok(CHAT, body.clone()).await;
    let text = |index: usize| answer["choices"][index]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 3);
    assert!(text(0) != text(1) && text(1) != text(2), "{answer}");
    let mut alone = body.clone();
    alone["n"] = json!(1);
    let alone = fixture.ok(CHAT, alone).await;
    assert_eq!(
        alone["choices"][0]["message"]["content"],
        text(0),
        "the first has the seed that was asked for"
    );
    assert_eq!(alone["usage"]["prompt_tokens"], answer["usage"]["prompt_tokens"], "a prompt counts once");
    let chunks = fixture.events(CHAT, body).await;
    for index in 0..3 {
        let mine = chunks.iter().map(|c| &c["choices"][0]).filter(|c| c["index"] == index);
        let told: String = mine.filter_map(|c| c["delta"]["content"].as_str()).collect();
        assert_eq!(told, text(index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_how_likely_tokens_were() {
    let fixture = start().await;
    let answer = fixture.ok(CHAT, hello(json!({"logprobs": true, "top_logprobs": 2}))).await;
    let tokens = answer["choices"][0]["logprobs"]["content"].as_array().expect("log probabilities").clone();
    assert_eq!(tokens.len() as u64, answer["usage"]["completion_tokens"].as_u64().unwrap());
    for token in &tokens {
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(
            token["top_logprobs"][0]["token"], token["token"],
            "at temperature 0 the likeliest is taken"
        );
    }
    let chunks = fixture.events(CHAT, hello(json!({"logprobs": true}))).await;
    let streamed = chunks.iter().filter_map(|c| c["choices"][0]["logprobs"]["content"].as_array()).flatten();
    assert_eq!(streamed.count(), tokens.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_keep_to_a_schema_or_a_grammar() {
    let fixture = start().await;
    let schema = json!({
        "type": "object",
        "properties": {"size": {"enum": ["small", "large"]}, "on": {"type": "boolean"}},
        "required": ["size", "on"],
        "additionalProperties": false
    });
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "lamp", "schema": schema, "strict": true}});
    let body = hello(json!({"response_format": format, "max_tokens": 200}));
    let answer = fixture.ok(CHAT, body).await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let lamp: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    assert!(
        ["small", "large"].contains(&lamp["size"].as_str().unwrap()) && lamp["on"].is_boolean(),
        "{lamp}"
    );
    let answer = fixture.ok(CHAT, hello(json!({"regex": "(yes|no)"}))).await;
    assert!(
        ["yes", "no"].contains(&answer["choices"][0]["message"]["content"].as_str().unwrap()),
        "{answer}"
    );
    let bad =
        hello(json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 3}}}}));
    let (status, answer) = fixture.ask(CHAT, bad).await;
    assert_eq!((status, &answer["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("response_format")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_called_and_its_result_goes_back() {
    let fixture = start().await;
    let tools = json!([{"type": "function", "function": support::weather()}]);
    let mut body =
        hello(json!({"model": MODEL, "tools": tools, "tool_choice": "required", "max_tokens": 300}));
    let answer = fixture.ok(CHAT, body.clone()).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{answer}");
    let called = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!((&called["type"], &called["function"]["name"]), (&json!("function"), &json!("weather")));
    let arguments = called["function"]["arguments"].as_str().unwrap();
    let parsed: Value = serde_json::from_str(arguments).unwrap_or_else(|_| panic!("{arguments}"));
    assert!(["C", "F"].contains(&parsed["unit"].as_str().unwrap()), "{parsed}");
    let chunks = fixture.events(CHAT, body.clone()).await;
    let deltas: Vec<&Value> = chunks.iter().map(|c| &c["choices"][0]["delta"]["tool_calls"][0]).collect();
    let of_first = deltas.iter().filter(|delta| delta["index"] == 0);
    let streamed: String = of_first.filter_map(|delta| delta["function"]["arguments"].as_str()).collect();
    assert_eq!(streamed, arguments);
    assert!(deltas.iter().any(|delta| delta["function"]["name"] == "weather" && delta["id"].is_string()));
    let response = json!({"model": MODEL, "input": "Tell me a story", "temperature": 0, "tool_choice": "required",
        "tools": [{"type": "function", "name": "weather", "parameters": support::weather()["parameters"]}]});
    let events = fixture.events("/v1/responses", response).await;
    let done = events.iter().find(|e| e["type"] == "response.function_call_arguments.done").expect("a call");
    let told = events.iter().filter(|e| {
        e["type"] == "response.function_call_arguments.delta" && e["output_index"] == done["output_index"]
    });
    let told: String = told.filter_map(|e| e["delta"].as_str()).collect();
    assert_eq!(done["arguments"], told);
    assert_eq!(events.last().unwrap()["response"]["status"], "completed");
    body["tools"] = json!([]);
    let (status, error) = fixture.ask(CHAT, body.clone()).await;
    assert_eq!((status, &error["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("tool_choice")));
    let call = json!({"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"unit\":\"C\"}"}});
    body["tool_choice"] = json!("auto");
    body["tools"] = tools;
    body["max_tokens"] = json!(8);
    let before = fixture.ok(CHAT, body.clone()).await["usage"]["prompt_tokens"].as_u64().unwrap();
    body["messages"] = json!([
        {"role": "user", "content": "Tell me a story"},
        {"role": "assistant", "content": null, "reasoning_content": "I need the weather.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "18 degrees"}]},
    ]);
    let after = fixture.ok(CHAT, body).await["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(after > before + 8, "the call and its result are in the prompt: {before}, {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_on_and_are_echoed() {
    let fixture = start().await;
    let path = "/v1/completions";
    let body =
        json!({"model": PLAIN, "prompt": ["Once upon", "In the"], "temperature": 0, "max_tokens": 6, "n": 2});
    let answer = fixture.ok(path, body.clone()).await;
    assert_eq!(
        (&answer["object"], answer["choices"].as_array().map(Vec::len)),
        (&json!("text_completion"), Some(4))
    );
    let text = |answer: &Value, index: usize| answer["choices"][index]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&answer, 0), text(&answer, 1), "the same prompt at temperature 0");
    let mut echo = body.clone();
    echo["echo"] = json!(true);
    let echoed = fixture.ok(path, echo.clone()).await;
    assert_eq!(text(&echoed, 2), format!("In the{}", text(&answer, 2)));
    let chunks = fixture.events(path, echo).await;
    let told: String = chunks
        .iter()
        .filter(|c| c["choices"][0]["index"] == 2)
        .filter_map(|c| c["choices"][0]["text"].as_str())
        .collect();
    assert_eq!(told, text(&echoed, 2));
    let likely = json!({"model": PLAIN, "prompt": "Once", "temperature": 0, "max_tokens": 4, "logprobs": 1});
    let likely = fixture.ok(path, likely).await;
    let logprobs = &likely["choices"][0]["logprobs"];
    assert_eq!((logprobs["tokens"].as_array().unwrap().len(), &logprobs["text_offset"][0]), (4, &json!(0)));
    let (status, error) = fixture.ask(path, json!({"model": PLAIN, "prompt": "a", "suffix": "b"})).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("suffix_not_supported")));
    let (status, error) = fixture.ask(path, json!({"model": PLAIN, "prompt": [99999999]})).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("unknown_token")));
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_kept_gone_on_from_and_forgotten() {
    let fixture = start().await;
    let path = "/v1/responses";
    let body = json!({"model": PLAIN, "input": "Tell me a story", "temperature": 0, "max_output_tokens": 8});
    let first = fixture.ok(path, body.clone()).await;
    assert_eq!((&first["object"], &first["status"]), (&json!("response"), &json!("incomplete")), "{first}");
    assert_eq!(first["incomplete_details"]["reason"], "max_output_tokens");
    let id = first["id"].as_str().unwrap();
    let one = format!("{path}/{id}");
    assert_eq!(fixture.get(&one).await, (StatusCode::OK, first.clone()));
    let mut next = body.clone();
    next["previous_response_id"] = json!(id);
    let second = fixture.ok(path, next.clone()).await;
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&second) > tokens(&first) + 8, "the first response is in the prompt");
    let (_, items) = fixture.get(&format!("{one}/input_items")).await;
    assert_eq!(items["data"][0]["role"], "user", "{items}");
    let gone = fixture.client.delete(fixture.url(&one)).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(gone.json::<Value>().await.unwrap()["deleted"], true);
    assert_eq!(fixture.get(&one).await.0, StatusCode::NOT_FOUND);
    let (status, error) = fixture.ask(path, next).await;
    assert_eq!((status, &error["error"]["param"]), (StatusCode::NOT_FOUND, &json!("previous_response_id")));
    let unkept = json!({"model": PLAIN, "input": "Hello", "store": false, "max_output_tokens": 4});
    let unkept = fixture.ok(path, unkept).await;
    assert_eq!(
        fixture.get(&format!("{path}/{}", unkept["id"].as_str().unwrap())).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_streams_in_order_and_can_be_cancelled() {
    let fixture = start().await;
    let path = "/v1/responses";
    let body = json!({"model": PLAIN, "input": "Tell me a story", "temperature": 0, "max_output_tokens": 8});
    let events = fixture.events(path, body.clone()).await;
    let numbers: Vec<u64> = events.iter().map(|e| e["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let mut kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
    let told: String = events.iter().filter_map(|e| e["delta"].as_str()).collect();
    let whole = fixture.ok(path, body.clone()).await;
    assert_eq!(whole["output"][0]["content"][0]["text"], told);
    let mut long = body;
    long["background"] = json!(true);
    long["max_output_tokens"] = json!(100_000);
    let begun = fixture.ok(path, long).await;
    assert_eq!(begun["status"], "in_progress");
    let one = format!("{path}/{}", begun["id"].as_str().unwrap());
    let cancelled = fixture.ok(&format!("{one}/cancel"), json!({})).await;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(fixture.get(&one).await.1["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_say_what_they_can_do_and_come_and_go() {
    let fixture = start().await;
    let (_, list) = fixture.get("/v1/models").await;
    let of = |id: &str| list["data"].as_array().unwrap().iter().find(|m| m["id"] == id).unwrap().clone();
    let can = |id: &str, what: &str| of(id)["capabilities"][what].as_bool().unwrap();
    assert!(can(MODEL, "chat") && !can(MODEL, "tools") && !can(MODEL, "embeddings"), "{list}");
    assert!(can(EMBEDDER, "embeddings") && !can(EMBEDDER, "chat"));
    assert!(of(MODEL)["context_length"].is_u64() && of(MODEL)["size_bytes"].is_u64());
    assert_eq!(of(MODEL)["loaded"], false);
    let loaded = fixture.ok("/api/v1/models/load", json!({"model": MODEL})).await;
    assert_eq!(loaded["id"], MODEL);
    let (_, memory) = fixture.get("/api/v1/models").await;
    assert_eq!(memory["models"].as_array().map(Vec::len), Some(1), "{memory}");
    let gone = fixture.ok("/api/v1/models/unload", json!({"model": MODEL})).await;
    assert_eq!(gone["unloaded"], true);
    assert_eq!(fixture.get("/api/v1/models").await.1["models"], json!([]));
    for (method, path) in
        [("POST", "/v1/audio/speech"), ("POST", "/v1/images/generations"), ("GET", "/v1/files")]
    {
        let method = method.parse().unwrap();
        let response =
            fixture.client.request(method, fixture.url(path)).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "not_supported");
    }
}
