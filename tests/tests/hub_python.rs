//! The shared cache from both sides: what Lantern pulled, Python's `huggingface_hub` finds without fetching a byte, and the
//! other way round. That Python talks to the Hub for tests at all shows that this one is faithful.

use std::process::Command;

use lantern_test_hub::{Gate, Repo, TestHub};
use lantern_tests::home::Home;
use lantern_tests::programs::python;

const REPO: &str = "owner/model-GGUF";

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(lantern_golden::path(format!("models/{name}"))).expect("a golden model")
}

async fn start() -> TestHub {
    let hub = TestHub::start().await.expect("a free port");
    let repo = Repo::new(REPO)
        .with("model-Q4_0.gguf", golden("llama_untied-Q8_0.gguf"))
        .with("other-Q8_0.gguf", golden("qwen2-Q8_0.gguf"))
        .with("README.md", "# A model")
        .with("sub/notes.txt", "notes");
    hub.add(Repo { downloads: 30, ..repo });
    hub.add(Repo { downloads: 20, gate: Gate::Terms, ..Repo::new("owner/gated").with("g.gguf", "g") });
    hub.add(Repo { downloads: 10, ..Repo::new("owner/third") });
    hub.change(|state| state.page = 2);
    hub
}

/// Runs a program here, with the Hub for tests, and gives what it printed.
async fn output(home: &Home, hub: &TestHub, mut command: Command, arguments: &[&str], step: &str) -> String {
    home.settle(&mut command);
    command.args(arguments).env("HF_ENDPOINT", hub.endpoint()).env("HUB_STEP", step);
    // Xet's own protocol is another library's, and needs its servers.
    command.env("HF_HUB_DISABLE_XET", "1").env("HF_HUB_DISABLE_TELEMETRY", "1").env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("it starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cache_for_lantern_and_python() {
    let (hub, home) = (start().await, Home::empty());
    let lantern = || home.command("lantern");
    let script = lantern_golden::repository().join("tests/sdk/test_hub.py");
    let script = script.to_str().expect("a path of letters");
    output(&home, &hub, lantern(), &["pull", &format!("{REPO}:Q4_0")], "").await;
    let sent = hub.sent();
    assert_eq!(sent, golden("llama_untied-Q8_0.gguf").len() as u64);
    output(&home, &hub, Command::new(python()), &[script], "find").await;
    assert_eq!(hub.sent(), sent, "Python fetched what Lantern had pulled");

    let path = output(&home, &hub, Command::new(python()), &[script], "pull").await;
    let pulled = hub.sent();
    assert!(pulled > sent);
    let list = output(&home, &hub, lantern(), &["list", "--json"], "").await;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let models = list.as_array().expect("a list");
    let other = models.iter().find(|model| model["id"] == "other-Q8_0").expect("what Python pulled");
    assert_eq!(other["path"].as_str(), Some(path.trim()));
    assert_eq!(models.len(), 2, "{list}");
    output(&home, &hub, lantern(), &["pull", &format!("{REPO}/other-Q8_0.gguf")], "").await;
    assert_eq!(hub.sent(), pulled, "Lantern fetched what Python had pulled");
}
