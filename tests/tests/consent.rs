//! Tools in the real window: a server is added with its whole command in sight, each chat has the tools that it was given, nothing
//! runs before the user has said so, and what came of it can be looked at.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use lantern_tests::programs::mcp_server;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(180);
const ESCAPE: &str = "\u{E00C}";

/// Opens the menu of tools of the open chat.
async fn menu(page: &Page) {
    page.click(&id("tool-menu", "[aria-expanded=\"false\"]")).await;
    page.wait(&id("tool-menu-panel", "")).await;
}

/// Switches what the selector finds in the menu, and waits until that is kept.
async fn switch(page: &Page, selector: &str) {
    page.click(selector).await;
    page.wait(&format!("{selector}:checked")).await;
}

/// The protocol's own test server and a real model, which is too small to think of a tool: the chat begins each answer with one.
#[tokio::test]
async fn a_server_is_looked_at_added_chosen_and_called_with_consent() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set(json!({"sampling": {"temperature": 0.3, "seed": 1, "maxTokens": 300}})).await;
    page.click(&id("nav-settings", "")).await;
    let program = mcp_server();
    let program = program.to_str().unwrap();
    let servers = json!({"mcpServers": {"everything":
        {"command": "node", "args": [program, "stdio"], "env": {"LAMP": "lit and kept"}}}});
    let paste = "const field = document.querySelector(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event('input', { bubbles: true }))";
    page.wait(&id("tool-add-paste", "")).await;
    page.value(paste, json!([id("tool-add-paste", ""), servers.to_string()])).await;
    page.click(&id("tool-add-review", "")).await;
    page.wait(&id("tool-review", "")).await;
    let shown = page.text(&id("tool-review", "")).await;
    for part in ["node", program, "stdio", "LAMP=lit and kept", "all your rights"] {
        assert!(shown.contains(part), "{part:?} is not in what would run:\n{shown}");
    }
    page.pictures("tool-review").await;
    page.click(&id("confirm-cancel", "")).await;
    page.wait_gone(&id("tool-review", "")).await;
    assert!(!page.has(&id("tool-server", "[data-server=\"everything\"]")).await, "it was refused");
    page.click(&id("tool-add-review", "")).await;
    page.click(&id("confirm-accept", "")).await;
    let server = id("tool-server", "[data-server=\"everything\"]");
    page.until("the server is ready", LONG, async || {
        (page.attribute(&server, "data-state").await? == "ready").then_some(())
    })
    .await;

    page.press("\u{E009}n").await;
    menu(page).await;
    switch(page, &id("tool-switch", "[data-tool=\"echo\"]")).await;
    switch(page, &id("tool-required", "")).await;
    page.pictures("tool-menu").await;
    page.press(ESCAPE).await;
    page.wait_gone(&id("tool-menu-panel", "")).await;
    page.send("Use the echo tool to say hello.").await;
    let card = id("tool-consent", "[data-tool=\"echo\"]");
    page.until("it asks", LONG, async || page.has(&card).await.then_some(())).await;
    let arguments: Value = serde_json::from_str(&page.text(&format!("{card} pre")).await).unwrap();
    let words = arguments["message"].as_str().expect("the schema wants a message").to_owned();
    assert!(page.text(&card).await.contains("everything"), "it says whose tool it is");
    page.pictures("tool-consent").await;
    page.consent("echo", "tool-consent-once").await;
    page.wait(&id("tool-call", "[data-state=\"done\"][data-tool=\"echo\"]")).await;
    page.click(&id("tool-call-toggle", "")).await;
    page.wait(&id("tool-call-details", "")).await;
    let details = page.text(&id("tool-call-details", "")).await;
    assert!(details.contains(&format!("Echo: {}", words.trim())), "{words:?} was sent; shown is {details}");
    page.wait_for_end().await;
    page.pictures("tool-result").await;

    page.click(&id("nav-settings", "")).await;
    page.click(&format!("{server} {}", id("tool-server-remove", ""))).await;
    page.click(&id("confirm-accept", "")).await;
    page.wait_gone(&server).await;
    window.close().await;
}

/// Asks, and gives the consent that the test wants; `None` where nothing may be asked.
async fn ask(page: &Page, server: &Elsewhere, consent: Option<&str>) {
    let before = server.asked().len();
    server.then([
        Answer::Calls("calculator", json!({"expression": "6 * 7"})),
        Answer::Says(format!("Said number {before}.")),
    ]);
    page.send("What is six times seven?").await;
    if let Some(consent) = consent {
        page.wait(&id("tool-consent", "[data-tool=\"calculator\"]")).await;
        assert_eq!(server.asked().len(), before + 1, "the model heard of a result before there was consent");
        page.consent("calculator", consent).await;
    }
    page.until("the answer has its end", LONG, async || {
        page.answer().await.contains(&format!("Said number {before}.")).then_some(())
    })
    .await;
    assert_eq!(server.asked().len(), before + 2);
    let told = server.told();
    assert_eq!(told["role"], "tool");
    let denied = consent == Some("tool-consent-deny");
    assert_eq!(told["content"].as_str().unwrap().contains("42"), !denied, "{told}");
}

