//! An answer's receipt in the real window: asked, read, and had again to the last token.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::eventually;
use lantern_tests::home::Home;
use lantern_tests::page::id;
use serde_json::json;

#[tokio::test]
async fn an_answer_shows_its_receipt_and_comes_again() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    // At temperature 1 with a seed that nobody chose.
    let sampling = json!({
        "temperature": 1.0, "topP": 1.0, "topK": 0, "minP": 0.0, "repeatPenalty": 1.0, "presencePenalty": 0.0,
        "frequencyPenalty": 0.0, "maxTokens": 24, "seed": null,
    });
    page.set(json!({"sampling": sampling})).await;
    page.send("Name some colours.").await;
    page.wait_for_end().await;

    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-receipt", "")).await;
    page.wait(&id("receipt-fact", r#"[data-name="Seed"]"#)).await;
    // The hash of the weights is computed meanwhile.
    let hash = id("receipt-fact", r#"[data-name="SHA-256"]"#);
    eventually("the hash is known", Duration::from_secs(60), async || {
        let text = page.text(&hash).await;
        let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        text.split_whitespace().any(is_hash).then_some(())
    })
    .await;
    page.click(&id("receipt-replay", "")).await;
    page.wait(&id("receipt-verdict", r#"[data-identical="true"]"#)).await;
    page.pictures("receipt").await;
    page.click(&id("receipt-close", "")).await;
    page.wait_gone(&id("receipt", "")).await;
    window.close().await;
}
