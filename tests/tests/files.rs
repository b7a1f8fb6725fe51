//! Files in a conversation, in the real window: from the system's dialog, dropped and pasted; seen by the model, cited, kept.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

fn document(name: &str) -> PathBuf {
    lantern_golden::path(format!("documents/{name}"))
}

/// Waits until the files that go with the next message are these, all of them read.
async fn staged(page: &Page, names: &[&str]) {
    let script = "return [...document.querySelectorAll(arguments[0])].map((chip) => chip.innerText.trim())";
    let chips = format!("{} {}", id("staged-files", ""), id("attachment", "[data-state=\"ready\"]"));
    page.until(&format!("{names:?} are read"), SOON, async || {
        (page.value(script, json!([chips])).await == json!(names)).then_some(())
    })
    .await;
}

/// Pastes a file that is nowhere on the disk, as a picture from another program is.
async fn paste(page: &Page, name: &str, base64: &str, kind: &str) {
    let script = "const [selector, name, base64, type] = arguments;
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([bytes], name, { type }));
        const paste = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true });
        document.querySelector(selector).dispatchEvent(paste);
        return paste.defaultPrevented";
    let taken = page.value(script, json!([id("composer", ""), name, base64, kind])).await;
    assert_eq!(taken, json!(true), "the page leaves a pasted file to the field");
}

#[tokio::test]
async fn files_are_chosen_dropped_and_pasted_and_stay_with_their_question() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set_answers(6).await;

    let attach = async || page.click(&id("attach", "")).await;
    desktop.choose("Choose files to attach", &document("lighthouse.pdf"), attach).await;
    staged(page, &["lighthouse.pdf"]).await;
    desktop.drop_files("Lantern", &[&document("towers.csv"), &document("tides.md")]);
    staged(page, &["lighthouse.pdf", "towers.csv", "tides.md"]).await;
    paste(page, "note.txt", "VGhlIGtlZXBlciBpcyBHcmV0YS4=", "text/plain").await;
    staged(page, &["lighthouse.pdf", "towers.csv", "tides.md", "note.txt"]).await;
    page.pictures("files-staged").await;
    page.click(&id("attachment-open", "")).await;
    page.wait(&id("preview", "")).await;
    page.click(&id("preview-close", "")).await;
    let removed = "document.querySelectorAll(arguments[0])[1].click()";
    page.value(removed, json!([id("attachment-remove", "")])).await;
    staged(page, &["lighthouse.pdf", "tides.md", "note.txt"]).await;

    page.send("Who keeps it?").await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    page.wait_gone(&id("staged-files", "")).await;
    kept(page).await;
    page.pictures("files-answered").await;
    window.close().await;

    let window = desktop.open().await;
    window.page.click(&id("conversation-open", "")).await;
    kept(&window.page).await;
    window.close().await;
}

/// The question has its three files, and what the answer saw of them is told and can be looked at.
async fn kept(page: &Page) {
    page.wait(&id("sources", "")).await;
    let script = "return document.querySelectorAll(arguments[0]).length";
    let count = async |selector: String| page.value(script, json!([selector])).await;
    let chips = format!("{} {}", id("message-user", ""), id("attachment", "[data-state=\"ready\"]"));
    assert_eq!(count(chips).await, json!(3));
    assert_eq!(count(id("source-seen", "[data-seen=\"whole\"]")).await, json!(3));
    page.click(&format!("{} summary", id("source-list", ""))).await;
    page.click(&id("source-open", "[data-number=\"1\"]")).await;
    page.wait(&id("preview", "")).await;
    page.until("the text is shown", SOON, async || {
        page.text(&id("preview", "")).await.contains("1611").then_some(())
    })
    .await;
    page.click(&id("preview-close", "")).await;
    page.wait_gone(&id("preview", "")).await;
}

/// What is too long is searched for what the question asks, and a number in the answer opens the passage.
#[tokio::test]
async fn a_citation_opens_the_passage_of_a_long_file() {
    let server =
        Elsewhere::start([Answer::Says("It is heliotrope [1], they say [77] in `log[1]`.".into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let mut text: String =
        (0..4000).map(|n| format!("Sentence {n} tells of the tide and the wind.\n")).collect();
    text.push_str("\nThe keeper's password is heliotrope, written on the oil can.\n");
    let file = desktop.home.path().join("log.txt");
    std::fs::write(&file, text).unwrap();

    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.set(json!({"contextLength": 4096})).await;
    desktop.drop_files("Lantern", &[&file]);
    staged(page, &["log.txt"]).await;
    page.send("What is the password of the keeper?").await;
    page.wait_for_end().await;
    page.wait(&id("source-seen", "[data-seen=\"passages\"]")).await;
    let asked = server.asked().remove(0).to_string();
    assert!(asked.contains("heliotrope") && asked.len() < 60_000, "the model was given the passages");

    let citations = "return [...document.querySelectorAll(arguments[0])].map((one) => one.dataset.cite)";
    let shown = page.value(citations, json!([format!("{} .md-cite", id("markdown", ""))])).await;
    assert_eq!(shown, json!(["1"]), "what no source stands for is text, and code is code");
    page.click(&format!("{} .md-cite", id("markdown", ""))).await;
    page.wait(&id("preview-mark", "")).await;
    assert!(page.text(&id("preview-mark", "")).await.contains("heliotrope"));
    page.pictures("citation").await;
    page.click(&id("preview-close", "")).await;
    window.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_a_picture_needs_eyes() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.wait(&id("composer", "")).await;
    desktop.drop_files("Lantern", &[&document("locked.pdf")]);
    page.wait(&id("attachment", "[data-state=\"failed\"]")).await;
    assert!(page.text(".notes").await.contains("password"), "it says what is wrong with it");
    page.click(&id("attachment-remove", "")).await;
    page.wait_gone(&id("attachment", "")).await;

    let picture = document("../vision/waves.png");
    desktop.drop_files("Lantern", &[&picture]);
    page.wait(&format!("{} img", id("attachment", "[data-state=\"ready\"]"))).await;
    page.wait(&id("no-eyes", "")).await;
    page.pictures("files-refused").await;
    page.send("What is this?").await;
    page.wait(&id("error-card", "[data-code=\"model_cannot_see\"]")).await;
    window.close().await;
}
