//! Assistants and prompts in the real window: made, chosen, shown, kept by conversations, and the list behind a slash.
#![cfg(target_os = "linux")]

use lantern_tests::axe;
use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

/// Keys as WebDriver names them.
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";
const DOWN: &str = "\u{E015}";
const SHIFT_ENTER: &str = "\u{E008}\u{E007}";

async fn conversation(page: &Page) -> String {
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    all[0]["conversation"]["id"].as_str().expect("a conversation").to_owned()
}

async fn assistant_of(page: &Page, conversation: &str) -> Value {
    page.invoke("conversation_assistant", json!({"conversationId": conversation})).await.unwrap()
}

async fn make(page: &Page, name: &str, prompt: &str) {
    page.click(&id("nav-assistants", "")).await;
    page.click(&id("assistant-new", "")).await;
    page.fill(&id("assistant-name", ""), name).await;
    page.fill(&id("assistant-description", ""), "Speaks as one.").await;
    page.click(&id("assistant-own-prompt", "")).await;
    page.fill(&id("assistant-prompt", ""), prompt).await;
    page.fill(&id("assistant-starters", ""), "Where do you sleep?").await;
    page.click(&id("assistant-save", "")).await;
    page.wait(&id("assistant-card", &format!("[data-assistant=\"{name}\"]"))).await;
}

#[tokio::test]
async fn an_assistant_is_made_answers_and_is_kept_by_its_conversation() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;
    page.set_answers(8).await;
    page.click(&id("first-run-skip", "")).await;
    assert!(!page.has(&id("assistant-picker", "")).await, "nothing is offered where there is none");
    make(page, "Fox", "You are a fox. Speak of the wood.").await;
    page.pictures("assistants").await;
    axe::check(page, "the assistants").await;

    page.click(&id("assistant-chat", "")).await;
    page.wait(&id("assistant-chip", "[aria-pressed=\"true\"]")).await;
    page.pictures("assistant-empty-chat").await;
    axe::check(page, "a chat with an assistant").await;
    page.click(".idea").await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    page.wait(&id("message-assistant-name", "[data-version=\"1\"]")).await;
    assert!(page.text(&id("message-user", "")).await.contains("Where do you sleep?"));
    let chat = conversation(page).await;
    let of = assistant_of(page, &chat).await;
    assert_eq!((&of["isHere"], &of["assistant"]["setup"]["name"]), (&json!(true), &json!("Fox")));
    assert_eq!(of["answers"].as_array().unwrap().len(), 1);

    page.click(&id("nav-assistants", "")).await;
    page.click(&id("assistant-edit", "")).await;
    page.fill(&id("assistant-prompt", ""), "You are a very tired fox.").await;
    page.click(&id("assistant-save", "")).await;
    page.wait(&id("assistant-new", "")).await;
    page.click(&id("conversation-open", "")).await;
    page.send("And by day?").await;
    page.wait(&id("message-assistant-name", "[data-version=\"2\"]")).await;
    page.wait_for_end().await;

    page.click(&id("nav-assistants", "")).await;
    page.click(&id("assistant-delete", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("assistant-card", "")).await;
    page.click(&id("conversation-open", "")).await;
    page.wait(&id("assistant-picker", "[data-here=\"false\"]")).await;
    page.pictures("assistant-gone").await;
    page.send("Still there?").await;
    page.until("the third answer says its assistant", std::time::Duration::from_secs(60), async || {
        let of = assistant_of(page, &chat).await;
        (of["answers"].as_array()?.len() == 3 && of["answers"][2]["version"] == 2).then_some(())
    })
    .await;
    page.wait_for_end().await;
    page.click(&id("assistant-picker", "")).await;
    page.wait(&id("assistant-picker-menu", "")).await;
    axe::check(page, "the choice of an assistant").await;
    page.click(&id("assistant-pick", "[data-assistant=\"\"]")).await;
    page.wait_gone(&id("assistant-picker", "")).await;
    assert_eq!(assistant_of(page, &chat).await, Value::Null, "the conversation goes on without");
    window.close().await;
}

#[tokio::test]
async fn a_slash_offers_prompts_and_asks_for_what_they_leave_open() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;
    page.set_answers(4).await;
    page.click(&id("first-run-skip", "")).await;
    page.click(&id("nav-assistants", "")).await;
    page.click(&id("assistants-tab", "[data-tab=\"prompts\"]")).await;
    for (name, text) in [("Name it", "Name a colour."), ("Translate", "Say {{text}} in {{language|German}}.")]
    {
        page.click(&id("prompt-new", "")).await;
        page.fill(&id("prompt-name", ""), name).await;
        page.fill(&id("prompt-text", ""), text).await;
        page.click(&id("prompt-save", "")).await;
        page.wait(&id("prompt-card", &format!("[data-prompt=\"{name}\"]"))).await;
    }
    page.pictures("prompts").await;

    page.press("\u{E009}n").await;
    let composer = id("composer", "");
    page.fill(&composer, "/").await;
    page.wait(&id("prompt-option", "[data-prompt=\"Name it\"][aria-selected=\"true\"]")).await;
    page.pictures("prompt-list").await;
    axe::check(page, "the list of prompts").await;
    page.press(DOWN).await;
    page.wait(&id("prompt-option", "[data-prompt=\"Translate\"][aria-selected=\"true\"]")).await;
    page.press(ESCAPE).await;
    page.wait_gone(&id("prompt-list", "")).await;
    page.fill(&composer, "First.").await;
    page.press(SHIFT_ENTER).await;
    page.press("/").await;
    page.press("t").await;
    page.press("r").await;
    page.wait(&id("prompt-option", "[data-prompt=\"Translate\"]")).await;
    page.press(ENTER).await;
    page.wait(&id("prompt-fill", "")).await;
    page.pictures("prompt-fill").await;
    axe::check(page, "what a prompt leaves open").await;
    page.fill(&id("prompt-field", "[data-variable=\"text\"]"), &format!("{{{{date}}}}{ENTER}{ENTER}")).await;
    page.wait_gone(&id("prompt-fill", "")).await;
    let value = page.value("return document.querySelector(arguments[0]).value", json!([composer])).await;
    assert_eq!(value, "First.\nSay {{date}} in German.", "what was filled in is text");
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    assert_eq!(all, json!([]), "nothing was sent by itself");
    window.close().await;
}
