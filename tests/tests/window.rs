//! The real window, operated as a person would: asking, reading along, stopping, coming back, branching, setting.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use axum::routing::{get, post};
use lantern_tests::desktop::Desktop;
use lantern_tests::home::{Home, free_port};
use lantern_tests::page::{Page, id};
use lantern_tests::programs::STARTER;
use serde_json::{Value, json};

/// Its answer is long enough to be seen growing.
const QUESTION: &str = "Write a long story about the sea.";

/// What a server elsewhere answers.
const WORDS: &str = r#"{"choices":[{"delta":{"content":"From afar."}}]}"#;
const LAST: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;

#[tokio::test]
async fn an_answer_arrives_token_by_token() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    // Long enough for many frames even where a whole sentence takes but one.
    page.set_answers(150).await;
    page.watch_answer().await;
    page.send(QUESTION).await;
    page.wait_for_text().await;
    let status = page.wait_for_end().await;
    assert!(["complete", "truncated"].contains(&status.as_str()), "the answer ended {status}");
    // The last change may be drawn a moment after the status.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let seen = page.watched().await;
    assert!(seen.len() >= 8, "the text came in {} steps only: {seen:?}", seen.len());
    assert!(seen.windows(2).all(|pair| pair[0].1 < pair[1].1), "text that was shown went away: {seen:?}");
    let longest = seen.windows(2).map(|pair| pair[1].1 - pair[0].1).max().unwrap_or_default();
    let whole = seen.last().expect("there are eight").1;
    assert!(longest < whole / 2, "half of the answer came at once: {seen:?}");
    window.close().await;
}

#[tokio::test]
async fn a_conversation_is_there_after_a_restart() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(80).await;
    page.send(QUESTION).await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = page.answer().await;
    assert!(page.text(&id("message-stats", "")).await.contains("tok"), "no figures below the answer");
    page.pictures("chat").await;
    window.close().await;

    let window = desktop.open().await;
    let page = &window.page;
    let row = id("conversation-open", "");
    page.wait(&row).await;
    // Its first line, or what the model made of it.
    assert!(!page.text(&row).await.trim().is_empty(), "the conversation has no title");
    page.click(&row).await;
    page.wait(&id("message-assistant", "")).await;
    assert_eq!(page.answer().await, answer);
    assert_eq!(page.text(&id("message-user", "")).await.lines().next(), Some(QUESTION));

    page.fill(&id("search", ""), "sea").await;
    page.wait(&id("conversation-snippet", "")).await;
    page.fill(&id("search", ""), "xylophone").await;
    page.wait_gone(&row).await;
    window.close().await;
}

#[tokio::test]
async fn a_stopped_answer_keeps_its_text() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(4000).await;
    page.send("Write a very long story about a lighthouse.").await;
    page.wait_for_text().await;
    let begun = page.answer().await;
    let start = Instant::now();
    page.click(&id("stop", "")).await;
    assert_eq!(page.wait_for_end().await, "stopped");
    assert!(start.elapsed() < Duration::from_secs(3), "stopping took {:?}", start.elapsed());
    let kept = page.answer().await;
    assert!(kept.starts_with(begun.trim_end()), "before: {begun}\nafter: {kept}");

    // The engine is free again at once.
    page.set_answers(8).await;
    page.click(&id("new-chat", "")).await;
    page.wait(&id("empty-chat", "")).await;
    page.send("Hello").await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    window.close().await;
}

#[tokio::test]
async fn asking_again_and_editing_make_branches() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(12).await;
    page.send("Name a colour.").await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    let first = page.attribute(&id("message-assistant", ""), "data-message-id").await.unwrap();

    page.click(&id("message-regenerate", "")).await;
    let second = changed(page, &id("message-assistant", ""), &first).await;
    page.wait_for_end().await;
    assert_eq!(branch(page).await, "2/2");
    page.click(&id("branch-previous", "")).await;
    assert_eq!(changed(page, &id("message-assistant", ""), &second).await, first);
    assert_eq!(branch(page).await, "1/2");

    let question = page.attribute(&id("message-user", ""), "data-message-id").await.unwrap();
    page.click(&id("message-edit", "")).await;
    page.fill(&id("message-edit-input", ""), "Name a fruit.").await;
    page.click(&id("message-edit-save", "")).await;
    changed(page, &id("message-user", ""), &question).await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    assert_eq!(page.text(&id("message-user", "")).await.lines().next(), Some("Name a fruit."));
    assert_eq!(branch(page).await, "2/2");
    page.picture("branches").await;
    page.click(&id("branch-previous", "")).await;
    page.until("the first question is shown again", Duration::from_secs(10), async || {
        let shown = page.text(&id("message-user", "")).await;
        (shown.lines().next() == Some("Name a colour.")).then_some(())
    })
    .await;
    window.close().await;
}

