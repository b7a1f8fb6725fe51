//! What strangers wrote for harm, in the real window: several hundred payloads as whole answers and as they stream, and a
//! page that a model made and the user looks at. Nothing gets out, nothing gets in.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use lantern_protocol::MessageStatus;
use lantern_store::{Exchange, Finish, Place, Question, Store};
use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

/// `tests/golden/xss/corpus.json`: payloads by class. `trap()` is what code would call, `HOST` what it would load from.
const CORPUS: &str = include_str!("../golden/xss/corpus.json");
/// So many payloads are streamed in one answer.
const TOGETHER: usize = 8;
/// Characters in one piece of a streamed answer.
const PIECE: usize = 5;

/// A page that tries every way out it knows, and tells the page around it what came of each.
const PAGE: &str = include_str!("../golden/xss/page.html");

/// A socket that counts who comes.
struct Lure {
    host: String,
    visits: Arc<AtomicUsize>,
}

impl Lure {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = visits.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { host, visits }
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn no_answer_of_the_corpus_runs_or_loads_anything() {
    let lure = Lure::start().await;
    let home = Home::empty();
    let payloads = payloads(&lure.host);
    assert!(payloads.len() >= 300, "the corpus has {} payloads only", payloads.len());
    store_answers(&home, &payloads);
    let desktop = Desktop::start(home).await;
    let window = desktop.open().await;
    let page = &window.page;
    set_trap(page).await;
    page.click(&id("conversation-open", "")).await;
    page.wait(&id("message-assistant", "")).await;
    let seen = walk(page).await;
    assert_eq!(seen, payloads.len(), "not every answer came into view");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_untouched(page, &lure).await;
    window.close().await;
}

#[tokio::test]
async fn no_answer_of_the_corpus_runs_or_loads_anything_as_it_streams() {
    let lure = Lure::start().await;
    let payloads = payloads(&lure.host);
    let answers: Vec<String> = payloads.chunks(TOGETHER).map(|some| some.join("\n\n")).collect();
    let url = serve_answers(answers.clone()).await;
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.invoke("add_remote_server", json!({"server": {"name": "box", "url": url, "key": ""}}))
        .await
        .expect("the server is added");
    set_trap(page).await;
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("remote-server", "[data-state=\"reachable\"]")).await;
    page.click(&id("new-chat", "")).await;
    page.click(&id("model-picker", "")).await;
    page.click(&id("model-option", "[data-model=\"box/words\"]")).await;
    for number in 0..answers.len() {
        page.send(&format!("number {number}")).await;
        let asked = format!("answer {number} is there");
        page.until(&asked, Duration::from_secs(30), async || {
            let script = "const all = [...document.querySelectorAll('[data-testid=message-user]')];
                const last = all.at(-1)?.innerText ?? '';
                const answer = [...document.querySelectorAll('[data-testid=message-assistant]')].at(-1);
                return last.includes(arguments[0]) && answer?.dataset.status !== 'streaming' && !!answer?.dataset.status";
            (page.value(script, json!([format!("number {number}")])).await == json!(true)).then_some(())
        })
        .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_untouched(page, &lure).await;
    window.close().await;
}

#[tokio::test]
async fn a_page_that_a_model_made_reaches_nothing() {
    let lure = Lure::start().await;
    let home = Home::empty();
    let made = PAGE.replace("HOST", &lure.host);
    store_answers(&home, &[format!("```html\n{made}\n```")]);
    let desktop = Desktop::start(home).await;
    let window = desktop.open().await;
    let page = &window.page;
    set_trap(page).await;
    page.value(
        "window.said = []; addEventListener('message', ({ data, origin }) => {
            if (Array.isArray(data)) window.said.push([...data, origin]) })",
        json!([]),
    )
    .await;
    let before = page.invoke("get_settings", json!({})).await.unwrap();
    page.click(&id("conversation-open", "")).await;
    page.click("[data-preview=\"html\"]").await;
    let said = page
        .until("the made page has tried everything", Duration::from_secs(30), async || {
            let said: Vec<(String, String, String)> =
                serde_json::from_value(page.value("return window.said", json!([])).await).unwrap();
            said.iter().any(|(way, _, _)| way == "end").then_some(said)
        })
        .await;
    page.picture("artifact").await;
    // Its last ways are to leave for another address.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let count = said.len();
    assert!(count >= 25, "it tried {count} ways only: {said:?}");
    for (way, result, origin) in &said {
        assert_eq!(origin, "null", "{way} came from an origin that is somebody's");
        if way != "end" && way != "own script" {
            assert_eq!(result, "refused", "{way}: {said:?}");
        }
    }
    assert!(said.iter().any(|(way, result, _)| way == "own script" && result == "ran"), "{said:?}");
    assert_shut(page, &lure).await;
    assert_eq!(page.invoke("get_settings", json!({})).await.unwrap(), before, "it changed the settings");
    assert!(page.has(&id("artifact-panel", "")).await, "the window has left its page");
    window.close().await;
}

