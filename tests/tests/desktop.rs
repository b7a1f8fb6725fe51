//! The window among other programs: keys, links, windows of their own, what the system is told.
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use lantern_tests::processes::Running;
use serde_json::{Value, json};

const CTRL: &str = "\u{E009}";
const ESCAPE: &str = "\u{E00C}";
const RETURN: &str = "\u{E007}";
const TAB: &str = "\u{E004}";

#[tokio::test]
async fn everything_is_found_by_keys() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.wait(&id("composer", "")).await;
    page.press(&format!("{CTRL}k")).await;
    page.wait(&id("palette-option", "")).await;
    type_text(page, "disk use").await;
    page.press(RETURN).await;
    page.wait(&id("disk-view", "")).await;
    page.wait_gone(&id("palette", "")).await;

    page.press(&format!("{CTRL}/")).await;
    page.wait(&id("shortcut", "[data-action=\"new-chat\"]")).await;
    page.picture("shortcuts").await;
    page.press(ESCAPE).await;
    page.wait_gone(&id("shortcut-sheet", "")).await;

    page.press(&format!("{CTRL}k")).await;
    type_text(page, "temperature").await;
    page.press(RETURN).await;
    page.wait(&id("setting", "[data-setting=\"sampling.temperature\"]")).await;
    let focused = "return document.activeElement.closest('[data-setting]')?.dataset.setting ?? null";
    page.until("the setting has the focus", Duration::from_secs(5), async || {
        (page.value(focused, json!([])).await == "sampling.temperature").then_some(())
    })
    .await;
    window.close().await;
}

#[tokio::test]
async fn the_size_is_changed_by_keys_and_kept() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let width = page.value("return innerWidth", json!([])).await.as_f64().unwrap();
    for percent in [110.0, 125.0, 150.0] {
        page.press(&format!("{CTRL}=")).await;
        wait_for_width(page, width * 100.0 / percent).await;
    }
    assert_eq!(desktop_settings(page).await["zoom"], 150);
    window.close().await;

    let window = desktop.open().await;
    let page = &window.page;
    wait_for_width(page, width / 1.5).await;
    page.press(&format!("{CTRL}0")).await;
    wait_for_width(page, width).await;
    page.set(json!({"desktop": {"density": "compact", "reduceMotion": true}})).await;
    page.wait("html[data-density=\"compact\"][data-motion=\"reduced\"]").await;
    let refused = page.invoke("update_settings", json!({"patch": {"desktop": {"zoom": 1000}}})).await;
    assert_eq!(refused.unwrap_err()["code"], "invalid_settings");
    window.close().await;
}

#[tokio::test]
async fn links_propose_and_do_nothing() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    follow(&desktop, "lantern://chat?text=Who%20are+you%3F").await;
    page.until("the question is in the field", Duration::from_secs(10), async || {
        let script = "return document.querySelector(arguments[0]).value";
        (page.value(script, json!([id("composer", "")])).await == "Who are you?").then_some(())
    })
    .await;
    follow(&desktop, "lantern://model/Qwen/Qwen3-4B-GGUF?file=Qwen3-4B-Q4_K_M.gguf").await;
    page.wait(&id("fetch-repo", "")).await;
    for (field, text) in [("search-text", "Qwen/Qwen3-4B-GGUF"), ("fetch-file", "Qwen3-4B-Q4_K_M.gguf")] {
        let script = "return document.querySelector(arguments[0]).value";
        assert_eq!(page.value(script, json!([id(field, "")])).await, text, "{field}");
    }
    follow(&desktop, "lantern://settings?endpoint=on").await;
    page.wait(&id("notice", "")).await;
    assert!(page.text(&id("notice", "")).await.contains("lantern://settings?endpoint=on"));

    let told = async |command: &str, arguments: Value| page.invoke(command, arguments).await.unwrap();
    assert_eq!(told("list_conversations", json!({"query": null})).await, json!([]), "something was sent");
    assert_eq!(told("downloads", json!({})).await, json!([]), "something is fetched");
    window.close().await;
}

#[tokio::test]
async fn what_the_system_refuses_is_told_and_not_stored() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let change =
        async |patch: Value| page.invoke("update_settings", json!({"patch": {"desktop": patch}})).await;
    let refused = change(json!({"quickShortcut": "Shift+A"})).await.unwrap_err();
    assert_eq!(refused["code"], "shortcut_not_understood");
    assert_eq!(desktop_settings(page).await["quickShortcut"], "");
    change(json!({"quickShortcut": "Ctrl+Shift+Space"})).await.unwrap();

    assert_eq!(desktop_settings(page).await["quickShortcut"], "Ctrl+Shift+Space");
    change(json!({"quickShortcut": ""})).await.unwrap();
    let entry = desktop.home.path().join(".config/autostart/Lantern.desktop");
    change(json!({"autostart": true})).await.unwrap();
    let text = std::fs::read_to_string(&entry).expect("the system knows of it");
    assert!(text.contains("lantern-desktop") && text.contains("--in-tray"), "{text}");
    change(json!({"autostart": false})).await.unwrap();
    assert!(!entry.exists(), "the system still starts it");

    let status = page.invoke("desktop_status", json!({})).await.unwrap();
    assert_eq!(status["noTray"]["code"], "no_tray", "nothing shows a tray here");
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("desktop-status", "")).await;
    page.picture("settings-desktop").await;
    window.close().await;
}

#[tokio::test]
async fn the_first_steps_are_gone_by_keyboard_and_never_again() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.wait(&id("first-run", "[data-step=\"1\"]")).await;
    for step in ["2", "3"] {
        focus(page, "first-run-next").await;
        page.press(RETURN).await;
        page.wait(&id("first-run", &format!("[data-step=\"{step}\"]"))).await;
    }
    page.picture("first-steps-chat").await;
    focus(page, "first-run-next").await;
    page.press(RETURN).await;
    page.wait(&id("empty-chat", "")).await;
    window.close().await;

    let window = desktop.open().await;
    window.page.wait(&id("empty-chat", "")).await;
    assert!(!window.page.has(&id("first-run", "")).await, "the first steps are shown again");
    window.close().await;
}

/// Tabs on until the element has the focus, as a person without a mouse does.
async fn focus(page: &Page, name: &str) {
    for _ in 0..60 {
        let script = "return document.activeElement?.dataset.testid ?? null";
        if page.value(script, json!([])).await == name {
            return;
        }
        page.press(TAB).await;
    }
    panic!("{name} is not reached by the Tab key");
}

/// Types wherever the focus is.
async fn type_text(page: &Page, text: &str) {
    for letter in text.chars() {
        page.press(&letter.to_string()).await;
    }
}

/// A link is followed: the system starts Lantern once more with it.
async fn follow(desktop: &Desktop, link: &str) {
    let mut second = Running::start(desktop.program().arg(link).stderr(Stdio::null()));
    let status = second.wait(Duration::from_secs(20));
    assert!(status.success(), "the second start ended with {status}");
}

async fn desktop_settings(page: &Page) -> Value {
    page.invoke("get_settings", json!({})).await.unwrap()["desktop"].clone()
}

async fn wait_for_width(page: &Page, width: f64) {
    page.until(&format!("the page is {width} wide"), Duration::from_secs(10), async || {
        let now = page.value("return innerWidth", json!([])).await.as_f64().unwrap();
        ((now - width).abs() < 8.0).then_some(())
    })
    .await;
}
