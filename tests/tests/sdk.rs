//! The endpoint as other programs meet it: `lantern serve`, and the official OpenAI client from Python.

use std::process::{Command, Stdio};
use std::time::Duration;

use lantern_tests::eventually;
use lantern_tests::home::{Home, free_port};
use lantern_tests::processes::Running;
use lantern_tests::programs::{STARTER, python};

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_client_gets_what_it_expects() {
    let home = Home::with_starter();
    let embedder = lantern_golden::path("models/bert-F32.gguf");
    let imported = home.command("lantern").arg("import").arg(embedder).output().expect("lantern starts");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let port = free_port();
    let mut serve = home.command("lantern");
    serve.args(["serve", "--port", &port.to_string(), "--api-key", "a-key-for-tests"]);
    let _endpoint = Running::start(serve.stdout(Stdio::null()));
    eventually("lantern serve listens", Duration::from_secs(30), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;

    let script = lantern_golden::repository().join("tests/sdk/test_openai.py");
    let mut client = Command::new(python());
    client
        .arg(script)
        .env("LANTERN_URL", format!("http://127.0.0.1:{port}/v1"))
        .env("LANTERN_KEY", "a-key-for-tests")
        .env("LANTERN_MODEL", STARTER)
        .env("LANTERN_EMBEDDER", "bert-F32")
        // A proxy of the machine's would be asked for 127.0.0.1 too.
        .env("NO_PROXY", "127.0.0.1");
    let output = client.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
