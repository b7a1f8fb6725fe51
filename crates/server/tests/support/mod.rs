//! An endpoint with tiny models behind it, and a client.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::path::Path;

use lantern_app::{App, AppOptions};
use lantern_server::{Limits, ServeOptions, ServerHandle, serve};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const KEY: &str = "sesame";
/// Answers in ChatML, as models that call tools do.
pub const MODEL: &str = "qwen3-Q8_0";
/// Answers.
pub const PLAIN: &str = "llama_untied-Q8_0";
/// Makes vectors.
pub const EMBEDDER: &str = "bert-F32";

pub struct Fixture {
    pub app: App,
    pub server: ServerHandle,
    pub client: Client,
    _home: TempDir,
}

pub async fn start() -> Fixture {
    start_with(Limits::default()).await
}

pub async fn start_with(limits: Limits) -> Fixture {
    let home = tempfile::tempdir().expect("a temporary directory");
    let options = AppOptions { home: Some(home.path().into()), ..AppOptions::default() };
    let app = App::open(options).await.expect("the application opens");
    for name in [MODEL, PLAIN, EMBEDDER] {
        let path = lantern_golden::path(format!("models/{name}.gguf"));
        let path = Path::new(&path).canonicalize().expect("a golden model");
        app.import_model(path, false).await.expect("the model is imported");
    }
    let options = ServeOptions { key: KEY.into(), limits, ..ServeOptions::default() };
    let server = serve(app.clone(), options).await.expect("the endpoint starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    Fixture { app, server, client, _home: home }
}

impl Fixture {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(KEY).json(body)
    }

    pub async fn ask(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.post(path, &body).send().await.expect("a response");
        (response.status(), response.json().await.expect("JSON"))
    }

    pub async fn ok(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(path, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.client.get(self.url(path)).bearer_auth(KEY).send().await.expect("a response");
        (response.status(), response.json().await.expect("JSON"))
    }

    pub async fn text(&self, path: &str, body: &Value) -> String {
        self.post(path, body).send().await.expect("a response").text().await.expect("a body")
    }

    /// The data of a stream's events.
    pub async fn events(&self, path: &str, mut body: Value) -> Vec<Value> {
        body["stream"] = json!(true);
        let text = self.text(path, &body).await;
        let data =
            text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| panic!("{data}"))).collect()
    }

    /// The objects of a stream of lines.
    pub async fn lines(&self, path: &str, body: Value) -> Vec<Value> {
        let text = self.text(path, &body).await;
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

/// A tool that the tiny model can be made to call.
pub fn weather() -> Value {
    json!({
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"unit": {"enum": ["C", "F"]}},
            "required": ["unit"],
            "additionalProperties": false
        }
    })
}
