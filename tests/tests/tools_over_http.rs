//! Servers of tools over HTTP in the real window: the protocol's own test server, one that wants its user signed in with the
//! system's browser, and what is shown of an answer that calls more often than it may.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::Duration;

use lantern_tests::browser::Browser;
use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::eventually;
use lantern_tests::home::{Home, free_port};
use lantern_tests::page::{Page, id};
use lantern_tests::processes::Running;
use lantern_tests::programs::mcp_server;
use lantern_tests::tool_server::ToolServer;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(120);
const ESCAPE: &str = "\u{E00C}";

/// Fills the form for a server at an address, looks at what would be connected to, and adds it.
async fn add(page: &Page, name: &str, url: &str, header: &str) {
    page.click(&id("nav-settings", "")).await;
    page.fill(&id("tool-add-name", ""), name).await;
    let kind = "const list = document.querySelector(arguments[0]);
        list.value = 'http';
        list.dispatchEvent(new Event('change', { bubbles: true }))";
    page.value(kind, json!([id("tool-add-kind", "")])).await;
    page.fill(&id("tool-add-url", ""), url).await;
    page.fill(&id("tool-add-values", ""), header).await;
    page.click(&id("tool-add-review", "")).await;
    page.wait(&id("tool-review", "")).await;
    let shown = page.text(&id("tool-review", "")).await;
    assert!(shown.contains(url) && shown.contains(header), "the whole of it is shown:\n{shown}");
    page.pictures(&format!("tool-review-{name}")).await;
    page.click(&id("confirm-accept", "")).await;
}

fn server(name: &str, more: &str) -> String {
    format!("{} {}", id("tool-server", &format!("[data-server=\"{name}\"]")), more).trim().to_owned()
}

async fn state(page: &Page, name: &str, wanted: &str) {
    page.until(&format!("the server is {wanted}"), LONG, async || {
        (page.attribute(&server(name, ""), "data-state").await? == wanted).then_some(())
    })
    .await;
}

/// A new chat that has this tool.
async fn chat_with(page: &Page, tool: &str) {
    page.press("\u{E009}n").await;
    page.click(&id("tool-menu", "[aria-expanded=\"false\"]")).await;
    let switch = id("tool-switch", &format!("[data-tool=\"{tool}\"]"));
    page.click(&switch).await;
    page.wait(&format!("{switch}:checked")).await;
    page.press(ESCAPE).await;
    page.wait_gone(&id("tool-menu-panel", "")).await;
}

/// What the model was told of the last result.
fn told(model: &Elsewhere) -> String {
    model.told()["content"].to_string()
}

async fn says(page: &Page, words: &str) {
    page.until(&format!("the answer is {words:?}"), LONG, async || {
        page.answer().await.contains(words).then_some(())
    })
    .await;
}

/// A window whose answers come from the script.
async fn window_with(desktop: &Desktop, model: &Elsewhere) -> lantern_tests::desktop::Window {
    let window = desktop.open().await;
    model.add_to(&window.page).await;
    window.page.set(json!({"writeTitles": false})).await;
    window.page.click(&id("first-run-skip", "")).await;
    window
}

