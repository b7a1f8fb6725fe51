//! What Claude, LM Studio, Jan and Open WebUI write is taken into the real window by the system's dialogs: every branch, thought,
//! model and system prompt is there afterwards, and the report says what was kept as it was and what was not taken.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use lantern_tests::axe;
use lantern_tests::desktop::Desktop;
use lantern_tests::exports::{close_report, everything, take_in};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

/// A question with two answers, the first of which was on show; the second called a tool.
fn claude() -> Value {
    let said = |name: &str, parent: &str, sender: &str, content: Value| {
        json!({"uuid": name, "parent_message_uuid": parent, "sender": sender, "created_at": "2024-05-01T10:00:00.000Z",
            "text": "", "content": content, "attachments": [], "files": []})
    };
    let text = |words: &str| json!({"type": "text", "text": words});
    let thought = json!({"type": "thinking", "thinking": "The lamp has a keeper."});
    let call = json!({"type": "tool_use", "name": "search", "input": {"query": "keeper"}});
    let root = "00000000-0000-4000-8000-000000000000";
    json!([{"uuid": "claude-1", "name": "Lamp of Claude", "model": "claude-sonnet", "created_at": "2024-05-01T10:00:00.000Z",
    "current_leaf_message_uuid": "a", "chat_messages": [
        said("q", root, "human", json!([text("Who keeps the **lamp**?")])),
        said("a", "q", "assistant", json!([thought, text("Greta keeps it.")])),
        said("b", "q", "assistant", json!([call, text("I had to look.")])),
    ]}])
}

/// A question, and an answer in two versions of which the second is selected.
fn lm_studio() -> Value {
    let step = |words: &str, style: Value| {
        json!({"type": "contentBlock", "style": style, "content": [{"type": "text", "text": words}],
            "genInfo": {"indexedModelIdentifier": "maker/model-3b"}})
    };
    let answer = |steps: Vec<Value>| json!({"type": "multiStep", "role": "assistant", "steps": steps});
    let asked =
        json!({"type": "singleStep", "role": "user", "content": [{"type": "text", "text": "Is it lit?"}]});
    let first = answer(vec![step("It is dark.", Value::Null)]);
    let second =
        answer(vec![step("Night falls.", json!({"type": "thinking"})), step("It is lit.", Value::Null)]);
    json!({"name": "Lamp of LM Studio", "createdAt": 1_700_000_000_000_i64, "pinned": true,
    "systemPrompt": "You are a keeper.", "messages": [
        {"versions": [asked], "currentlySelected": 0},
        {"versions": [first, second], "currentlySelected": 1},
    ]})
}

/// A thread, and its messages: files of their own beside each other.
fn jan() -> (Value, String) {
    let thread = json!({"id": "thread-1", "object": "thread", "title": "Lamp of Jan", "created": 1_700_000_000,
        "updated": 1_700_000_009, "assistants": [{"model": {"id": "small"}, "instructions": "Be kind."}]});
    let line = |name: &str, role: &str, content: Value| {
        json!({"id": name, "thread_id": "thread-1", "object": "thread.message", "role": role, "status": "ready",
            "created_at": 1_700_000_001, "content": content, "metadata": {"modelId": "small"}})
        .to_string()
    };
    let part = |kind: &str, words: &str| json!({"type": kind, "text": {"value": words, "annotations": []}});
    let lines = [
        line("q", "user", json!([part("text", "Who brings the oil?")])),
        line("a", "assistant", json!([part("reasoning", "By sea."), part("text", "A boat, on Tuesdays.")])),
    ];
    (thread, lines.join("\n"))
}

/// A tree by its names; one message answers one that is not there.
fn open_webui() -> Value {
    let message = |name: &str, parent: Value, children: &[&str], role: &str, content: &str| {
        json!({"id": name, "parentId": parent, "childrenIds": children, "role": role, "content": content,
            "timestamp": 1_700_000_000, "model": "wide:7b", "done": true})
    };
    json!([{"id": "webui-1", "title": "Lamp of Open WebUI", "created_at": 1_700_000_000, "updated_at": 1_700_000_009,
    "chat": {"models": ["wide:7b"], "params": {"system": "Speak of lenses."}, "history": {"currentId": "a", "messages": {
        "q": message("q", Value::Null, &["a", "b"], "user", "Which lens?"),
        "a": message("a", json!("q"), &[], "assistant", "The first order: $d = 1.84$ m."),
        "b": message("b", json!("q"), &[], "assistant", "The second order."),
        "lost": message("lost", json!("gone"), &[], "user", "Where do I belong?"),
    }}}}])
}

/// The files, each where its program would leave it.
fn write(folder: &Path) -> [PathBuf; 4] {
    let thread = folder.join("threads/thread-1");
    std::fs::create_dir_all(&thread).unwrap();
    let (head, lines) = jan();
    std::fs::write(thread.join("messages.jsonl"), lines).unwrap();
    let files = [
        (folder.join("conversations.json"), claude()),
        (folder.join("1700000000000.conversation.json"), lm_studio()),
        (thread.join("thread.json"), head),
        (folder.join("chat-export.json"), open_webui()),
    ];
    files.map(|(path, value)| {
        std::fs::write(&path, value.to_string()).unwrap();
        path
    })
}

/// What there is of the conversation with this title.
async fn of(page: &Page, title: &str) -> Value {
    let all = everything(page).await;
    let found = all.as_array().unwrap().iter().find(|one| one[0] == title).cloned();
    found.unwrap_or_else(|| panic!("{title:?} is not among {all:#}"))[1].clone()
}

