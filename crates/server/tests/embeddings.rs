//! Embeddings over real sockets, with real (tiny, random) models behind them.

use std::path::PathBuf;

use base64::Engine as _;
use lantern_app::{App, AppOptions};
use lantern_server::{ServeOptions, ServerHandle, serve};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "sesame";
const MODEL: &str = "bert-F32";
const CHAT_MODEL: &str = "llama_untied-Q8_0";

struct Fixture {
    server: ServerHandle,
    client: Client,
    _home: TempDir,
}

fn golden(file: &str) -> PathBuf {
    lantern_golden::path(file)
}

async fn start() -> Fixture {
    let home = tempfile::tempdir().expect("a temporary directory");
    let options = AppOptions { home: Some(home.path().into()), ..AppOptions::default() };
    let app = App::open(options).await.expect("the application opens");
    for name in [MODEL, CHAT_MODEL] {
        let path = golden(&format!("models/{name}.gguf")).canonicalize().expect("a golden model");
        app.import_model(path, false).await.expect("the model is imported");
    }
    let server = serve(app, ServeOptions { key: KEY.into(), ..ServeOptions::default() })
        .await
        .expect("the endpoint starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    Fixture { server, client, _home: home }
}

impl Fixture {
    async fn ask(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("http://{}{path}", self.server.address());
        let response = self.client.post(url).bearer_auth(KEY).json(&body).send().await.expect("a response");
        (response.status(), response.json().await.expect("JSON"))
    }

    async fn embed(&self, mut body: Value) -> Value {
        body["model"] = json!(MODEL);
        let (status, answer) = self.ask("/v1/embeddings", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    async fn refused(&self, body: Value, status: StatusCode, code: &str) -> Value {
        let (got, answer) = self.ask("/v1/embeddings", body).await;
        assert_eq!((got, answer["error"]["code"].as_str()), (status, Some(code)), "{answer}");
        answer["error"].clone()
    }
}

fn vector(item: &Value) -> Vec<f32> {
    let numbers = item["embedding"].as_array().expect("a list of numbers");
    numbers.iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_become_vectors_of_length_one() {
    let fixture = start().await;
    let both = fixture.embed(json!({"input": ["the first text", "and another"]})).await;
    assert_eq!((&both["object"], &both["model"]), (&json!("list"), &json!(MODEL)));
    let alone = fixture.embed(json!({"input": "and another", "user": "somebody"})).await;
    assert_eq!(both["data"].as_array().map(Vec::len), Some(2));
    let second = &both["data"][1];
    assert_eq!((&second["index"], &second["object"]), (&json!(1), &json!("embedding")));
    assert_eq!(vector(second), vector(&alone["data"][0]), "a text's vector is its own");
    assert_ne!(vector(second), vector(&both["data"][0]));
    let length: f32 = vector(second).iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    let usage = &both["usage"];
    assert!(usage["prompt_tokens"].as_u64() > alone["usage"]["prompt_tokens"].as_u64(), "{usage}");
    assert_eq!(usage["total_tokens"], usage["prompt_tokens"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_give_the_golden_vectors() {
    let fixture = start().await;
    let cases: Value =
        serde_json::from_slice(&std::fs::read(golden("embeddings.json")).unwrap()).expect("the golden list");
    let case = cases.as_array().unwrap().iter().find(|case| case["name"] == "bert").expect("a case of BERT");
    let answer = fixture.embed(json!({"input": case["token_ids"]})).await;
    let bytes = std::fs::read(golden(case["vectors"].as_str().unwrap())).expect("golden vectors");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let data = tensors.tensor("vectors").expect("the tensor is there").data().to_vec();
    let expected: Vec<f32> = data.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
    let found: Vec<f32> = answer["data"].as_array().unwrap().iter().flat_map(vector).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 2e-6, "{found} is not {expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_come_as_bytes_and_shortened_too() {
    let fixture = start().await;
    let whole = vector(&fixture.embed(json!({"input": "a text"})).await["data"][0]);
    let coded = fixture.embed(json!({"input": "a text", "encoding_format": "base64"})).await;
    let coded = coded["data"][0]["embedding"].as_str().expect("a string").to_owned();
    let bytes = base64::engine::general_purpose::STANDARD.decode(coded).expect("base64");
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
    assert_eq!(numbers, whole);
    let short = vector(&fixture.embed(json!({"input": "a text", "dimensions": 8})).await["data"][0]);
    assert_eq!(short.len(), 8);
    let length = whole[..8].iter().map(|x| x * x).sum::<f32>().sqrt();
    for (short, whole) in short.iter().zip(&whole) {
        assert!((short - whole / length).abs() < 1e-5, "{short} of {whole}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_vectors_is_refused_by_name() {
    let fixture = start().await;
    let bad = StatusCode::BAD_REQUEST;
    let of_chat = json!({"model": CHAT_MODEL, "input": "a text"});
    let error = fixture.refused(of_chat, bad, "no_embedding_model").await;
    assert_eq!(error["param"], "model");
    fixture.refused(json!({"model": MODEL, "input": []}), bad, "invalid_value").await;
    fixture.refused(json!({"model": MODEL, "input": {"text": "x"}}), bad, "invalid_type").await;
    fixture.refused(json!({"input": "no model"}), bad, "missing_required_parameter").await;
    let nobody = json!({"model": "nobody", "input": "x"});
    fixture.refused(nobody, StatusCode::NOT_FOUND, "model_not_found").await;
    let long = "word ".repeat(500);
    let error =
        fixture.refused(json!({"model": MODEL, "input": ["short", long]}), bad, "text_too_long").await;
    assert!(error["message"].as_str().unwrap().contains("text 1 has"), "{error}");
    fixture.refused(json!({"model": MODEL, "input": [[2, 3], []]}), bad, "empty_text").await;
    fixture.refused(json!({"model": MODEL, "input": [[2, 9999]]}), bad, "unknown_token").await;
    for dimensions in [0, 33] {
        let body = json!({"model": MODEL, "input": "x", "dimensions": dimensions});
        let error = fixture.refused(body, bad, "invalid_value").await;
        assert_eq!(error["param"], "dimensions");
    }
    let (status, answer) = fixture
        .ask("/v1/chat/completions", json!({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}))
        .await;
    assert_eq!((status, &answer["error"]["code"]), (bad, &json!("embedding_model")), "{answer}");
}
