//! Downloads at the endpoint: begun, held, ordered, stopped and told, over real sockets and a Hub for tests.

use std::time::Duration;

use futures::StreamExt;
use lantern_app::{App, AppOptions};
use lantern_hub::HubOptions;
use lantern_protocol::NewApiKey;
use lantern_server::{ServeOptions, ServerHandle, serve};
use lantern_test_hub::{Fault, Repo, TestHub, random_bytes};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "the-endpoint-s-own-key";

struct Fixture {
    app: App,
    server: ServerHandle,
    hub: TestHub,
    client: Client,
    home: TempDir,
}

async fn open(home: &TempDir, hub: &TestHub) -> App {
    let options = HubOptions {
        endpoint: hub.endpoint(),
        cache_dir: home.path().join("cache"),
        ..HubOptions::from_env()
    };
    let options =
        AppOptions { home: Some(home.path().join("data")), hub: Some(options), ..AppOptions::default() };
    App::open(options).await.unwrap()
}

impl Fixture {
    async fn start() -> Self {
        let (hub, home) = (TestHub::start().await.unwrap(), tempfile::tempdir().unwrap());
        let golden = lantern_golden::path("models/qwen2-Q8_0.gguf");
        hub.add(Repo::new("o/a").with("a-Q8_0.gguf", std::fs::read(golden).unwrap()));
        hub.add(Repo::new("o/b").with("b-Q8_0.gguf", random_bytes(100_000, 1)));
        let app = open(&home, &hub).await;
        app.continue_downloads().await;
        let options = ServeOptions { key: KEY.into(), ..ServeOptions::default() };
        let server = serve(app.clone(), options).await.unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        Self { app, server, hub, client, home }
    }

    fn request(&self, method: Method, path: &str, key: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.server.address())).bearer_auth(key)
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.request(Method::POST, path, KEY).json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Waits until the first download of the list is as wanted.
    async fn until(&self, what: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let list = self.request(Method::GET, "/v1/downloads", KEY).send().await.unwrap();
            let list: Value = list.json().await.unwrap();
            if what(&list["downloads"][0]) {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never came so far: {:?}", self.app.downloads().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_fetches_a_model_and_sees_how_far_it_is() {
    let fixture = Fixture::start().await;
    let events = fixture.request(Method::GET, "/v1/downloads/events", KEY).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    fixture.hub.next([Fault::StallAfter(50_000)]);
    let (status, begun) = fixture.post("/v1/downloads", json!({"model": "o/a"})).await;
    assert_eq!((status, &begun["id"]), (StatusCode::OK, &json!("o/a/a-Q8_0.gguf@main")), "{begun}");
    fixture.until(|download| download["receivedBytes"] == 50_000).await;

    let id = json!({"id": begun["id"]});
    let (_, list) = fixture.post("/v1/downloads/pause", id.clone()).await;
    assert_eq!(list["downloads"][0]["id"], begun["id"]);
    fixture.until(|download| download["state"] == "paused").await;
    // Who reads slowly is told how it is now, not how it was: it goes on once the pause was read.
    let (mut stream, mut text) = (events.bytes_stream(), String::new());
    let mut read_to = async |state: &str, text: &mut String| {
        while !text.contains(&format!("\"state\":\"{state}\"")) {
            let piece = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("an event");
            text.push_str(&String::from_utf8_lossy(&piece.unwrap().unwrap()));
        }
    };
    read_to("paused", &mut text).await;
    fixture.post("/v1/downloads/resume", id.clone()).await;
    let list = fixture.until(|download| download["state"] == "done").await;
    let file = &list["downloads"][0]["files"][0];
    assert_eq!((&file["path"], &file["receivedBytes"]), (&json!("a-Q8_0.gguf"), &file["totalBytes"]));
    assert_eq!(fixture.app.library().await.unwrap()[0].id, "a-Q8_0");

    read_to("done", &mut text).await;
    let mut seen = Vec::new();
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if let Ok(progress) = serde_json::from_str::<Value>(data) {
            seen.push(progress["state"].as_str().unwrap().to_owned());
        }
    }
    assert!(seen.contains(&"paused".into()) && seen.last() == Some(&"done".into()), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_s_key_fetches_and_wrong_ids_are_named() {
    let fixture = Fixture::start().await;
    let new = NewApiKey { name: "a program".into(), ..NewApiKey::default() };
    let secret = fixture.app.make_api_key(new).await.unwrap().secret;
    for (method, path) in [
        (Method::GET, "/v1/downloads"),
        (Method::POST, "/v1/downloads"),
        (Method::GET, "/v1/downloads/events"),
        (Method::POST, "/v1/downloads/cancel"),
    ] {
        let request = fixture.request(method, path, &secret).json(&json!({"model": "o/b", "id": "x"}));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["error"]["code"], "owner_only");
    }
    let (status, error) = fixture.post("/v1/downloads/pause", json!({"id": "o/x/y.gguf@main"})).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::NOT_FOUND, &json!("no_such_download")));
    let (status, error) = fixture.post("/v1/downloads", json!({"model": "o/../../x.gguf"})).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("unsafe_name")));
    let (status, _) = fixture.post("/v1/downloads/move", json!({"id": "x"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(fixture.hub.seen_by_content().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_over_goes_on_after_a_restart() {
    let fixture = Fixture::start().await;
    fixture.hub.next([Fault::StallAfter(50_000)]);
    fixture.post("/v1/downloads", json!({"model": "o/b"})).await;
    fixture.until(|download| download["receivedBytes"] == 50_000).await;
    // Who listens keeps nothing from ending.
    let _events = fixture.request(Method::GET, "/v1/downloads/events", KEY).send().await.unwrap();
    let Fixture { app, server, hub, home, .. } = fixture;
    server.shutdown().await;
    app.shutdown().await;
    drop(app);
    let again = open(&home, &hub).await;
    for _ in 0..100 {
        // The first process lets go of the queue when its last task has ended.
        again.continue_downloads().await;
        let downloads = again.downloads().await.unwrap();
        if downloads.iter().any(|download| download.state == lantern_protocol::DownloadState::Done) {
            assert!(hub.sent() < 100_000 + 20_000, "{} bytes were sent", hub.sent());
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not go on: {:?}", again.downloads().await);
}