async fn open(page: &Page, title: &str) {
    page.click(&id("conversation-open", &format!("[title=\"{title}\"]"))).await;
    page.wait(&id("message-assistant", "")).await;
}

async fn answers(page: &Page, words: &str) {
    page.until(&format!("the answer is {words:?}"), SOON, async || {
        (page.answer().await.trim() == words).then_some(())
    })
    .await;
}

/// The system prompt of the conversation with this title.
async fn told(page: &Page, title: &str) -> Value {
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    let rows = all.as_array().unwrap().iter().map(|row| row["conversation"].clone());
    rows.into_iter().find(|one| one["title"] == title).expect("it is in the list")["systemPrompt"].clone()
}

#[tokio::test]
async fn conversations_of_four_programs_are_taken_in_with_all_that_they_hold() {
    let desktop = Desktop::start(Home::empty()).await;
    let [from_claude, from_lm_studio, from_jan, from_open_webui] = write(desktop.home.path());
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("first-run-skip", "")).await;

    take_in(&desktop, page, &from_claude).await;
    let report = close_report(page).await;
    assert!(report.contains("Claude") && report.contains("3 messages"), "{report}");
    assert!(report.contains("calls of tools (1)"), "what has no place is kept, and told:\n{report}");
    open(page, "Lamp of Claude").await;
    answers(page, "Greta keeps it.").await;
    page.click(&id("thinking-toggle", "")).await;
    assert!(page.text(&id("thinking", "")).await.contains("The lamp has a keeper."));
    assert!(page.text(&id("message-user", "")).await.contains("Who keeps the **lamp**?"));
    page.click(&id("branch-next", "")).await;
    answers(page, "I had to look.").await;
    page.picture("imported-claude").await;

    take_in(&desktop, page, &from_lm_studio).await;
    let report = close_report(page).await;
    assert!(report.contains("LM Studio") && report.contains("3 messages"), "{report}");
    let thought = "<think>\nNight falls.\n</think>\n\nIt is lit.";
    assert_eq!(
        of(page, "Lamp of LM Studio").await,
        json!([
            ["user", "Is it lit?", null],
            ["assistant", "It is dark.", "maker/model-3b"],
            ["assistant", thought, "maker/model-3b"]
        ])
    );
    assert_eq!(told(page, "Lamp of LM Studio").await, "You are a keeper.");
    open(page, "Lamp of LM Studio").await;
    answers(page, "It is lit.").await;
    assert!(page.text(&id("branch-position", "")).await.starts_with('2'), "the selected version is on show");

    // Of Jan's two files one is chosen, and the other one belongs to it.
    take_in(&desktop, page, &from_jan).await;
    let report = close_report(page).await;
    assert!(report.contains("Jan") && report.contains("2 messages"), "{report}");
    let thought = "<think>\nBy sea.\n</think>\n\nA boat, on Tuesdays.";
    let said = json!([["user", "Who brings the oil?", null], ["assistant", thought, "small"]]);
    assert_eq!(of(page, "Lamp of Jan").await, said);
    assert_eq!(told(page, "Lamp of Jan").await, "Be kind.");

    take_in(&desktop, page, &from_open_webui).await;
    let report = close_report(page).await;
    assert!(report.contains("Open WebUI") && report.contains("4 messages"), "{report}");
    assert!(report.contains("links to messages that are not there (1)"), "{report}");
    open(page, "Lamp of Open WebUI").await;
    page.wait(&format!("{} math", id("markdown", ""))).await;
    assert!(page.text(&id("branch-position", "")).await.starts_with('1'));
    assert_eq!(told(page, "Lamp of Open WebUI").await, "Speak of lenses.");
    window.close().await;
}

#[tokio::test]
async fn a_folder_of_them_is_taken_in_at_once_and_twice_is_no_more_than_once() {
    let desktop = Desktop::start(Home::empty()).await;
    let folder = desktop.home.path().join("exports");
    write(&folder);
    std::fs::write(folder.join("broken.json"), "[{\"chat_messages\": [").unwrap();
    std::fs::write(folder.join("lamp.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;
    page.click(&id("first-run-skip", "")).await;

    take_in(&desktop, page, &folder).await;
    axe::check(page, "the report of an import").await;
    page.pictures("import-report-folder").await;
    page.resize(800, 600).await;
    assert!(page.has(&id("import-report", "")).await, "it goes with the sidebar where the window is narrow");
    axe::check(page, "the report of an import in a small window").await;
    page.resize(1180, 780).await;
    let report = close_report(page).await;
    assert!(report.starts_with("4 conversations are new here"), "{report}");
    for part in
        ["Claude", "LM Studio", "Jan", "Open WebUI", "broken.json", "files that are no conversations (1)"]
    {
        assert!(report.contains(part), "{part:?} is not in the report:\n{report}");
    }
    let before = everything(page).await;
    assert_eq!(before.as_array().unwrap().len(), 4);

    take_in(&desktop, page, &folder).await;
    let report = close_report(page).await;
    assert!(report.starts_with("Nothing was imported") && report.contains("was here already"), "{report}");
    assert_eq!(everything(page).await, before);
    window.close().await;

    // What is in the database outlives the window.
    let window = desktop.open().await;
    assert_eq!(everything(&window.page).await, before);
    open(&window.page, "Lamp of Claude").await;
    answers(&window.page, "Greta keeps it.").await;
    window.close().await;
}
