//! Every view in the real window is free of what axe-core finds wrong, light and dark: names, roles, contrast, focus.
#![cfg(target_os = "linux")]

use lantern_protocol::MessageStatus;
use lantern_store::{Exchange, Finish, Place, Question, Store};
use lantern_tests::axe::{self, check};
use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::id;
use serde_json::json;

const ESCAPE: &str = "\u{E00C}";
const BACKSPACE: &str = "\u{E003}";

#[tokio::test]
async fn axe_finds_nothing_in_any_view() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;
    page.set_answers(16).await;

    check(page, "an empty chat").await;
    page.send("Name a colour.").await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    check(page, "a chat").await;
    page.click(&id("model-picker", "")).await;
    page.wait(&id("model-option", "")).await;
    check(page, "the menu of models").await;
    page.click(&id("nav-models", "")).await;
    page.wait(&id("model-card", "")).await;
    check(page, "the models").await;
    for (tab, what) in [
        ("find", "fit"),
        ("downloads", "downloads-view"),
        ("compare", "compare-view"),
        ("disk", "disk-model"),
    ] {
        page.click(&id("models-tab", &format!("[data-tab=\"{tab}\"]"))).await;
        page.wait(&id(what, "")).await;
        check(page, tab).await;
    }
    page.click(&id("models-tab", "[data-tab=\"library\"]")).await;
    page.click(&id("model-show", "")).await;
    page.wait(&id("model-verify", "")).await;
    check(page, "a model's page").await;
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("settings-view", "")).await;
    check(page, "the settings").await;
    page.click(&id("nav-assistants", "")).await;
    page.click(&id("assistant-new", "")).await;
    page.wait(&id("assistant-form", "")).await;
    check(page, "an assistant's form").await;
    page.click(&id("assistants-tab", "[data-tab=\"prompts\"]")).await;
    page.click(&id("prompt-new", "")).await;
    check(page, "a prompt's form").await;
    window.close().await;
}

#[tokio::test]
async fn nor_in_the_first_steps() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;
    page.wait(&id("first-run", "")).await;
    for step in ["1", "2", "3"] {
        page.wait(&id("first-run", &format!("[data-step=\"{step}\"]"))).await;
        check(page, &format!("step {step} of the first run")).await;
        page.click(&id("first-run-next", "")).await;
    }
    page.wait_gone(&id("first-run", "")).await;
    window.close().await;
}

#[tokio::test]
async fn nor_in_what_opens_above_and_beside_a_conversation() {
    let home = Home::empty();
    fill(&home);
    let desktop = Desktop::start(home).await;
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;

    page.click(&id("conversation-open", "")).await;
    page.wait(&format!("{} math", id("markdown", ""))).await;
    page.wait(&id("diagram", "")).await;
    check(page, "a conversation with all that text can be").await;
    for (button, opened) in [
        ("tree-open", "tree"),
        ("answer-menu", "answer-compare"),
        ("tool-menu", "tool-menu-panel"),
        ("knowledge-menu", "knowledge-manage"),
        ("context-length", "context-length-input"),
    ] {
        page.click(&id(button, "")).await;
        page.wait(&id(opened, "")).await;
        check(page, opened).await;
        page.write(ESCAPE).await;
        page.wait_gone(&id(opened, "")).await;
    }
    page.click("[data-preview]").await;
    page.wait(&id("artifact-frame", "")).await;
    check(page, "a page in its frame").await;
    page.click(&id("artifact-close", "")).await;

    for (keys, opened) in [("\u{E009}k", "palette"), ("\u{E009}/", "shortcut-sheet")] {
        page.press(keys).await;
        page.wait(&id(opened, "")).await;
        check(page, opened).await;
        page.write(ESCAPE).await;
        page.wait_gone(&id(opened, "")).await;
    }

    page.hover(&id("conversation-row", "")).await;
    page.click(&id("conversation-more", "")).await;
    page.wait(&id("conversation-menu", "")).await;
    check(page, "the menu of a conversation").await;
    page.click(&id("menu-export", "")).await;
    page.wait(&id("export-dialog", "")).await;
    check(page, "exporting").await;
    page.write(ESCAPE).await;
    page.wait_gone(&id("export-dialog", "")).await;

    page.fill(&id("search", ""), "lamp").await;
    page.wait(&id("conversation-snippet", "")).await;
    page.click(&id("filters-toggle", "")).await;
    page.wait(&id("filters", "")).await;
    check(page, "a search with filters").await;
    page.fill(&id("search", ""), BACKSPACE).await;

    page.click(&id("new-chat", "")).await;
    page.click(&id("temporary-chat", "")).await;
    page.wait(&id("temporary-mark", "")).await;
    check(page, "a temporary chat").await;
    window.close().await;
}

