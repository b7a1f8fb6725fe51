//! What a model writes stays words: in the real window, no answer runs code, loads anything or leads away.
#![cfg(target_os = "linux")]

use lantern_protocol::MessageStatus;
use lantern_store::{Exchange, Finish, Place, Question, Store};
use lantern_tests::desktop::Desktop;
use lantern_tests::home::{Home, free_port};
use lantern_tests::page::id;
use serde_json::json;

/// Things that have turned text into code in programs of this kind.
const ANSWER: &str = r#"
<script>window.taken = 'script'</script>
<img src=x onerror="window.taken = 'onerror'">
<svg onload="window.taken = 'svg'"></svg>
<iframe srcdoc="<script>parent.taken = 'iframe'</script>"></iframe>
[click me](javascript:window.taken='link')
[a file](file:///etc/passwd)
![remote](http://127.0.0.1:PORT/remote.png)
<a href="http://127.0.0.1:PORT/away" id="away">away</a>

[the web](http://127.0.0.1:PORT/page)

harmless words at the end
"#;

#[tokio::test]
async fn an_answer_runs_nothing_and_loads_nothing() {
    let home = Home::with_starter();
    let port = free_port();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    store_answer(&home, &ANSWER.replace("PORT", &port.to_string()));
    let desktop = Desktop::start(home).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("conversation-open", "")).await;
    page.wait(&id("message-assistant", "")).await;
    assert!(page.answer().await.contains("harmless words at the end"));

    // Everything that can be clicked is clicked.
    let script =
        "document.querySelectorAll(arguments[0] + ' a, ' + arguments[0] + ' img').forEach((e) => e.click())";
    page.value(script, json!([id("markdown", "")])).await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(page.value("return window.taken ?? null", json!([])).await, json!(null), "an answer ran code");
    let own = page.value("return location.href", json!([])).await;
    assert!(own.as_str().unwrap().starts_with("tauri://localhost"), "the window now shows {own}");
    let asked = tokio::time::timeout(std::time::Duration::from_millis(300), listener.accept()).await;
    assert!(asked.is_err(), "the window loaded something from another host");
    window.close().await;
}

#[tokio::test]
async fn the_page_may_reach_nothing_but_lantern() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());

    let script =
        "const [url, done] = arguments; fetch(url).then(() => done('fetched'), () => done('refused'))";
    let fetched = page.session().run_async(script, json!([url])).await.unwrap();
    assert_eq!(fetched, "refused", "the content security policy lets the page reach other hosts");

    let script = "const done = arguments[0];
        document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
        const code = document.createElement('script');
        code.textContent = 'window.taken = true';
        document.body.append(code);
        setTimeout(() => done('nothing'), 2000)";
    let stopped = page.session().run_async(script, json!([])).await.unwrap();
    assert!(stopped.as_str().unwrap().starts_with("script-src"), "inline code was stopped by {stopped}");
    assert_eq!(page.value("return window.taken ?? null", json!([])).await, json!(null));

    // Nothing but Lantern's own commands and the dialog for opening a file.
    for command in
        ["plugin:opener|open_url", "plugin:opener|open_path", "plugin:dialog|save", "plugin:window|close"]
    {
        assert!(
            page.invoke(command, json!({"url": url, "path": "/"})).await.is_err(),
            "{command} is allowed"
        );
    }
    let refused = page.invoke("open_link", json!({"url": "file:///etc/passwd"})).await.unwrap_err();
    assert_eq!(refused["code"], "link_not_allowed");
    window.close().await;
}

/// Puts a conversation with this answer into the database, as if a model had written it.
fn store_answer(home: &Home, answer: &str) {
    std::fs::create_dir_all(home.data()).unwrap();
    let mut store = Store::open(&home.data()).unwrap().store;
    let place = Place::New { title: "Dangerous".into() };
    let question = Question::New { place, content: "Say something dangerous.".into() };
    let asked = store.ask(&Exchange { question, model: None, keep_model: false }).unwrap();
    store.append(&asked.assistant_message.id, answer).unwrap();
    let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
    store.finish(&asked.assistant_message.id, &finish).unwrap();
}
