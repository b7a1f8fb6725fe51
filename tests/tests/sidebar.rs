//! Conversations in the real window: folders, pins, the archive, a search that is narrowed, words that wait where they were
//! written, and a chat that leaves no trace.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_protocol::MessageStatus;
use lantern_store::{Exchange, Finish, Place, Question, Store};
use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const ENTER: &str = "\u{E007}";

/// A home with a conversation for each of these titles; what is asked and answered there has the title's words in it.
fn with_conversations(titles: &[&str]) -> Home {
    let home = Home::empty();
    std::fs::create_dir_all(home.data()).unwrap();
    let mut store = Store::open(&home.data()).unwrap().store;
    for title in titles {
        let place = Place::New { title: (*title).into() };
        let question = Question::New { place, content: format!("Tell me of the {title}.") };
        let model = Some(format!("model-{title}"));
        let asked = store.ask(&Exchange { question, model, keep_model: true }).unwrap();
        let answer = &asked.assistant_message.id;
        store.append(answer, &format!("Of the {title} much is told.")).unwrap();
        let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
        store.finish(answer, &finish).unwrap();
    }
    home
}

/// The button that opens the conversation with this title.
fn open(title: &str) -> String {
    id("conversation-open", &format!("[title=\"{title}\"]"))
}

/// Opens what else can be done with a conversation.
async fn menu(page: &Page, title: &str) {
    page.hover(&open(title)).await;
    let row =
        "return [...document.querySelectorAll(arguments[0])].find((row) => row.querySelector(arguments[1]))
        .dataset.conversationId";
    let which = page.value(row, json!([id("conversation-row", ""), open(title)])).await;
    let row = id("conversation-row", &format!("[data-conversation-id={which}]"));
    page.click(&format!("{row} {}", id("conversation-more", ""))).await;
    page.wait(&id("conversation-menu", "")).await;
}

/// Waits until the list of conversations says this, from its top to its bottom.
async fn listed(page: &Page, titles: &[&str]) {
    let script = "return [...document.querySelectorAll(arguments[0])]
        .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).map((row) => row.title)";
    page.until(&format!("the list is {titles:?}"), SOON, async || {
        (page.value(script, json!([id("conversation-open", "")])).await == json!(titles)).then_some(())
    })
    .await;
}

async fn composer(page: &Page, text: &str) {
    page.until(&format!("the field says {text:?}"), SOON, async || {
        let script = "return document.querySelector(arguments[0])?.value ?? null";
        (page.value(script, json!([id("composer", "")])).await == text).then_some(())
    })
    .await;
}

/// Chooses an entry of a list, or a day.
async fn select(page: &Page, name: &str, value: &str) {
    page.wait(&id(name, "")).await;
    let script = "const field = document.querySelector(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event('change', { bubbles: true }));
        return field.value";
    let now = page.value(script, json!([id(name, ""), value])).await;
    assert_eq!(now, json!(value), "{name} does not offer it");
}

#[tokio::test]
async fn conversations_are_pinned_put_into_folders_and_archived() {
    let desktop = Desktop::start(with_conversations(&["lamp", "lens", "tide"])).await;
    let window = desktop.open().await;
    let page = &window.page;
    listed(page, &["tide", "lens", "lamp"]).await;
    page.hover(&open("lamp")).await;
    let pin = "[...document.querySelectorAll(arguments[0])].at(-1).click()";
    page.value(pin, json!([id("conversation-pin", "")])).await;
    listed(page, &["lamp", "tide", "lens"]).await;

    menu(page, "lens").await;
    page.click(&id("menu-new-folder", "")).await;
    page.fill(&id("name-input", ""), &format!("Optics{ENTER}")).await;
    page.wait(&id("conversation-folder", "")).await;
    menu(page, "tide").await;
    page.click(&id("menu-archive", "")).await;
    page.wait(&id("archive-toggle", "")).await;
    let in_folder = async |page: &Page| {
        let folder = page.invoke("folders", json!({})).await.unwrap()[0]["id"].clone();
        let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
        let of = |row: &&Value| row["conversation"]["folderId"] == folder && !folder.is_null();
        let titles = all.as_array().unwrap().iter().filter(of).map(|row| &row["conversation"]["title"]);
        titles.cloned().collect::<Vec<_>>()
    };
    assert_eq!(in_folder(page).await, [json!("lens")]);
    page.pictures("folders").await;
    window.close().await;

    // All of it is kept.
    let window = desktop.open().await;
    let page = &window.page;
    page.wait(&id("conversation-folder", "")).await;
    page.wait(&open("lamp")).await;
    assert!(!page.has(&open("tide")).await, "what is archived is out of the way");
    page.click(&id("folder-toggle-conversations", "[aria-expanded=\"false\"]")).await;
    page.wait(&open("lens")).await;
    page.click(&id("archive-toggle", "")).await;
    listed(page, &["tide"]).await;
    menu(page, "tide").await;
    page.click(&id("menu-archive", "")).await;
    page.wait(&open("tide")).await;
    page.wait_gone(&id("archive-toggle", "")).await;

    // A folder goes; what was in it stays.
    page.hover(&id("conversation-folder", "")).await;
    page.click(&id("folder-menu", "")).await;
    page.click(&format!("{} .danger", id("conversation-menu", ""))).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("conversation-folder", "")).await;
    listed(page, &["lamp", "tide", "lens"]).await;
    window.close().await;
}

