//! Passages found by their meaning in the real window: an embedding model of the library makes vectors of a file that is too long
//! and of a folder, the passage that no word leads to is given to the model and opened by its citation, and a setting turns it off.
//!
//! In the file the words of the passage hold joiners that nobody sees, as some web pages write them: they are in
//! pieces for whoever searches words, and whole for the embedding model, here a golden BERT.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(180);

/// Longer than what the embedding model reads of a passage.
const QUOTE: &str = "Greta hides seven silver keys beneath loose harbour stones whenever northern storms threaten Cordouan, \
because thieves arrive under darkness, steal brass lamps, drain precious whale oil, vanish before sunrise.";
/// How the passage begins in the file.
const BEGINS: &str = "Gr\u{2060}eta";

/// Some hundreds of paragraphs of a passage each. A few of them have words of the quote.
fn log() -> String {
    let paragraph = |n: usize| {
        let about = if n % 100 == 3 { "Greta wrote of northern storms. " } else { "" };
        let rest = format!("Day {n} tells of the tide and the wind at noon. ").repeat(22);
        format!("{about}{rest}\n\n")
    };
    let joined = |word: &str| format!("{}\u{2060}{}", &word[..2], &word[2..]);
    let quote: Vec<String> = QUOTE.split(' ').map(joined).collect();
    let before: String = (0..60).map(paragraph).collect();
    let behind: String = (60..400).map(paragraph).collect();
    format!(
        "{before}{}\n\n{behind}",
        [quote.join(" ")].iter().cycle().take(5).cloned().collect::<Vec<_>>().join(" ")
    )
}

/// Asks for the quote, and gives what the model was given with it.
async fn ask(page: &Page, server: &Elsewhere) -> String {
    let before = server.asked().len();
    let numbers: Vec<String> = (1..=40).map(|number| format!("[{number}]")).collect();
    server.then([Answer::Says(format!("Number {before}: {}.", numbers.join(" ")))]);
    page.send(QUOTE).await;
    page.until("the answer is there", LONG, async || {
        page.answer().await.contains(&format!("Number {before}:")).then_some(())
    })
    .await;
    page.wait_for_end().await;
    let asked = server.asked().get(before).expect("the model was asked").clone();
    asked["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

/// The number of the passage among those that the model was given.
fn number(given: &str) -> Option<u32> {
    let before = &given[..given.find(BEGINS)?];
    let number = before.rsplit("number=\"").next()?.split('"').next()?;
    number.parse().ok()
}

/// Says by what the passages of the last answer were found.
async fn method(page: &Page) -> String {
    page.click(&format!("{} summary", id("source-list", ""))).await;
    page.text(&id("source-list", "")).await
}

/// A window with a model elsewhere and an embedding model in the library.
async fn window(desktop: &Desktop, server: &Elsewhere) -> lantern_tests::desktop::Window {
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    let bert = lantern_golden::path("models/bert-F32.gguf");
    page.invoke("import_model", json!({"path": bert, "copy": false})).await.unwrap();
    page.set(json!({"contextLength": 8192, "writeTitles": false})).await;
    page.click(&id("first-run-skip", "")).await;
    window
}

/// Chooses in the settings which model makes vectors.
async fn choose(page: &Page, model: &str) {
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("embedding-model", &format!(" option[value=\"{model}\"]"))).await;
    let script = "const list = document.querySelector(arguments[0]);
        list.value = arguments[1];
        list.dispatchEvent(new Event('change', { bubbles: true }))";
    page.value(script, json!([id("embedding-model", ""), model])).await;
    page.until("the choice is kept", LONG, async || {
        let settings = page.invoke("get_settings", json!({})).await.unwrap();
        (settings["embeddingModel"] == model).then_some(())
    })
    .await;
    page.press("\u{E009}n").await;
    page.wait(&id("empty-chat", "")).await;
}

async fn attach(desktop: &Desktop, page: &Page, file: &Path) {
    desktop.drop_files("Lantern", &[file]);
    page.until("the file is read", LONG, async || {
        page.has(&id("attachment", "[data-state=\"ready\"]")).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_passage_is_found_by_meaning_cited_and_opened_and_not_found_without_vectors() {
    let server = Elsewhere::start([]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let file = desktop.home.path().join("log.txt");
    std::fs::write(&file, log()).unwrap();
    let window = window(&desktop, &server).await;
    let page = &window.page;

    attach(&desktop, page, &file).await;
    let given = ask(page, &server).await;
    page.wait(&id("source-seen", "[data-seen=\"passages\"]")).await;
    let number = number(&given).expect("the passage was given to the model");
    assert!(method(page).await.contains("by meaning"), "it says how they were found");
    page.pictures("found-by-meaning").await;
    page.click(&format!("{} .md-cite[data-cite=\"{number}\"]", id("markdown", ""))).await;
    page.wait(&id("preview-mark", "")).await;
    let shown = page.text(&id("preview-mark", "")).await;
    assert!(shown.replace('\u{2060}', "").contains("Greta hides seven silver keys"), "{shown}");
    page.click(&id("preview-close", "")).await;

    // By words alone other passages are found, and not this one.
    choose(page, "none").await;
    attach(&desktop, page, &file).await;
    let given = ask(page, &server).await;
    assert!(given.contains("Greta wrote of northern storms") && self::number(&given).is_none(), "{given}");
    assert!(method(page).await.contains("by words alone"));
    window.close().await;
}

#[tokio::test]
async fn a_folder_gets_its_vectors_by_itself() {
    let server = Elsewhere::start([]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let folder = desktop.home.path().join("logbook");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("log.md"), log()).unwrap();
    let window = window(&desktop, &server).await;
    let page = &window.page;
    page.click(&id("nav-settings", "")).await;
    page.until("the settings say which model makes vectors", LONG, async || {
        page.text(&id("knowledge", ""))
            .await
            .contains("bert-F32 finds passages by what they mean")
            .then_some(())
    })
    .await;
    desktop.choose("Choose a folder", &folder, async || page.click(&id("knowledge-add", "")).await).await;
    page.until("the folder is read", LONG, async || {
        page.has(&id("knowledge-folder", "[data-state=\"ready\"]")).await.then_some(())
    })
    .await;

    page.press("\u{E009}n").await;
    page.click(&id("knowledge-menu", "")).await;
    page.click(&format!("{} input", id("knowledge-choice", ""))).await;
    page.press("\u{E00C}").await;
    page.until("its vectors are there", LONG, async || {
        let given = ask(page, &server).await;
        number(&given)
    })
    .await;
    let sources =
        page.value("return document.querySelectorAll(arguments[0]).length", json!([id("source-list", "")]));
    assert_ne!(sources.await, Value::from(0));
    window.close().await;
}