#[tokio::test]
async fn consent_is_for_once_for_a_chat_or_for_good_and_can_be_refused_and_taken_back() {
    let server = Elsewhere::start([]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.click(&id("first-run-skip", "")).await;
    menu(page).await;
    let calculator = id("tool-switch", "[data-tool=\"calculator\"]");
    switch(page, &calculator).await;
    page.press(ESCAPE).await;

    ask(page, &server, Some("tool-consent-deny")).await;
    page.wait(&id("tool-call", "[data-state=\"denied\"]")).await;
    ask(page, &server, Some("tool-consent-once")).await;
    page.wait(&id("tool-call", "[data-state=\"done\"]")).await;
    ask(page, &server, Some("tool-consent-chat")).await;
    ask(page, &server, None).await;
    // Another chat asks again, and has tools of its own.
    page.press("\u{E009}n").await;
    page.wait(&id("empty-chat", "")).await;
    ask(page, &server, Some("tool-consent-always")).await;
    ask(page, &server, None).await;
    menu(page).await;
    page.click(&calculator).await;
    page.wait(&format!("{calculator}:not(:checked)")).await;
    page.press(ESCAPE).await;
    server.then([Answer::Says("Nothing to call.".into())]);
    page.send("And now?").await;
    page.until("the answer comes without", LONG, async || {
        page.answer().await.contains("Nothing to call.").then_some(())
    })
    .await;
    assert_eq!(server.asked().pop().unwrap()["tools"], Value::Null, "a tool that is off is not offered");
    window.close().await;

    // All of it is kept, and what was allowed for good can be taken back.
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("nav-settings", "")).await;
    page.click(&format!("{} summary", id("tool-server-tools", ""))).await;
    page.click(&id("tool-ask-again", "")).await;
    page.wait_gone(&id("tool-ask-again", "")).await;
    page.press("\u{E009}n").await;
    page.wait(&id("empty-chat", "")).await;
    ask(page, &server, Some("tool-consent-once")).await;
    page.until("the first chat is the third in the list", LONG, async || {
        let script = "const rows = document.querySelectorAll(arguments[0]);
            rows[2]?.click();
            return rows.length";
        (page.value(script, json!([id("conversation-open", "")])).await == 3).then_some(())
    })
    .await;
    page.wait(&id("tool-call", "[data-state=\"denied\"]")).await;
    page.click(&id("tool-call-toggle", "")).await;
    page.pictures("tool-denied").await;
    window.close().await;
}

/// Asks; the model calls this tool, and the user lets it. Gives what the model was told.
async fn call(page: &Page, server: &Elsewhere, tool: &'static str, arguments: Value) -> String {
    let before = server.asked().len();
    let end = format!("Said number {before}.");
    server.then([Answer::Calls(tool, arguments), Answer::Says(end.clone())]);
    page.send("Look, please.").await;
    page.consent(tool, "tool-consent-once").await;
    page.until("the answer has its end", LONG, async || page.answer().await.contains(&end).then_some(()))
        .await;
    server.told()["content"].to_string()
}

#[tokio::test]
async fn lanterns_own_tools_see_the_clock_an_allowed_folder_and_earlier_conversations() {
    let server = Elsewhere::start([Answer::Says("The tower of Cordouan was lit in 1611.".into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let papers = desktop.home.path().join("papers");
    std::fs::create_dir(&papers).unwrap();
    std::fs::write(papers.join("log.txt"), "The wick was trimmed.").unwrap();
    std::fs::write(desktop.home.path().join("private.txt"), "The key is under the stone.").unwrap();
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.set(json!({"writeTitles": false})).await;
    page.click(&id("first-run-skip", "")).await;
    page.send("When was Cordouan lit?").await;
    page.wait_for_end().await;

    page.press("\u{E009}n").await;
    page.wait(&id("empty-chat", "")).await;
    menu(page).await;
    for tool in ["date_and_time", "search_conversations"] {
        switch(page, &id("tool-switch", &format!("[data-tool=\"{tool}\"]"))).await;
    }
    let read = id("tool-switch", "[data-tool=\"read_file\"]");
    assert!(!page.has(&read).await, "no folder is allowed yet");
    page.press(ESCAPE).await;
    page.click(&id("nav-settings", "")).await;
    let folder = id("setting", "[data-setting=\"tools.folder\"]");
    page.fill(&format!("{folder} textarea"), &format!("{}\u{E004}", papers.display())).await;
    page.until("the folder is kept", LONG, async || {
        let settings = page.invoke("get_settings", json!({})).await.unwrap();
        (settings["tools"]["folder"] == json!(papers)).then_some(())
    })
    .await;
    page.click(&id("new-chat", "")).await;
    menu(page).await;
    switch(page, &read).await;
    page.pictures("tools-of-lantern").await;
    page.press(ESCAPE).await;

    let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let year = (1970 + since_1970 / 31_556_952).to_string();
    let told = call(page, &server, "date_and_time", json!({})).await;
    assert!(told.contains(&year), "{year}: {told}");
    let told = call(page, &server, "search_conversations", json!({"query": "Cordouan"})).await;
    assert!(told.contains("1611") || told.contains("When was"), "{told}");
    let told = call(page, &server, "read_file", json!({"file": "log.txt"})).await;
    assert!(told.contains("The wick was trimmed."), "{told}");
    let told = call(page, &server, "read_file", json!({"file": "../private.txt"})).await;
    assert!(!told.contains("stone"), "what lies outside stays unread: {told}");
    page.wait(&id("tool-call", "[data-tool=\"read_file\"][data-state=\"failed\"]")).await;
    window.close().await;
}