#[tokio::test]
async fn a_conversation_is_renamed_and_deleted() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(8).await;
    page.send("Name a colour.").await;
    page.wait_for_text().await;
    page.wait_for_end().await;

    page.hover(&id("conversation-row", "")).await;
    page.click(&id("conversation-more", "")).await;
    page.click(&id("conversation-rename", "")).await;
    page.fill(&id("conversation-rename-input", ""), "Colours\u{E007}").await;
    page.until("the new title is in the sidebar", Duration::from_secs(10), async || {
        page.text(&id("conversation-open", "")).await.contains("Colours").then_some(())
    })
    .await;

    page.hover(&id("conversation-row", "")).await;
    page.click(&id("conversation-more", "")).await;
    page.click(&id("conversation-delete", "")).await;
    page.click(&id("confirm-cancel", "")).await;
    assert!(page.has(&id("conversation-open", "")).await, "it was deleted although that was refused");
    page.hover(&id("conversation-row", "")).await;
    page.click(&id("conversation-more", "")).await;
    page.click(&id("conversation-delete", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("conversation-open", "")).await;
    page.wait(&id("empty-chat", "")).await;
    let listed = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    assert_eq!(listed, json!([]));
    window.close().await;
}

#[tokio::test]
async fn settings_take_effect_and_stay() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let port = free_port();
    page.set(json!({"endpoint": {"enabled": false, "port": port, "key": ""}})).await;
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("settings-view", "")).await;
    assert!(!answers(port, "").await, "the endpoint listens although it is off");

    page.click(&format!(
        "{} {}",
        id("setting", "[data-setting=\"endpoint.enabled\"]"),
        id("setting-control", "")
    ))
    .await;
    page.wait(&id("endpoint-status", "[data-state=\"on\"]")).await;
    let settings = page.invoke("get_settings", json!({})).await.unwrap();
    let key = settings["endpoint"]["key"].as_str().unwrap();
    assert!(key.len() >= 16, "the key is {key:?}");
    assert!(answers(port, key).await, "the endpoint does not answer");
    assert!(!answers(port, "wrong").await, "the endpoint answers to a wrong key");
    page.pictures("settings").await;

    page.set(json!({"theme": "dark"})).await;
    let dark = brightness(page).await;
    page.set(json!({"theme": "light"})).await;
    page.until("the light theme is lighter", Duration::from_secs(5), async || {
        (brightness(page).await > dark + 0.3).then_some(())
    })
    .await;

    page.click(&format!(
        "{} {}",
        id("setting", "[data-setting=\"endpoint.enabled\"]"),
        id("setting-control", "")
    ))
    .await;
    page.wait(&id("endpoint-status", "[data-state=\"off\"]")).await;
    assert!(!answers(port, key).await, "the endpoint listens although it was switched off");
    page.set(json!({"theme": "dark", "systemPrompt": "Be brief."})).await;
    window.close().await;

    let window = desktop.open().await;
    let settings = window.page.invoke("get_settings", json!({})).await.unwrap();
    assert_eq!(settings["theme"], "dark");
    assert_eq!(settings["systemPrompt"], "Be brief.");
    assert_eq!(settings["endpoint"]["enabled"], false);
    let shown = brightness(&window.page).await;
    assert!((shown - dark).abs() < 0.05, "the window opened with brightness {shown}, not {dark}");
    window.close().await;
}

#[tokio::test]
async fn without_a_model_it_welcomes_and_offers_one() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.wait(&id("first-run", "[data-step=\"1\"]")).await;
    page.pictures("first-steps").await;
    page.click(&id("first-run-skip", "")).await;
    page.wait(&id("welcome", "")).await;
    page.pictures("welcome").await;
    page.click(&id("nav-models", "")).await;
    page.wait(&id("models-view", "")).await;
    page.wait(&id("catalogue-card", "")).await;
    page.pictures("models").await;

    let unknown = page.invoke("load_model", json!({"id": "no-such-model"})).await.unwrap_err();
    for field in ["code", "message", "nextStep"] {
        assert!(
            unknown[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field} is missing: {unknown}"
        );
    }
    window.close().await;
}

#[tokio::test]
async fn a_model_is_imported_loaded_and_removed() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let file = lantern_tests::programs::starter_model();
    let imported = page.invoke("import_model", json!({"path": file, "copy": false})).await;
    assert_eq!(imported.unwrap()["id"], STARTER);
    page.click(&id("nav-models", "")).await;
    let card = id("model-card", &format!("[data-model=\"{STARTER}\"]"));
    page.wait(&card).await;
    page.click(&format!("{card} {}", id("model-load", ""))).await;
    page.wait(&format!("{card} {}", id("model-unload", ""))).await;
    assert_eq!(page.invoke("model_state", json!({})).await.unwrap()["state"], "loaded");
    page.picture("models-loaded").await;

    page.click(&format!("{card} {}", id("model-unload", ""))).await;
    page.wait(&format!("{card} {}", id("model-load", ""))).await;
    page.click(&format!("{card} {}", id("model-delete", ""))).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&card).await;
    assert!(file.exists(), "a file that is used where it lies was deleted");
    window.close().await;
}