/// Every payload, with the address that it would load from.
fn payloads(host: &str) -> Vec<String> {
    let classes: Vec<Value> = serde_json::from_str(CORPUS).unwrap();
    let of = |class: &Value| serde_json::from_value::<Vec<String>>(class["payloads"].clone()).unwrap();
    classes.iter().flat_map(of).map(|payload| payload.replace("HOST", host)).collect()
}

/// Puts what code would call into the page, and notes every violation of the policy: an attempt is one too many.
async fn set_trap(page: &Page) {
    let script = "window.taken = []; window.violations = [];
        window.trap = () => { window.taken.push(new Error().stack) };
        document.addEventListener('securitypolicyviolation', (event) =>
          window.violations.push(event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sample))";
    page.value(script, json!([])).await;
}

/// Scrolls from the end of a conversation to its beginning; gives the number of answers that were drawn.
async fn walk(page: &Page) -> usize {
    let script = "const list = document.querySelector('[data-testid=message-list]');
        const seen = new Set();
        const pause = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
        window.walked = null;
        (async () => {
          for (let still = 0; still < 8; ) {
            for (const one of list.querySelectorAll('[data-testid=message-assistant]')) {
              if (seen.has(one.dataset.messageId)) continue;
              seen.add(one.dataset.messageId);
              one.querySelectorAll('a, img, .md-mark button').forEach((element) => element.click());
            }
            const before = list.scrollTop;
            list.scrollTop = before - list.clientHeight / 2;
            await pause();
            still = before === 0 && list.scrollTop === 0 ? still + 1 : 0;
          }
          window.walked = seen.size;
        })()";
    page.value(script, json!([])).await;
    let walked = page.until("the beginning is reached", Duration::from_secs(120), async || {
        page.value("return window.walked", json!([])).await.as_u64()
    });
    usize::try_from(walked.await).unwrap()
}

async fn assert_untouched(page: &Page, lure: &Lure) {
    let violations = page.value("return violations", json!([])).await;
    assert_eq!(violations, json!([]), "something tried what the policy forbids");
    assert_shut(page, lure).await;
}

/// Whatever was tried, nothing came of it.
async fn assert_shut(page: &Page, lure: &Lure) {
    let state = page.value("return { taken, at: location.href }", json!([])).await;
    assert_eq!(state["taken"], json!([]), "something ran");
    assert!(
        state["at"].as_str().unwrap().starts_with("tauri://localhost"),
        "the window shows {}",
        state["at"]
    );
    assert_eq!(lure.visits(), 0, "something was loaded from another host");
}

/// A conversation with these answers, as if a model had written them.
fn store_answers(home: &Home, answers: &[String]) {
    std::fs::create_dir_all(home.data()).unwrap();
    let mut store = Store::open(&home.data()).unwrap().store;
    let mut place = Place::New { title: "Dangerous".into() };
    for answer in answers {
        let question = Question::New { place, content: "Say something dangerous.".into() };
        let asked = store.ask(&Exchange { question, model: None, keep_model: false }).unwrap();
        store.append(&asked.assistant_message.id, answer).unwrap();
        let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
        store.finish(&asked.assistant_message.id, &finish).unwrap();
        place = Place::End { conversation_id: asked.conversation.id };
    }
}

/// A server that gives one answer after the other, in small pieces.
async fn serve_answers(answers: Vec<String>) -> String {
    let next = Arc::new(AtomicUsize::new(0));
    let answer = move || {
        let answers = answers.clone();
        let next = next.clone();
        async move {
            let answer = answers.get(next.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or_default();
            let letters: Vec<char> = answer.chars().collect();
            let mut lines: Vec<String> = letters
                .chunks(PIECE)
                .map(|piece| json!({"choices": [{"delta": {"content": piece.iter().collect::<String>()}}]}))
                .map(|event| format!("data: {event}\n\n"))
                .collect();
            lines.push(format!("data: {}\n\n", json!({"choices": [{"delta": {}, "finish_reason": "stop"}]})));
            lines.push("data: [DONE]\n\n".into());
            let paced = futures::stream::unfold(lines.into_iter(), async |mut lines| {
                let line = lines.next()?;
                tokio::time::sleep(Duration::from_millis(4)).await;
                Some((Ok::<_, std::io::Error>(line), lines))
            });
            axum::body::Body::from_stream(paced)
        }
    };
    let models = async || Json(json!({"data": [{"id": "words", "max_model_len": 65536}]}));
    let server = Router::new().route("/v1/models", get(models)).route("/v1/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, server).await });
    url
}