#[tokio::test]
async fn the_protocols_own_server_is_called_over_http() {
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(mcp_server()).arg("streamableHttp").env("PORT", port.to_string());
    let _server = Running::start(node.stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("the server listens", LONG, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    let calls = Answer::Calls("echo", json!({"message": "lit"}));
    let model = Elsewhere::start([calls, Answer::Says("It is lit.".into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = window_with(&desktop, &model).await;
    let page = &window.page;
    add(page, "everything", &format!("http://127.0.0.1:{port}/mcp"), "X-Lamp=lit").await;
    state(page, "everything", "ready").await;

    chat_with(page, "echo").await;
    page.send("Say that it is lit.").await;
    page.wait(&id("tool-consent", "[data-tool=\"echo\"]")).await;
    assert_eq!(model.asked().len(), 1, "nothing was called before there was consent");
    page.consent("echo", "tool-consent-once").await;
    says(page, "It is lit.").await;
    page.click(&id("tool-call-toggle", "")).await;
    page.wait(&id("tool-call-details", "")).await;
    assert!(page.text(&id("tool-call-details", "")).await.contains("Echo: lit"));
    assert!(told(&model).contains("Echo: lit"), "{}", told(&model));
    window.close().await;
}

#[tokio::test]
async fn a_server_that_wants_a_user_is_signed_in_to_with_the_browser() {
    let calls = || Answer::Calls("lamp", json!({"owner": "Greta"}));
    let model = Elsewhere::start([]).await;
    let tools = ToolServer::start().await;
    let home = Home::empty();
    let browser = Browser::of(&home);
    let desktop = Desktop::start(home).await;
    let window = window_with(&desktop, &model).await;
    let page = &window.page;
    add(page, "lamps", &tools.url(), "X-Lamp=lit").await;
    state(page, "lamps", "sign_in").await;
    page.pictures("tool-sign-in").await;

    // Refused there, it is told here, and can be tried again.
    tools.deny(true);
    page.click(&server("lamps", &id("tool-server-sign-in", ""))).await;
    let refused = browser.go(&browser.visit(1).await).await;
    assert!(refused.contains("not signed in"), "{refused}");
    page.wait(&id("error-card", "[data-code=\"tool_server_sign_in_failed\"]")).await;
    assert!(page.text(&id("error-card", "")).await.contains("access_denied"), "it says why");
    tools.deny(false);
    page.click(&server("lamps", &id("tool-server-sign-in", ":not(:disabled)"))).await;
    let accepted = browser.go(&browser.visit(2).await).await;
    assert!(accepted.contains("You are signed in"), "{accepted}");
    state(page, "lamps", "ready").await;
    page.picture("tool-signed-in").await;

    model.then([calls(), Answer::Says("It is hers.".into())]);
    chat_with(page, "lamp").await;
    page.send("Whose lamp is it?").await;
    page.consent("lamp", "tool-consent-once").await;
    says(page, "It is hers.").await;
    assert!(told(&model).contains("The lamp of Greta."), "{}", told(&model));
    assert!(tools.lamps().iter().all(|lamp| lamp == "lit"), "the header goes with each: {:?}", tools.lamps());
    window.close().await;

    // Who is signed in stays it, and no page of the sign-in is opened again.
    let window = desktop.open().await;
    let page = &window.page;
    let before = tools.lamps().len();
    model.then([calls(), Answer::Says("Still hers.".into())]);
    page.click(&id("conversation-open", "")).await;
    page.wait(&id("tool-call", "[data-state=\"done\"]")).await;
    page.send("And now?").await;
    page.consent("lamp", "tool-consent-once").await;
    says(page, "Still hers.").await;
    assert!(tools.lamps().len() > before, "the server was called with what was kept");

    // A token that is spent is renewed, and nobody is asked.
    tools.spend();
    model.then([calls(), Answer::Says("Hers for good.".into())]);
    page.send("And for ever?").await;
    page.consent("lamp", "tool-consent-once").await;
    says(page, "Hers for good.").await;
    assert!(told(&model).contains("The lamp of Greta."), "{}", told(&model));
    assert_eq!(tools.refreshed(), 1);
    let visits = || std::fs::read_to_string(desktop.home.path().join("visits")).unwrap().lines().count();
    assert_eq!(visits(), 2, "the browser was opened once more");

    // Who signs out is forgotten, here and in the next window, until they sign in again.
    page.click(&id("nav-settings", "")).await;
    page.click(&server("lamps", &id("tool-server-sign-out", ""))).await;
    state(page, "lamps", "sign_in").await;
    page.picture("tool-signed-out").await;
    window.close().await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("nav-settings", "")).await;
    state(page, "lamps", "sign_in").await;
    page.click(&server("lamps", &id("tool-server-sign-in", ""))).await;
    browser.go(&browser.visit(3).await).await;
    state(page, "lamps", "ready").await;
    assert_eq!((tools.refreshed(), visits()), (1, 3));
    window.close().await;
}

/// The states of the calls that are shown, from the first to the last.
async fn calls(page: &Page) -> Value {
    let script = "return [...document.querySelectorAll(arguments[0])].map((call) => call.dataset.state)";
    page.value(script, json!([id("tool-call", "")])).await
}

#[tokio::test]
async fn an_answer_calls_no_more_often_than_it_may_and_goes_on_when_told_to() {
    let call = || Answer::Calls("calculator", json!({"expression": "6 * 7"}));
    let model = Elsewhere::start([call(), call(), call(), Answer::Says("It is 42.".into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = window_with(&desktop, &model).await;
    let page = &window.page;
    page.click(&id("nav-settings", "")).await;
    let rounds = id("setting", "[data-setting=\"tools.maxRounds\"]");
    page.fill(&format!("{rounds} input"), "2\u{E007}").await;
    page.until("the limit is kept", LONG, async || {
        let settings = page.invoke("get_settings", json!({})).await.unwrap();
        (settings["tools"]["maxRounds"] == 2).then_some(())
    })
    .await;
    chat_with(page, "calculator").await;
    page.send("What is six times seven?").await;
    page.consent("calculator", "tool-consent-chat").await;
    page.until("the third call is not run", LONG, async || {
        (calls(page).await == json!(["done", "done", "not_run"])).then_some(())
    })
    .await;
    page.wait(&id("tool-continue", "")).await;
    assert_eq!(model.asked().len(), 3, "nothing goes on by itself");
    page.pictures("tool-limit").await;

    page.click(&id("tool-continue", "")).await;
    says(page, "It is 42.").await;
    assert_eq!(calls(page).await, json!(["done", "done", "done"]));
    assert_eq!(model.asked().len(), 4);
    page.wait_gone(&id("tool-continue", "")).await;
    window.close().await;
}