#[tokio::test]
async fn a_search_is_narrowed_and_leads_to_the_message() {
    let desktop = Desktop::start(with_conversations(&["lamp", "lens", "tide"])).await;
    let window = desktop.open().await;
    let page = &window.page;
    let hits = async |wanted: usize| {
        page.until(&format!("{wanted} messages are found"), SOON, async || {
            let script = "return document.querySelectorAll(arguments[0]).length";
            let found = page.value(script, json!([id("conversation-open", "[data-message-id]")])).await;
            (found == json!(wanted)).then_some(())
        })
        .await;
    };
    page.fill(&id("search", ""), "the").await;
    hits(6).await;
    page.click(&id("filters-toggle", "")).await;
    select(page, "filter-role", "user").await;
    hits(3).await;
    select(page, "filter-role", "assistant").await;
    select(page, "filter-model", "model-lens").await;
    hits(1).await;
    let marked = page.text(&format!("{} mark", id("conversation-snippet", ""))).await;
    assert_eq!(marked.to_lowercase(), "the");
    page.picture("search-filters").await;
    select(page, "filter-from", "2999-01-01").await;
    hits(0).await;
    page.wait(".none").await;
    select(page, "filter-from", "2000-01-01").await;
    hits(1).await;
    page.click(&id("conversation-open", "[data-message-id]")).await;
    page.until("the answer is shown", SOON, async || {
        page.answer().await.contains("Of the lens").then_some(())
    })
    .await;
    window.close().await;
}

#[tokio::test]
async fn unsent_words_wait_where_they_were_written() {
    let desktop = Desktop::start(with_conversations(&["lamp", "tide"])).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&open("lamp")).await;
    page.wait(&id("message-user", "")).await;
    page.fill(&id("composer", ""), "Of the wick").await;
    page.click(&open("tide")).await;
    composer(page, "").await;
    page.fill(&id("composer", ""), "Of the moon").await;
    page.click(&id("new-chat", "")).await;
    composer(page, "").await;
    page.fill(&id("composer", ""), "Of neither").await;
    page.click(&open("lamp")).await;
    composer(page, "Of the wick").await;
    window.close().await;

    let window = desktop.open().await;
    let page = &window.page;
    composer(page, "Of neither").await;
    page.click(&open("tide")).await;
    composer(page, "Of the moon").await;
    window.close().await;
}

#[tokio::test]
async fn a_temporary_chat_leaves_no_trace() {
    let secret = "heliotrope";
    let server = Elsewhere::start([Answer::Says(format!("I know of {secret}."))]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.click(&id("temporary-chat", "")).await;
    page.wait(&id("temporary-mark", "")).await;
    page.send(&format!("What is {secret}?")).await;
    assert_eq!(page.wait_for_end().await, "complete");
    page.pictures("temporary").await;
    page.fill(&id("composer", ""), &format!("More of {secret}")).await;
    let listed = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    assert_eq!(listed, json!([]));
    window.close().await;

    let mut left = Vec::new();
    find(desktop.home.path(), secret.as_bytes(), &mut left);
    assert!(left.is_empty(), "its words are in {left:?}");
    let window = desktop.open().await;
    composer(&window.page, "").await;
    assert!(!window.page.has(&id("conversation-open", "")).await);
    window.close().await;
}

/// The files below a folder that hold these bytes.
fn find(folder: &std::path::Path, bytes: &[u8], found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            find(&path, bytes, found);
        } else if kind.is_file()
            && std::fs::read(&path).is_ok_and(|all| all.windows(bytes.len()).any(|part| part == bytes))
        {
            found.push(path);
        }
    }
}
