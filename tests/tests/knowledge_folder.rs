//! A folder of documents that conversations search, in the real window: added, read by itself, cited down to the passage, read
//! again when something in it changes, forgotten.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};

/// Folders are looked at every few seconds, and this machine may be busy.
const LONG: Duration = Duration::from_secs(180);

/// Asks; what the answer says is that it cites source 1.
async fn ask(page: &Page, server: &Elsewhere, question: &str) {
    server.then([Answer::Says(format!("As it is written [1]: {question}"))]);
    page.send(question).await;
    page.until("the answer is there", LONG, async || page.answer().await.contains(question).then_some(()))
        .await;
}

/// The folder has been read, and has as many files as this.
async fn is_ready(page: &Page, files: &str) {
    page.until(&format!("the folder is read, {files}"), LONG, async || {
        let ready = page.has(&id("knowledge-folder", "[data-state=\"ready\"]")).await;
        (ready && page.text(&id("knowledge-folder", "")).await.contains(files)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_is_read_cited_and_read_again_when_it_changes() {
    let server = Elsewhere::start([]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let folder = desktop.home.path().join("logbook");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("keeper.md"), "# Keeper\n\nThe keeper of the tower is called Greta.\n")
        .unwrap();
    std::fs::write(folder.join("oil.txt"), "The oil is brought on Tuesdays by a boat.\n").unwrap();

    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.click(&id("first-run-skip", "")).await;
    page.click(&id("knowledge-menu", "")).await;
    page.click(&id("knowledge-manage", "")).await;
    desktop.choose("Choose a folder", &folder, async || page.click(&id("knowledge-add", "")).await).await;
    is_ready(page, "2 files").await;
    page.pictures("knowledge").await;

    page.click(&id("new-chat", "")).await;
    page.click(&id("knowledge-menu", "")).await;
    page.click(&format!("{} input", id("knowledge-choice", ""))).await;
    page.press("\u{E00C}").await;
    ask(page, &server, "What is the keeper of the tower called?").await;
    page.wait(&id("source-seen", "[data-seen=\"passages\"]")).await;
    page.click(&format!("{} .md-cite", id("markdown", ""))).await;
    page.wait(&id("preview-mark", "")).await;
    assert!(page.text(&id("preview-mark", "")).await.contains("Greta"));
    assert!(page.text(&id("preview", "")).await.contains("keeper.md"), "it says which file");
    page.pictures("knowledge-cited").await;
    page.click(&id("preview-close", "")).await;

    // The folder changes while the window is open: one file says something else, one is new, one is gone.
    std::fs::write(folder.join("keeper.md"), "# Keeper\n\nThe keeper of the tower is called Henrike.\n")
        .unwrap();
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    std::fs::write(folder.join("deep/lens.txt"), "The lens was ground in Paris.\n").unwrap();
    std::fs::remove_file(folder.join("oil.txt")).unwrap();
    page.until("what the folder says now is found", LONG, async || {
        let before = server.asked().len();
        ask(page, &server, "What is the keeper of the tower called?").await;
        server.asked().get(before)?.to_string().contains("Henrike").then_some(())
    })
    .await;
    ask(page, &server, "Where was the lens ground?").await;
    assert!(server.asked().pop().unwrap().to_string().contains("Paris"));
    ask(page, &server, "Who brings the oil on Tuesdays?").await;
    let asked = server.told().to_string();
    assert!(!asked.contains("by a boat"), "what is gone is not cited: {asked}");

    page.click(&id("nav-settings", "")).await;
    is_ready(page, "2 files").await;
    page.click(&id("knowledge-remove", "")).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&id("knowledge-folder", "")).await;
    assert!(folder.join("deep/lens.txt").exists(), "the user's files are theirs");
    window.close().await;
}
