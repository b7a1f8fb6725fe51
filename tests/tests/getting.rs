//! A model is looked for, looked at, fetched with a pause, used and held against another one, all in the real window.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_test_hub::{Fault, Repo, TestHub};
use lantern_tests::axe;
use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::json;

const LONG: Duration = Duration::from_secs(180);

const REPO: &str = "owner/lamp-GGUF";

/// A Hub with one repository that holds a model in two quantisations.
async fn hub() -> TestHub {
    let hub = TestHub::start().await.expect("a free port");
    let bytes =
        |name: &str| std::fs::read(lantern_golden::path(format!("models/{name}"))).expect("a golden model");
    let mut repo = Repo::new(REPO)
        .with("lamp-Q8_0.gguf", bytes("llama_untied-Q8_0.gguf"))
        .with("lamp-Q4_0.gguf", bytes("llama_untied-Q4_0.gguf"));
    repo.tags = vec!["gguf".into(), "license:apache-2.0".into()];
    repo.gguf = Some(json!({"architecture": "llama", "total": 100_000, "context_length": 512}));
    hub.add(repo);
    hub
}

async fn state(page: &Page, wanted: &str) {
    page.until(&format!("the download is {wanted}"), LONG, async || {
        let now = page.attribute(&id("download", ""), "data-state").await?;
        (now == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_found_fetched_with_a_pause_and_answers() {
    let hub = hub().await;
    let desktop = Desktop::start(Home::empty().with_hub(hub.endpoint())).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("first-run-skip", "")).await;
    page.click(&id("nav-models", "")).await;
    page.click(&id("models-tab", "[data-tab=\"find\"]")).await;
    page.fill(&id("search-text", ""), "lamp\u{E007}").await;
    let found = id("search-result", &format!("[data-repo=\"{REPO}\"]"));
    page.until("it is found", LONG, async || page.has(&found).await.then_some(())).await;
    page.pictures("found").await;
    axe::load(page).await;
    axe::check(page, "models that were found").await;
    page.click(&format!("{found} {}", id("search-open", ""))).await;
    let file = id("quant-file", "[data-file=\"lamp-Q8_0.gguf\"]");
    page.until("its files are listed", LONG, async || page.has(&file).await.then_some(())).await;
    let fit = format!("{file} {}", id("fit", ""));
    page.until("it says whether it fits", LONG, async || page.has(&fit).await.then_some(())).await;
    page.pictures("repository").await;
    axe::check(page, "a repository of models").await;
    // It begins, and then nothing comes any more.
    hub.next(vec![Fault::StallAfter(20_000); 32]);
    page.click(&format!("{file} {}", id("download-start", ""))).await;

    page.click(&id("page-back", "")).await;
    page.click(&id("models-tab", "[data-tab=\"downloads\"]")).await;
    state(page, "running").await;
    page.click(&id("download-pause", "")).await;
    state(page, "paused").await;
    page.pictures("download-paused").await;
    axe::check(page, "a download that pauses").await;
    window.close().await;

    // It is still there after a restart, and goes on where it was.
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("nav-models", "")).await;
    page.click(&id("models-tab", "[data-tab=\"downloads\"]")).await;
    state(page, "paused").await;
    hub.change(|hub| hub.content_faults.clear());
    page.click(&id("download-resume", "")).await;
    page.until("it is in the library", LONG, async || {
        let library = page.invoke("library", json!({})).await.unwrap();
        (library.as_array()?.len() == 1).then_some(())
    })
    .await;
    page.click(&id("models-tab", "[data-tab=\"library\"]")).await;
    page.click(&format!("{} {}", id("model-card", ""), id("model-load", ""))).await;
    page.wait(&id("model-unload", "")).await;
    page.click(&id("new-chat", "")).await;
    page.set_answers(4).await;
    page.send("Name a colour.").await;
    let end = page.wait_for_end().await;
    assert!(["complete", "truncated"].contains(&end.as_str()), "the answer ended {end}");
    window.close().await;
}

#[tokio::test]
async fn two_models_are_held_against_each_other() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    for name in ["llama_untied-Q8_0.gguf", "llama_untied-Q4_0.gguf"] {
        page.invoke(
            "import_model",
            json!({"path": lantern_golden::path(format!("models/{name}")), "copy": false}),
        )
        .await
        .unwrap();
    }
    page.click(&id("nav-models", "")).await;
    page.click(&id("models-tab", "[data-tab=\"compare\"]")).await;
    for (list, model) in [("compare-a", "llama_untied-Q8_0"), ("compare-b", "llama_untied-Q4_0")] {
        page.wait(&id(list, &format!(" option[value=\"{model}\"]"))).await;
        let script = "const list = document.querySelector(arguments[0]);
            list.value = arguments[1];
            list.dispatchEvent(new Event('change', { bubbles: true }))";
        page.value(script, json!([id(list, ""), model])).await;
    }
    page.click(&id("compare-text", "[value=\"given\"]")).await;
    page.fill(&id("compare-given", ""), &"The lamp is lit at night and put out by day. ".repeat(12)).await;
    page.click(&id("compare-start", ":not(:disabled)")).await;
    page.until("they are compared", LONG, async || page.has(&id("compare-result", "")).await.then_some(()))
        .await;
    let shown = page.text(&id("compare-result", "")).await;
    assert!(shown.contains("llama_untied-Q8_0") && shown.contains("llama_untied-Q4_0"), "{shown}");
    page.pictures("compared").await;
    axe::load(page).await;
    axe::check(page, "two models that were compared").await;
    window.close().await;
}
