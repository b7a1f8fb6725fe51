//! Other programs' way in, as the settings show it: a key for each, shown once; what was asked with it; no way in without.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::home::{Home, free_port};
use lantern_tests::page::id;
use serde_json::json;

#[tokio::test]
async fn a_program_gets_a_key_is_seen_asking_and_is_shut_out() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let port = free_port();
    page.set(json!({"endpoint": {"enabled": true, "port": port, "key": ""}})).await;
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("endpoint-status", "[data-state=\"on\"]")).await;
    page.fill(&id("program-name", ""), "editor").await;
    page.click(&id("program-make", "")).await;
    page.wait(&id("secret-dialog", "")).await;
    let script = "return document.querySelector(arguments[0]).value";
    let key = page.value(script, json!([id("secret", "")])).await;
    let key = key.as_str().expect("a key").to_owned();
    assert!(key.len() >= 32, "{key:?} could be guessed");
    page.pictures("program-key").await;
    page.click(&id("secret-close", "")).await;
    page.wait(&id("program", "")).await;
    let page_text = page.value("return document.body.innerHTML", json!([])).await;
    assert!(!page_text.as_str().unwrap().contains(&key), "the key is shown once and no more");

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{port}/v1/models");
    let ask = async |key: &str| client.get(&url).bearer_auth(key).send().await.unwrap().status().as_u16();
    assert_eq!((ask(&key).await, ask("wrong").await), (200, 401));
    page.until("it is seen asking", Duration::from_secs(60), async || {
        let log = page.text(&id("request-log", "")).await;
        (log.contains("editor") && log.contains("/v1/models") && log.contains("401")).then_some(())
    })
    .await;
    page.pictures("programs").await;

    page.click(&id("program-revoke", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("program", "")).await;
    assert_eq!(ask(&key).await, 401);
    window.close().await;
}
