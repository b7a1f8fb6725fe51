//! A conversation that outgrows its context, in the real window with a real model: refused, summarised there and then, the
//! summary edited and removed, each message marked; and a chat that leaves no trace, which is offered no files.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

/// How long a summary and an answer may take, on two busy cores.
const LONG: Duration = Duration::from_secs(180);
const MINE: &str = "Ada keeps the lighthouse of Cordouan; its lamp is called Heliotrope.";

/// A question of about a third of the context.
fn long_question(number: u32) -> String {
    format!("Question {number}. {}", "A lighthouse has a lamp, a lens, a tower and a keeper. ".repeat(9))
}

/// Waits until the last answer has ended in one of these ways; gives how.
async fn ends(page: &Page, statuses: &[&str]) -> String {
    page.until(&format!("the answer ends as one of {statuses:?}"), LONG, async || {
        page.status().await.filter(|status| statuses.contains(&status.as_str()))
    })
    .await
}

/// Asks until an answer fails for want of room.
async fn outgrow(page: &Page) {
    for number in 1..8 {
        page.send(&long_question(number)).await;
        page.until("the question is there", LONG, async || {
            let asked = page.text(&id("message-user", "")).await;
            asked.starts_with(&format!("Question {number}.")).then_some(())
        })
        .await;
        if ends(page, &["complete", "truncated", "failed"]).await == "failed" {
            return;
        }
    }
    panic!("seven long questions fit into a small context");
}

async fn conversation(page: &Page) -> String {
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    all[0]["conversation"]["id"].as_str().expect("an id").to_owned()
}

async fn context(page: &Page) -> Value {
    let id = conversation(page).await;
    page.invoke("conversation_context", json!({"id": id, "model": null})).await.unwrap()
}

/// Chooses an entry of a list.
async fn select(page: &Page, selector: &str, value: &str) {
    page.wait(selector).await;
    let script = "const list = document.querySelector(arguments[0]);
        list.value = arguments[1];
        list.dispatchEvent(new Event('change', { bubbles: true }))";
    page.value(script, json!([selector, value])).await;
}

/// How often each mark is on the messages that are drawn, and whether each is named for those who do not see it.
async fn marks(page: &Page, mark: &str) -> u64 {
    let script = "const marked = [...document.querySelectorAll(`[data-unseen='${arguments[0]}']`)];
        const named = (item) => item.getAttribute('role') === 'group'
          && document.getElementById(item.getAttribute('aria-labelledby'))?.textContent.trim();
        return marked.every(named) ? marked.length : -1";
    page.value(script, json!([mark])).await.as_u64().expect("every mark has a name")
}

#[tokio::test]
async fn what_no_longer_fits_is_the_users_choice_and_summaries_are_theirs_to_edit() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set(json!({"contextLength": 512, "overflow": "error"})).await;
    page.set_answers(8).await;
    outgrow(page).await;

    // The gauge's panel says that the next question is refused, too, and whose choice that is.
    page.click(&format!("{} summary", id("context-length", ""))).await;
    page.wait(&id("context-refused", "")).await;
    assert_eq!(context(page).await["overflow"], Value::Null);
    page.picture("overflow-refused").await;
    page.press("\u{E00C}").await;
    page.wait_gone(&id("context-overflow", "")).await;

    // There and then.
    page.click(&id("overflow-summarise", "")).await;
    ends(page, &["complete", "truncated"]).await;
    page.wait(&id("message-summarised", "")).await;
    assert_eq!(context(page).await["overflow"], "summarise");
    let settings = page.invoke("get_settings", json!({})).await.unwrap();
    assert_eq!(settings["overflow"], "error", "other conversations stop as before");
    page.scroll_to(&id("message-list", ""), &id("summary", "")).await;
    assert!(marks(page, "summarised").await > 0, "no message is marked");

    page.click(&format!("{} > summary", id("summary", ""))).await;
    page.click(&id("summary-edit", "")).await;
    page.fill(&id("summary-text", ""), MINE).await;
    page.pictures("overflow-edit").await;
    page.click(&id("summary-save", "")).await;
    page.wait(&id("summary-edited", "")).await;
    page.send("Who keeps it?").await;
    page.until("the next answer has read what the user wrote", LONG, async || {
        let context = context(page).await;
        let last = context["sights"].as_array()?.last()?["summary"].as_str()?.to_owned();
        last.starts_with(MINE).then_some(())
    })
    .await;
    ends(page, &["complete", "truncated"]).await;

    // What an answer read can be looked at.
    page.click(&id("sight-show", "[aria-pressed=\"false\"]")).await;
    page.wait(&id("sight-show", "[aria-pressed=\"true\"]")).await;
    page.picture("overflow-inspected").await;
    page.click(&id("sight-show", "[aria-pressed=\"true\"]")).await;
    window.close().await;

    // All of it lasts. No model is in memory, so the marks are those of the last answer.
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("conversation-open", "")).await;
    page.scroll_to(&id("message-list", ""), &id("summary", "")).await;
    assert!(marks(page, "summarised").await > 0);
    page.click(&format!("{} > summary", id("summary", ""))).await;
    assert!(page.text(&id("summary-words", "")).await.starts_with(MINE));
    page.pictures("overflow-summary").await;
    page.click(&id("summary-remove", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("summary", "")).await;

    page.click(&format!("{} summary", id("context-length", ""))).await;
    select(page, &id("context-overflow", ""), "drop_oldest").await;
    page.until("the choice is kept", LONG, async || {
        (context(page).await["overflow"] == "drop_oldest").then_some(())
    })
    .await;
    page.press("\u{E00C}").await;
    page.send("And now?").await;
    page.until("the answer has read no summary", LONG, async || {
        let context = context(page).await;
        let last = context["sights"].as_array()?.last()?.clone();
        (last["summary"].is_null() && !last["droppedTo"].is_null()).then_some(())
    })
    .await;
    ends(page, &["complete", "truncated"]).await;
    page.wait(&id("message-dropped", "")).await;
    page.scroll_to(&id("message-list", ""), "[data-unseen=\"dropped\"]").await;
    page.click(&format!("{} summary", id("context-length", ""))).await;
    page.wait(&format!("{} dd[data-mark=\"dropped\"]", id("context-messages", ""))).await;
    page.pictures("overflow-panel").await;
    window.close().await;
}

#[tokio::test]
async fn a_chat_that_leaves_no_trace_is_offered_no_files() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(4).await;
    page.wait(&id("attach", "")).await;
    page.click(&id("temporary-chat", "")).await;
    page.wait(&id("temporary-mark", "")).await;
    page.wait_gone(&id("attach", "")).await;
    assert!(!page.has(&id("knowledge-menu", "")).await);
    assert!(page.has(&id("tool-menu", "")).await, "tools work there");
    page.send("Hello").await;
    ends(page, &["complete", "truncated"]).await;
    window.close().await;
}
