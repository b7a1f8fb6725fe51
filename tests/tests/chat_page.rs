//! What can be done with answers, in the real window: going on with a cut one, a second one beside the first, the tree of
//! branches, a message that waits, and formulas and diagrams as they are drawn.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_protocol::MessageStatus;
use lantern_store::{Exchange, Finish, Place, Question, Store};
use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::id;
use lantern_tests::programs::STARTER;
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_answer_goes_on_and_another_stands_beside_it() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(12).await;
    page.send("Tell me a long story about the sea.").await;
    page.wait_for_text().await;
    assert_eq!(page.wait_for_end().await, "truncated");
    let cut = page.answer().await;
    let first = page.attribute(&id("message-assistant", ""), "data-message-id").await.unwrap();

    page.click(&id("answer-continue", "")).await;
    page.until("the answer has gone on", SOON, async || {
        let now = page.attribute(&id("message-assistant", ""), "data-message-id").await?;
        (now != first && page.status().await? != "streaming").then_some(())
    })
    .await;
    let longer = page.answer().await;
    assert!(longer.starts_with(cut.trim_end()) && longer.len() > cut.len(), "{cut:?} became {longer:?}");

    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-beside", &format!("[data-model=\"{STARTER}\"]"))).await;
    page.wait(&id("beside", "")).await;
    page.until("the other answer is there", SOON, async || {
        let texts = "return document.querySelectorAll('[data-testid=beside-text]').length";
        (page.value(texts, json!([])).await == json!(2)).then_some(())
    })
    .await;
    page.pictures("beside").await;
    page.click(&id("beside-close", "")).await;
    page.wait(&id("message-assistant", "")).await;

    page.click(&id("tree-open", "")).await;
    page.click(&id("tree-message", &format!("[data-message-id=\"{first}\"]"))).await;
    page.until("the first answer is shown", SOON, async || {
        (page.attribute(&id("message-assistant", ""), "data-message-id").await? == first).then_some(())
    })
    .await;
    window.close().await;
}

#[tokio::test]
async fn a_message_waits_for_the_end_of_the_answer() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    // Long enough that the next question comes before its end, on a busy machine, too.
    page.set_answers(800).await;
    page.send("Tell me a long story about the sea.").await;
    page.wait_for_text().await;
    page.send("And another one").await;
    page.wait(&id("queued", "")).await;
    page.set_answers(4).await;
    page.until("the second message was sent", Duration::from_secs(120), async || {
        (page.text(&id("message-user", "")).await.lines().next() == Some("And another one")).then_some(())
    })
    .await;
    page.wait_gone(&id("queued", "")).await;
    page.wait_for_end().await;
    window.close().await;
}

#[tokio::test]
async fn formulas_and_diagrams_are_drawn() {
    let home = Home::empty();
    std::fs::create_dir_all(home.data()).unwrap();
    let mut store = Store::open(&home.data()).unwrap().store;
    let question = Question::New { place: Place::New { title: "Drawn".into() }, content: "Draw.".into() };
    let asked = store.ask(&Exchange { question, model: None, keep_model: false }).unwrap();
    let answer = "A formula $\\frac{a}{b}$.\n\n```mermaid\ngraph LR\n  Lamp --> Lens\n```\n\nAnd a note[^1].\n\n[^1]: Here.";
    store.append(&asked.assistant_message.id, answer).unwrap();
    let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
    store.finish(&asked.assistant_message.id, &finish).unwrap();
    drop(store);

    let desktop = Desktop::start(home).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("conversation-open", "")).await;
    page.wait(&format!("{} math mfrac", id("markdown", ""))).await;
    let drawn = "const image = document.querySelector('[data-testid=diagram] img');
        return !!image && image.complete && image.naturalWidth > 50";
    page.until("the diagram is drawn", SOON, async || {
        (page.value(drawn, json!([])).await == json!(true)).then_some(())
    })
    .await;
    page.pictures("drawn").await;
    let script = "document.querySelector('[data-to-note]').click(); return document.activeElement?.dataset.note ?? null";
    assert_eq!(page.value(script, json!([])).await, json!("1"), "the note has not the focus");
    window.close().await;
}
