//! Who comes in, what they may use, and what is told of it, over real sockets.

use std::time::Duration;

use lantern_app::{App, AppOptions};
use lantern_protocol::{ApiRequest, NewApiKey};
use lantern_server::{ServeOptions, ServerHandle, serve};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "the-endpoint-s-own-key";
const PAGE: &str = "https://good.example";

struct Fixture {
    app: App,
    server: ServerHandle,
    _home: TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = AppOptions { home: Some(home.path().to_owned()), ..AppOptions::default() };
        let app = App::open(options).await.unwrap();
        for model in ["llama_tied-F16", "qwen2-Q8_0"] {
            let path = lantern_golden::path(format!("models/{model}.gguf"));
            app.import_model(path, false).await.unwrap();
        }
        let options =
            ServeOptions { key: KEY.into(), allowed_origins: vec![PAGE.into()], ..ServeOptions::default() };
        let server = serve(app.clone(), options).await.unwrap();
        Self { app, server, _home: home }
    }

    async fn key(&self, new: NewApiKey) -> (String, String) {
        let issued = self.app.make_api_key(new).await.unwrap();
        (issued.key.id, issued.secret)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let client = Client::builder().no_proxy().build().unwrap();
        client.request(method, format!("http://{}{path}", self.server.address()))
    }

    async fn get(&self, path: &str, key: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(key).send().await.unwrap()
    }

    async fn ask(&self, model: &str, key: &str) -> Response {
        let body = json!({"model": model, "prompt": "Once", "max_tokens": 4});
        self.request(Method::POST, "/v1/completions").bearer_auth(key).json(&body).send().await.unwrap()
    }

    /// The log, once so many requests are in it.
    async fn log(&self, requests: usize) -> Vec<ApiRequest> {
        for _ in 0..200 {
            let log = self.app.api_requests(50).await.unwrap();
            if log.len() >= requests {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{requests} requests never came into the log");
    }
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn named(name: &str) -> NewApiKey {
    NewApiKey { name: name.into(), ..NewApiKey::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_response_is_nobody_else_s() {
    let fixture = Fixture::start().await;
    let ((_, editor), (_, agent)) = (fixture.key(named("editor")).await, fixture.key(named("agent")).await);
    let body = json!({"model": "llama_tied-F16", "input": "Once", "max_output_tokens": 4});
    let asked = fixture.request(Method::POST, "/v1/responses").bearer_auth(&editor).json(&body);
    let response: Value = asked.send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    assert_eq!(fixture.get(&path, &editor).await.status(), 200);
    for other in [agent.as_str(), KEY] {
        assert_eq!(code(fixture.get(&path, other).await).await, (404, "response_not_found".into()));
        let next =
            json!({"model": "llama_tied-F16", "input": "more", "previous_response_id": response["id"]});
        let asked = fixture.request(Method::POST, "/v1/responses").bearer_auth(other).json(&next);
        assert_eq!(code(asked.send().await.unwrap()).await, (404, "response_not_found".into()));
        let gone = fixture.request(Method::DELETE, &path).bearer_auth(other).send().await.unwrap();
        assert_eq!(gone.status(), 404);
    }
    assert_eq!(fixture.get(&path, &editor).await.status(), 200);
}

#[tokio::test]
async fn a_program_s_key_opens_the_endpoint_until_it_is_revoked() {
    let fixture = Fixture::start().await;
    let (id, key) = fixture.key(named("Editor")).await;
    assert_eq!(fixture.get("/v1/models", KEY).await.status(), 200);
    assert_eq!(fixture.get("/v1/models", &key).await.status(), 200);
    let anthropic =
        fixture.request(Method::GET, "/v1/models").header("x-api-key", &key).send().await.unwrap();
    assert_eq!(anthropic.status(), 200);
    fixture.app.revoke_api_key(&id).await.unwrap();
    let refused = (401, "invalid_api_key".to_owned());
    assert_eq!(code(fixture.get("/v1/models", &key).await).await, refused);
    assert_eq!(code(fixture.get("/v1/models", "sk-lantern-nobody").await).await, refused);
    let health = fixture.request(Method::GET, "/health").send().await.unwrap();
    assert_eq!(health.status(), 200, "whether it lives is no secret");
}

#[tokio::test]
async fn a_key_may_use_its_models_and_no_others() {
    let fixture = Fixture::start().await;
    let models = Some(vec!["llama_tied-F16".to_owned()]);
    let (_, key) = fixture.key(NewApiKey { models, ..named("Script") }).await;
    let list: Value = fixture.get("/v1/models", &key).await.json().await.unwrap();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, ["llama_tied-F16"]);
    assert_eq!(fixture.ask("llama_tied-F16", &key).await.status(), 200);
    assert_eq!(code(fixture.ask("qwen2-Q8_0", &key).await).await, (403, "model_not_allowed".into()));
    assert!(!fixture.app.is_in_memory("qwen2-Q8_0"), "it was not even loaded");
    assert_eq!(fixture.ask("qwen2-Q8_0", KEY).await.status(), 200);
}

#[tokio::test]
async fn a_limit_is_a_429_that_says_when_to_come_again() {
    let fixture = Fixture::start().await;
    let (_, key) = fixture.key(NewApiKey { requests_per_minute: Some(2), ..named("Script") }).await;
    for _ in 0..2 {
        assert_eq!(fixture.get("/v1/models", &key).await.status(), 200);
    }
    let refused = fixture.get("/v1/models", &key).await;
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((20..=30).contains(&wait), "{wait} s");
    assert_eq!(code(refused).await, (429, "rate_limit_exceeded".into()));
    assert_eq!(fixture.get("/v1/models", KEY).await.status(), 200, "others have their own limits");
}

#[tokio::test]
async fn a_page_comes_in_where_its_origin_is_allowed() {
    let fixture = Fixture::start().await;
    let preflight = fixture.request(Method::OPTIONS, "/v1/chat/completions").header("origin", PAGE);
    let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], PAGE);
    assert!(preflight.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    let with_key = fixture.request(Method::GET, "/v1/models").header("origin", PAGE).bearer_auth(KEY);
    let answer = with_key.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (200, &PAGE.parse().unwrap())
    );
    let keyless = fixture.request(Method::GET, "/v1/models").header("origin", PAGE).send().await.unwrap();
    assert_eq!(keyless.status(), 401, "a page needs a key as well");
    for origin in ["https://evil.example", "null"] {
        let preflight =
            fixture.request(Method::OPTIONS, "/v1/models").header("origin", origin).send().await.unwrap();
        assert_eq!(preflight.status(), 403);
        assert!(!preflight.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn every_request_is_in_the_log_without_what_was_in_it() {
    let fixture = Fixture::start().await;
    let (_, key) = fixture.key(named("Editor")).await;
    fixture.ask("llama_tied-F16", &key).await.bytes().await.unwrap();
    let body = json!({"model": "llama_tied-F16", "prompt": "Once", "max_tokens": 5, "stream": true});
    let streamed = fixture.request(Method::POST, "/v1/completions").bearer_auth(KEY).json(&body).send().await;
    streamed.unwrap().bytes().await.unwrap();
    fixture.ask("no-such-model", &key).await.bytes().await.unwrap();
    fixture.get("/v1/models", "a-wrong-key").await.bytes().await.unwrap();
    fixture.request(Method::GET, "/health").send().await.unwrap().bytes().await.unwrap();

    let log = fixture.log(4).await;
    let told: Vec<_> = log
        .iter()
        .map(|r| (r.path.as_str(), r.program.as_deref(), r.status, r.error.as_deref(), r.model.as_deref()))
        .collect();
    let model = Some("llama_tied-F16");
    for wanted in [
        ("/v1/completions", Some("Editor"), 200, None, model),
        ("/v1/completions", None, 200, None, model),
        ("/v1/completions", Some("Editor"), 404, Some("model_not_found"), None),
        ("/v1/models", None, 401, Some("invalid_api_key"), None),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} is not in {told:?}");
    }
    assert_eq!(told.len(), 4, "{told:?}");
    let written: Vec<_> = log.iter().filter_map(|r| r.completion_tokens).collect();
    assert!(written.contains(&4) && written.contains(&5), "{written:?}");
    assert!(log.iter().filter(|r| r.status == 200).all(|r| r.prompt_tokens > Some(0)));
}