#[tokio::test]
async fn nor_in_what_files_tools_and_answers_show_of_themselves() {
    let says = |text: &str| Answer::Says(text.into());
    let calls = Answer::Calls("calculator", json!({"expression": "6 * 7"}));
    let server = Elsewhere::start([says("Lit [1]."), says("In 1611 [1]."), calls, says("It is 42.")]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let note = desktop.home.path().join("note.txt");
    std::fs::write(&note, "The lamp was lit in 1611.").expect("the home can be written");
    let window = desktop.open().await;
    let page = &window.page;
    axe::load(page).await;
    server.add_to(page).await;
    page.set(json!({"writeTitles": false})).await;
    page.click(&id("first-run-skip", "")).await;

    desktop.drop_files("Lantern", &[&note]);
    page.wait(&id("attachment", "[data-state=\"ready\"]")).await;
    check(page, "files on their way").await;
    page.send("When?").await;
    page.wait_for_end().await;
    page.click(&format!("{} summary", id("source-list", ""))).await;
    check(page, "the sources of an answer").await;
    page.click(&id("source-open", "")).await;
    page.wait(&format!("{} [role=region]", id("preview", ""))).await;
    check(page, "a cited passage").await;
    page.click(&id("preview-close", "")).await;

    page.click(&id("message-regenerate", "")).await;
    page.wait(&id("branch-position", "")).await;
    page.wait_for_end().await;
    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-compare", "")).await;
    page.wait(&id("beside", "")).await;
    check(page, "two answers beside each other").await;
    page.click(&id("beside-close", "")).await;
    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-receipt", "")).await;
    page.wait(&id("receipt", "")).await;
    check(page, "a receipt").await;
    page.click(&id("receipt-close", "")).await;
    page.wait_gone(&id("receipt", "")).await;

    page.click(&id("tool-menu", "")).await;
    page.click(&id("tool-switch", "[data-tool=\"calculator\"]")).await;
    page.wait(&id("tool-switch", "[data-tool=\"calculator\"]:checked")).await;
    page.write(ESCAPE).await;
    page.send("Six times seven?").await;
    page.wait(&id("tool-consent", "")).await;
    check(page, "a tool that asks").await;
    page.consent("calculator", "tool-consent-once").await;
    page.click(&id("tool-call-toggle", "")).await;
    page.wait(&id("tool-call-details", "")).await;
    check(page, "what a tool did").await;

    page.click(&id("nav-settings", "")).await;
    page.fill(&id("tool-add-name", ""), "lamps").await;
    page.fill(&id("tool-add-command", ""), "lamps --lit").await;
    page.click(&id("tool-add-review", "")).await;
    page.wait(&id("tool-review", "")).await;
    check(page, "a server of tools that is looked at").await;
    page.click(&id("confirm-cancel", "")).await;
    window.close().await;
}

/// A conversation with everything that an answer can hold, and one that failed.
fn fill(home: &Home) {
    std::fs::create_dir_all(home.data()).expect("the home can be written");
    let mut store = Store::open(&home.data()).expect("a new database").store;
    let mut answer = |question: Question, answer: &str, status: MessageStatus| {
        let asked = store.ask(&Exchange { question, model: None, keep_model: false }).unwrap();
        store.append(&asked.assistant_message.id, answer).unwrap();
        store.finish(&asked.assistant_message.id, &Finish { status, error: None, stats: None }).unwrap();
        asked.assistant_message.id
    };
    let new = |title: &str| {
        let place = Place::New { title: title.into() };
        Question::New { place, content: "The lamp?".into() }
    };
    answer(new("Failed"), "It goes out.", MessageStatus::Failed);
    let message_id = answer(new("Everything"), "It is lit.", MessageStatus::Complete);
    answer(Question::Again { message_id }, EVERYTHING, MessageStatus::Complete);
}

const EVERYTHING: &str = "<think>It asks for the lamp.</think># A lamp

A formula $\\frac{a}{b}$, `code`, a [link](https://example.org) and a note[^1].

| lamp | lens |
|------|------|
| oil  | 1st  |

```rust
fn main() {}
```

```html
<h1>Lamp</h1>
```

```mermaid
graph LR
  Lamp --> Lens
```

- [x] lit
- [ ] out

> Quoted.

[^1]: Here.
";
