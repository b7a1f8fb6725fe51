//! A picture in a conversation of the real window with a model that sees: dropped, shown, seen, kept; and what the model answers
//! depends on what is in the picture.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use lantern_tests::seeing::{TEMPLATE, write_model};
use serde_json::json;

const LONG: Duration = Duration::from_secs(120);

fn picture(name: &str) -> PathBuf {
    lantern_golden::path(format!("vision/{name}"))
}

/// Asks what a picture shows, in a new chat; gives the words of the answer as they are stored.
async fn ask(desktop: &Desktop, page: &Page, name: &str) -> String {
    page.press("\u{E009}n").await;
    page.wait(&id("empty-chat", "")).await;
    desktop.drop_files("Lantern", &[&picture(name)]);
    page.wait(&format!("{} img", id("attachment", "[data-state=\"ready\"]"))).await;
    assert!(!page.has(&id("no-eyes", "")).await, "the model sees");
    page.send("What is this?").await;
    page.until("the picture was seen", LONG, async || {
        page.has(&id("source-seen", "[data-seen=\"picture\"]")).await.then_some(())
    })
    .await;
    let end = page.wait_for_end().await;
    assert!(["complete", "truncated"].contains(&end.as_str()), "the answer ended {end}");
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    let latest = all[0]["conversation"]["id"].clone();
    let view = page.invoke("get_conversation", json!({"id": latest})).await.unwrap();
    view["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_that_sees_answers_by_what_is_in_the_picture() {
    let home = Home::empty();
    let models = home.path().join("models");
    std::fs::create_dir_all(&models).unwrap();
    let model = write_model(&models, TEMPLATE);
    let desktop = Desktop::start(home).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.invoke("import_model", json!({"path": model, "copy": false})).await.unwrap();
    // Hot, so that tokens follow small differences; the seed makes them the same each time.
    let sampling =
        json!({"temperature": 2.0, "topK": 40, "topP": 0.95, "minP": 0.05, "seed": 7, "maxTokens": 12});
    page.set(json!({"sampling": sampling, "writeTitles": false, "defaultModel": "see"})).await;
    page.click(&id("first-run-skip", "")).await;

    let waves = ask(&desktop, page, "waves.png").await;
    page.pictures("picture-seen").await;
    let bands = ask(&desktop, page, "bands.png").await;
    assert_ne!(waves, bands, "the picture makes no difference");
    assert_eq!(ask(&desktop, page, "waves.png").await, waves, "the same picture, and another answer");
    window.close().await;

    // The picture stays with its question, and can be looked at.
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("conversation-open", "")).await;
    page.wait(&format!("{} {} img", id("message-user", ""), id("attachment", "[data-state=\"ready\"]")))
        .await;
    page.wait(&id("source-seen", "[data-seen=\"picture\"]")).await;
    page.click(&format!("{} {}", id("message-user", ""), id("attachment-open", ""))).await;
    page.wait(&format!("{} img", id("preview", ""))).await;
    page.picture("picture-looked-at").await;
    page.click(&id("preview-close", "")).await;
    window.close().await;
}