#[tokio::test]
async fn the_pages_about_models_show_what_is_here() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let file = lantern_tests::programs::starter_model();
    page.invoke("import_model", json!({"path": file, "copy": false})).await.unwrap();
    page.click(&id("nav-models", "")).await;
    page.click(&id("model-show", "")).await;
    page.fill(&id("model-note", ""), "Small and quick.").await;
    page.click(&id("model-verify", "")).await;
    page.until("the check says what it found", Duration::from_secs(60), async || {
        page.text(&id("model-view", "")).await.contains("from now on it is known").then_some(())
    })
    .await;
    let details = page.invoke("model_details", json!({"id": STARTER})).await.unwrap();
    assert_eq!(details["notes"]["note"], "Small and quick.");
    assert!(page.text(&id("model-view", "")).await.contains("llama"));
    page.pictures("model-page").await;

    page.click(&id("models-tab", "[data-tab=\"find\"]")).await;
    page.wait(&id("fit", "")).await;
    page.fill(&id("search-text", ""), "qwen").await;
    page.click(&id("search-submit", "")).await;
    // Nobody listens where this home's Hub is.
    page.wait(&id("error-card", "")).await;
    page.pictures("find").await;
    page.click(&id("models-tab", "[data-tab=\"downloads\"]")).await;
    page.wait(&id("downloads-view", "")).await;
    page.click(&id("models-tab", "[data-tab=\"compare\"]")).await;
    page.wait(&id("compare-view", "")).await;
    page.click(&id("models-tab", "[data-tab=\"disk\"]")).await;
    page.wait(&id("disk-model", "")).await;
    page.pictures("disk").await;
    page.click(&id("disk-delete", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("disk-model", "")).await;
    page.click(&id("undo-restore", "")).await;
    page.wait(&id("disk-model", "")).await;
    window.close().await;
}

#[tokio::test]
async fn a_server_elsewhere_is_added_asked_by_name_and_removed() {
    let server = axum::Router::new()
        .route(
            "/v1/models",
            get(async || axum::Json(json!({"data": [{"id": "org/big", "max_model_len": 4096}]}))),
        )
        .route(
            "/v1/chat/completions",
            post(async || format!("data: {WORDS}\n\ndata: {LAST}\n\ndata: [DONE]\n\n")),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, server).await });

    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("nav-settings", "")).await;
    page.fill(&id("remote-name", ""), "box").await;
    page.fill(&id("remote-url", ""), "http://example.org/v1").await;
    page.fill(&id("remote-key", ""), "sk-secret").await;
    page.click(&id("remote-add", "")).await;
    page.wait(&id("remote-url", "[aria-invalid=\"true\"]")).await;
    page.fill(&id("remote-url", ""), &url).await;
    page.click(&id("remote-add", "")).await;
    page.wait(&id("remote-server", "[data-server=\"box\"][data-state=\"reachable\"]")).await;
    page.pictures("remotes").await;

    page.click(&id("new-chat", "")).await;
    assert_eq!(page.attribute(&id("model-picker", ""), "data-model").await.as_deref(), Some(STARTER));
    page.click(&id("model-picker", "")).await;
    page.click(&id("model-option", "[data-model=\"box/org/big\"]")).await;
    page.send("Who are you?").await;
    assert_eq!(page.wait_for_end().await, "complete");
    assert_eq!(page.answer().await.trim(), "From afar.");
    assert_eq!(page.text(&id("message-origin", "")).await.trim(), "org/big on box");

    page.click(&id("nav-settings", "")).await;
    page.click(&id("remote-remove", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("remote-server", "")).await;
    window.close().await;
}

/// The id of the last element of a kind once it is not this one any more.
async fn changed(page: &Page, selector: &str, before: &str) -> String {
    page.until(&format!("another {selector} is shown"), Duration::from_secs(20), async || {
        page.attribute(selector, "data-message-id").await.filter(|now| now != before)
    })
    .await
}

/// `2/2`, however it is spaced.
async fn branch(page: &Page) -> String {
    page.wait(&id("branch-position", "")).await;
    let shown = page.text(&id("branch-position", "")).await;
    shown.chars().filter(|letter| letter.is_ascii_digit() || *letter == '/').collect()
}

/// Whether the endpoint lists models for this key.
async fn answers(port: u16, key: &str) -> bool {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let reply = client.get(format!("http://127.0.0.1:{port}/v1/models")).bearer_auth(key).send().await;
    let Ok(reply) = reply else { return false };
    reply.status().is_success() && reply.json::<Value>().await.is_ok_and(|body| body["data"].is_array())
}

/// How bright the page's background is, from 0 to 1.
async fn brightness(page: &Page) -> f64 {
    let script = "const canvas = document.createElement('canvas').getContext('2d');
        canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
        return (r + g + b) / 765";
    // Colours fade into each other when the theme changes.
    tokio::time::sleep(Duration::from_millis(500)).await;
    page.value(script, json!([])).await.as_f64().expect("a number")
}
