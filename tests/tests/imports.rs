//! Conversations come and go as files, in the real window, by the system's dialogs: another program's export, Lantern's own,
//! pages to read.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::eventually;
use lantern_tests::exports::{self, everything};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

/// What ChatGPT writes: a question with two answers, the second of which was on show.
fn chatgpt() -> Value {
    let message = |role: &str, text: &str| {
        json!({"author": {"role": role}, "create_time": 1_700_000_000.5, "status": "finished_successfully",
            "content": {"content_type": "text", "parts": [text]}, "metadata": {"model_slug": "gpt-4"}})
    };
    let node = |parent: Option<&str>, children: &[&str], message: Value| json!({"message": message, "parent": parent, "children": children});
    let mapping = json!({
        "root": node(None, &["q"], Value::Null),
        "q": node(Some("root"), &["a", "b"], message("user", "Who keeps the **lamp**?")),
        "a": node(Some("q"), &[], message("assistant", "Nobody does.")),
        "b": node(Some("q"), &[], message("assistant", "The keeper, since $1611$.")),
    });
    json!([{"title": "The lamp", "create_time": 1_700_000_000.0, "update_time": 1_700_000_009.0, "mapping": mapping,
        "current_node": "b", "conversation_id": "c"}])
}

/// Takes a file in, and gives what is said to have come of it.
async fn take_in(desktop: &Desktop, page: &Page, file: &std::path::Path) -> String {
    exports::take_in(desktop, page, file).await;
    page.pictures("import-report").await;
    exports::close_report(page).await
}

/// Writes the one conversation, or all, in this form to this file.
async fn export(desktop: &Desktop, page: &Page, all: bool, format: &str, file: &std::path::Path) {
    let ask = async || {
        if all {
            page.click(&id("list-menu", "")).await;
        } else {
            page.hover(&id("conversation-row", "")).await;
            page.click(&id("conversation-more", "")).await;
        }
        page.click(&id("menu-export", "")).await;
        page.click(&id("export-format", &format!("[data-format=\"{format}\"]"))).await;
    };
    // The system's own name for it: Lantern gives none.
    desktop.choose("Save File", file, ask).await;
    eventually("the file is written", SOON, async || file.exists().then_some(())).await;
}

#[tokio::test]
async fn another_programs_conversations_are_taken_in_and_go_out_again_whole() {
    let desktop = Desktop::start(Home::empty()).await;
    let at = |name: &str| desktop.home.path().join(name);
    std::fs::write(at("conversations.json"), chatgpt().to_string()).unwrap();
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("first-run-skip", "")).await;
    let report = take_in(&desktop, page, &at("conversations.json")).await;
    assert!(report.contains("ChatGPT") && report.contains('3'), "{report}");
    page.click(&id("conversation-open", "[title=\"The lamp\"]")).await;
    page.wait(&format!("{} math", id("markdown", ""))).await;
    assert!(page.answer().await.contains("The keeper"), "the answer that was on show is");
    assert!(page.text(&id("branch-position", "")).await.starts_with('2'));
    page.click(&id("branch-previous", "")).await;
    page.until("the other answer is there, too", SOON, async || {
        page.answer().await.contains("Nobody does.").then_some(())
    })
    .await;
    let before = everything(page).await;

    export(&desktop, page, false, "markdown", &at("lamp.md")).await;
    let written = std::fs::read_to_string(at("lamp.md")).unwrap();
    assert!(written.contains("Who keeps the **lamp**?"), "{written}");
    export(&desktop, page, false, "html", &at("lamp.html")).await;
    let written = std::fs::read_to_string(at("lamp.html")).unwrap();
    assert!(written.contains("<strong>lamp</strong>") || written.contains("**lamp**"), "{written}");
    export(&desktop, page, true, "json", &at("all.json")).await;

    // Twice is no more than once; and what was deleted is back, to the last word.
    let report = take_in(&desktop, page, &at("conversations.json")).await;
    assert_eq!(everything(page).await, before, "{report}");
    page.hover(&id("conversation-row", "")).await;
    page.click(&id("conversation-more", "")).await;
    page.click(&id("conversation-delete", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("conversation-open", "")).await;
    take_in(&desktop, page, &at("all.json")).await;
    page.wait(&id("conversation-open", "[title=\"The lamp\"]")).await;
    assert_eq!(everything(page).await, before);

    std::fs::write(at("broken.json"), "{\"mapping\": [").unwrap();
    let report = take_in(&desktop, page, &at("broken.json")).await;
    assert!(report.contains("broken.json"), "{report}");
    assert_eq!(everything(page).await, before, "what cannot be read changes nothing");
    window.close().await;
}
