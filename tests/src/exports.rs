//! Files of conversations taken into the window by the menu above the list and the system's dialog.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desktop::Desktop;
use crate::page::{Page, id};

/// How long a file may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes in a file, or a folder of them, and waits for the report; it stays open.
pub async fn take_in(desktop: &Desktop, page: &Page, path: &Path) {
    let (entry, title) = match path.is_dir() {
        true => ("menu-import-folder", "Choose a folder"),
        false => ("menu-import", "Choose exports of conversations"),
    };
    let ask = async || {
        page.click(&id("list-menu", "")).await;
        page.click(&id(entry, "")).await;
    };
    desktop.choose(title, path, ask).await;
    let report = id("import-report", "");
    page.until("the report is there", PATIENCE, async || page.has(&report).await.then_some(())).await;
}

/// Closes the report, and gives what it said.
pub async fn close_report(page: &Page) -> String {
    let report = page.text(&id("import-report", "")).await;
    page.click(&id("import-report-close", "")).await;
    page.wait_gone(&id("import-report", "")).await;
    report
}

/// What is in the window, whatever the ids are here: of each conversation its title, then role, words and model of each message.
pub async fn everything(page: &Page) -> Value {
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    let mut found = Vec::new();
    for row in all.as_array().unwrap() {
        let id = &row["conversation"]["id"];
        let view = page.invoke("get_conversation", json!({"id": id})).await.unwrap();
        let messages = view["messages"].as_array().unwrap().iter();
        let words: Vec<Value> =
            messages.map(|one| json!([one["role"], one["content"], one["model"]])).collect();
        found.push(json!([row["conversation"]["title"], words]));
    }
    Value::Array(found)
}
