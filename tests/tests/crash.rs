//! Nothing is lost: killed in the middle of an answer, again and again, Lantern keeps what could be read on the screen.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_protocol::{ConversationView, MessageStatus, Role};
use lantern_tests::desktop::{Desktop, Window};
use lantern_tests::home::Home;
use lantern_tests::page::id;
use serde_json::json;

const ROUNDS: u64 = 20;

/// Text reaches the database at least eight times a second; four times as long is leave for a busy machine.
const WRITTEN_AFTER: Duration = Duration::from_millis(500);

/// What had been on the screen for a moment when Lantern was killed.
struct Seen {
    conversation: String,
    letters: String,
}

#[tokio::test]
async fn killed_twenty_times_it_keeps_what_could_be_read() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let mut all_seen: Vec<Seen> = Vec::new();
    for round in 0..ROUNDS {
        let window = desktop.open().await;
        if let Some(seen) = all_seen.last() {
            check(&window, seen).await;
        }
        all_seen.push(ask_and_kill(window, round).await);
        check_database(&desktop.home);
    }

    let window = desktop.open().await;
    for seen in &all_seen {
        check(&window, seen).await;
    }
    let listed = window.page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    assert_eq!(
        listed.as_array().map(Vec::len),
        Some(ROUNDS as usize),
        "conversations are missing or doubled"
    );
    window.close().await;
}

/// Starts an answer, notes what is on the screen after a moment that differs from round to round, and kills Lantern.
async fn ask_and_kill(window: Window, round: u64) -> Seen {
    let page = &window.page;
    page.set_answers(4000).await;
    page.send(&format!("Write a very long story about a lighthouse, part {round}.")).await;
    page.wait_for_text().await;
    tokio::time::sleep(Duration::from_millis(round * 53 % 400)).await;
    // The list of conversations is read anew on its own, and may be later than the first words.
    let row = id("conversation-row", ":has([aria-current=\"page\"])");
    page.wait(&row).await;
    let conversation = page.attribute(&row, "data-conversation-id").await;
    let letters = letters(&page.answer().await);
    tokio::time::sleep(WRITTEN_AFTER).await;
    assert_eq!(
        page.status().await.as_deref(),
        Some("streaming"),
        "the answer ended before it could be cut off"
    );
    window.kill().await;
    assert!(!letters.is_empty());
    Seen { conversation: conversation.expect("the open conversation is in the sidebar"), letters }
}

/// The conversation is there, opens, and holds what was on the screen.
async fn check(window: &Window, seen: &Seen) {
    let reply = window.page.invoke("get_conversation", json!({"id": seen.conversation})).await;
    let reply = reply.unwrap_or_else(|error| panic!("the conversation is gone: {error}"));
    let view: ConversationView = serde_json::from_value(reply).unwrap();
    let roles: Vec<_> = view.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant]);
    let answer = &view.messages[1];
    assert_eq!(answer.status, MessageStatus::Interrupted);
    let kept = letters(&answer.content);
    assert!(kept.starts_with(&seen.letters), "on the screen: {}\nkept: {kept}", seen.letters);

    let row = format!("[data-conversation-id=\"{}\"]", seen.conversation);
    window.page.scroll_to(&id("conversation-list", ""), &row).await;
    window.page.click(&format!("{row} {}", id("conversation-open", ""))).await;
    window.page.wait(&id("message-assistant", "[data-status=\"interrupted\"]")).await;
    let shown = letters(&window.page.answer().await);
    assert!(shown.starts_with(&seen.letters), "on the screen before: {}\nnow: {shown}", seen.letters);
    window.page.click(&id("new-chat", "")).await;
    window.page.wait(&id("empty-chat", "")).await;
}

/// SQLite finds nothing wrong with its file.
fn check_database(home: &Home) {
    let file = home.data().join(lantern_store::DATABASE_FILE);
    let database = rusqlite::Connection::open(file).expect("the database opens");
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it can be checked");
    assert_eq!(verdict, "ok");
}

/// Only letters: rendering takes markdown's signs away, and the numbers of lists.
fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphabetic()).collect()
}
