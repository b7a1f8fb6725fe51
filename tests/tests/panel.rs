//! The tray, the quick window and notifications, on a desktop that has what they need.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::bus::{Entry, Panel};
use lantern_tests::desktop::{Desktop, Window};
use lantern_tests::eventually;
use lantern_tests::home::{Home, free_port};
use lantern_tests::page::{Page, id};
use lantern_tests::processes::is_alive;
use serde_json::json;

#[tokio::test]
async fn the_tray_tells_and_does() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let panel = Panel::start(desktop.bus()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let entry = entry(&panel, "No model in memory").await;
    assert!(!entry.enabled, "it says something and does nothing");
    assert_eq!(self::entry(&panel, "No downloads").await.ticked, None);

    page.set(json!({"endpoint": {"enabled": true, "port": free_port(), "key": ""}})).await;
    let endpoint = self::entry(&panel, "Endpoint at 127.0.0.1").await;
    assert_eq!(endpoint.ticked, Some(true));
    panel.choose("Endpoint at").await;
    assert_eq!(self::entry(&panel, "Endpoint is off").await.ticked, Some(false));
    let settings = page.invoke("get_settings", json!({})).await.unwrap();
    assert_eq!(settings["endpoint"]["enabled"], false);

    page.click(&id("nav-settings", "")).await;
    panel.choose("New chat").await;
    page.wait(&id("composer", "")).await;
    page.invoke("load_model", json!({"id": lantern_tests::programs::STARTER})).await.unwrap();
    self::entry(&panel, "SmolLM2").await;
    assert!(self::entry(&panel, "Free its memory").await.enabled);
    panel.choose("Free its memory").await;
    self::entry(&panel, "No model in memory").await;

    assert!(desktop.is_visible("Lantern"));
    panel.choose("Show or hide").await;
    until("the window is gone", || !desktop.is_visible("Lantern")).await;
    panel.choose("Show or hide").await;
    until("the window is back", || desktop.is_visible("Lantern")).await;
    panel.choose("Quit").await;
    ends(&window).await;
}

#[tokio::test]
async fn a_quick_question_is_asked_from_anywhere() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(8).await;
    page.set(json!({"desktop": {"quickShortcut": "Ctrl+Shift+Space"}})).await;
    // Nobody outside sees when the keys are taken, when the window's page listens, and when it has the focus: whoever is not
    // answered asks again.
    again("the quick window is there", async || {
        desktop.xdotool(&["key", "ctrl+shift+space"]);
        soon(async || desktop.is_visible("Ask Lantern")).await
    })
    .await;
    again("it was asked", async || {
        desktop.focus_window("Ask Lantern");
        desktop.xdotool(&["key", "ctrl+a"]);
        desktop.xdotool(&["type", "Name a colour."]);
        desktop.xdotool(&["key", "Return"]);
        soon(async || {
            let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
            all.as_array().unwrap().len() == 1
        })
        .await
    })
    .await;
    again("the quick window is gone", async || {
        desktop.focus_window("Ask Lantern");
        desktop.xdotool(&["key", "Escape"]);
        soon(async || !desktop.is_visible("Ask Lantern")).await
    })
    .await;
    window.close().await;
}

/// Begins a download that fails, because nobody listens where this home's Hub is; gives title and text of the notification.
async fn told_of_a_download(panel: &Panel, page: &Page) -> (String, String) {
    let request = json!({"repo": "owner/model", "file": "model-Q4_0.gguf", "revision": null});
    page.invoke("download_model", json!({"request": request})).await.unwrap();
    eventually("the system is told", Duration::from_secs(60), async || panel.told().first().cloned()).await
}

#[tokio::test]
async fn a_download_that_ends_is_told_to_who_looks_elsewhere() {
    let desktop = Desktop::start(Home::empty()).await;
    let panel = Panel::start(desktop.bus()).await;
    let window = desktop.open().await;
    let page = &window.page;
    entry(&panel, "No downloads").await;
    panel.choose("Show or hide").await;
    until("the window is hidden", || !desktop.is_visible("Lantern")).await;
    let told = told_of_a_download(&panel, page).await;
    assert_eq!(told.0, "Download failed");
    assert!(told.1.starts_with("model-Q4_0.gguf: "), "it was told {told:?}");
    panel.click_notification(1).await;
    until("the window is shown", || desktop.is_visible("Lantern")).await;

    page.set(json!({"desktop": {"notify": false}})).await;
    window.close().await;
}

#[tokio::test]
async fn the_language_of_the_settings_is_spoken_outside_of_the_window_too() {
    let desktop = Desktop::start(Home::empty()).await;
    let panel = Panel::start(desktop.bus()).await;
    let window = desktop.open().await;
    let page = &window.page;
    entry(&panel, "No downloads").await;
    page.set(json!({"language": "de", "endpoint": {"enabled": false, "port": free_port(), "key": ""}})).await;
    entry(&panel, "Endpunkt ist aus").await;
    entry(&panel, "Keine Downloads").await;
    let menu = panel.menu().await.expect("there is a tray");
    let labels: Vec<&str> =
        menu.iter().map(|entry| entry.label.as_str()).filter(|one| !one.is_empty()).collect();
    let expected = [
        "Lantern ein- oder ausblenden",
        "Neuer Chat",
        "Schnelle Frage",
        "Endpunkt ist aus",
        "Keine Downloads",
        "Kein Modell im Speicher",
        "Speicher freigeben",
        "Lantern beenden",
    ];
    assert_eq!(labels, expected);

    panel.choose("Lantern ein- oder").await;
    until("the window is hidden", || !desktop.is_visible("Lantern")).await;
    let told = told_of_a_download(&panel, page).await;
    assert_eq!(told.0, "Download fehlgeschlagen");
    assert_eq!(told.1, "model-Q4_0.gguf konnte nicht geladen werden. Lantern zeigt den Grund.");

    // The window says it in German, and below what only the cause knows.
    panel.choose("Keine Downloads").await;
    let card = id("error-card", "[data-code=\"hub_unreachable\"]");
    page.wait(&card).await;
    let said = page.text(&card).await;
    assert!(said.contains("Der Server ist nicht erreichbar."), "it says {said:?}");
    assert!(said.contains("could not be reached after"), "it says {said:?}");
    page.picture("error-german").await;

    page.invoke("quick_show", json!({})).await.unwrap();
    until("the quick window has a German name", || desktop.is_visible("Lantern fragen")).await;
    page.set(json!({"language": "en"})).await;
    until("it has an English name", || desktop.is_visible("Ask Lantern")).await;
    entry(&panel, "No downloads").await;
    window.close().await;
}

/// The entry of the tray whose words begin like this, once there is one.
async fn entry(panel: &Panel, label: &str) -> Entry {
    eventually(&format!("the tray says {label:?}"), Duration::from_secs(20), async || {
        panel.menu().await?.into_iter().find(|entry| entry.label.starts_with(label))
    })
    .await
}

/// Does something until it has worked.
async fn again(what: &str, mut attempt: impl AsyncFnMut() -> bool) {
    eventually(what, Duration::from_secs(90), async || attempt().await.then_some(())).await;
}

/// Whether it becomes so within the time that a busy machine may need.
async fn soon(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..50 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    eventually(what, Duration::from_secs(60), async || is_so().then_some(())).await;
}

async fn ends(window: &Window) {
    eventually("Lantern ends", Duration::from_secs(15), async || (!is_alive(window.id())).then_some(()))
        .await;
}
