//! Everything can be done without a mouse: a new chat, sending, stopping, branches, search, getting a model, changing a setting.
//! Nothing here clicks, and nothing is reached but by keys; where Tab leads, the focus must be seen.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_test_hub::{Repo, TestHub};
use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const CTRL: char = '\u{E009}';
const SHIFT: char = '\u{E008}';
const ALT: char = '\u{E00A}';
const ENTER: &str = "\u{E007}";
const LEFT: char = '\u{E012}';
const RIGHT: char = '\u{E014}';

const REPO: &str = "owner/model-GGUF";
const FILE: &str = "model-Q8_0.gguf";

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_day_without_a_mouse() {
    let hub = hub().await;
    let desktop = Desktop::start(Home::with_starter().with_hub(hub.endpoint())).await;
    let window = desktop.open().await;
    let page = &window.page;

    ask_stop_and_branch(page).await;
    search(page).await;
    pull(page, &hub).await;
    change_a_setting(page).await;
    window.close().await;
}

async fn hub() -> TestHub {
    let hub = TestHub::start().await.expect("a free port");
    let file = lantern_golden::path("models/llama_untied-Q8_0.gguf");
    hub.add(Repo::new(REPO).with(FILE, std::fs::read(file).expect("a golden model")));
    hub
}

async fn ask_stop_and_branch(page: &Page) {
    page.set_answers(6).await;
    page.press(&format!("{CTRL}n")).await;
    has_focus(page, "composer").await;
    page.write("Name a colour of lighthouses.").await;
    page.write(ENTER).await;
    page.wait_for_text().await;
    page.wait_for_end().await;

    page.set_answers(4000).await;
    page.press(&format!("{CTRL}{SHIFT}r")).await;
    page.until("a second answer begins", SOON, async || {
        (page.status().await? == "streaming" && !page.answer().await.is_empty()).then_some(())
    })
    .await;
    page.press(&format!("{CTRL}.")).await;
    assert_eq!(page.wait_for_end().await, "stopped");
    place(page, "2").await;
    page.press(&format!("{ALT}{LEFT}")).await;
    place(page, "1").await;
    page.press(&format!("{ALT}{RIGHT}")).await;
    place(page, "2").await;
}

/// Waits until the shown answer is this one of two.
async fn place(page: &Page, number: &str) {
    page.until(&format!("answer {number} is shown"), SOON, async || {
        page.text(&id("branch-position", "")).await.starts_with(number).then_some(())
    })
    .await;
}

async fn search(page: &Page) {
    page.press(&format!("{CTRL}n")).await;
    page.wait(&id("empty-chat", "")).await;
    page.press(&format!("{CTRL}{SHIFT}f")).await;
    has_focus(page, "search").await;
    page.write("lighthouses").await;
    page.wait(&id("conversation-open", "[data-message-id]")).await;
    page.tab_to(&id("conversation-open", "")).await;
    page.write(ENTER).await;
    page.wait(&id("message-user", "")).await;
}

async fn pull(page: &Page, hub: &TestHub) {
    page.press(&format!("{CTRL}3")).await;
    page.wait(&id("fetch-repo", "")).await;
    page.tab_to(&id("fetch-repo", "")).await;
    page.write(REPO).await;
    page.tab_to(&id("fetch-file", "")).await;
    page.write(FILE).await;
    page.write(ENTER).await;
    page.until("the model is in the library", SOON, async || {
        let library = page.invoke("library", json!({})).await.unwrap();
        let models = library.as_array()?.len();
        (models == 2).then_some(())
    })
    .await;
    assert!(hub.sent() > 0, "the file came from the Hub");
}

async fn change_a_setting(page: &Page) {
    page.press(&format!("{CTRL},")).await;
    let switch = "[data-setting=\"desktop.notify\"] [data-testid=\"setting-control\"]";
    page.wait(switch).await;
    let before = notify(page).await;
    page.tab_to(switch).await;
    page.write(" ").await;
    page.until("the setting has changed", SOON, async || (notify(page).await != before).then_some(())).await;
}

async fn notify(page: &Page) -> Value {
    page.invoke("get_settings", json!({})).await.unwrap()["desktop"]["notify"].take()
}

async fn has_focus(page: &Page, name: &str) {
    page.until(&format!("{name} has the focus"), SOON, async || {
        let focused = page.value("return document.activeElement?.dataset.testid ?? null", json!([])).await;
        (focused == json!(name)).then_some(())
    })
    .await;
}
