//! Lantern's page, in the words of its `data-testid`s (`ui/src/shared/testids.ts`).

use std::io::Write;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::desktop::pictures;
use crate::webdriver::{Element, Session};

/// How long anything may take that needs no model.
const SOON: Duration = Duration::from_secs(15);
/// How long a model may take to begin or to end a short answer, on two busy cores.
const ANSWER: Duration = Duration::from_secs(120);

/// The page in Lantern's window.
#[derive(Debug, Clone)]
pub struct Page {
    session: Session,
}

/// The selector for a `data-testid`, with more of a selector behind it: `id("message-user", "[data-status=complete]")`.
pub fn id(name: &str, more: &str) -> String {
    format!("[data-testid=\"{name}\"]{more}")
}

impl Page {
    /// The page of a session.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The driver's session, for what this type has no words for.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Waits until the page has its first data.
    pub async fn ready(&self) {
        self.wait(&id("app-shell", "[data-ready=\"true\"]")).await;
    }

    /// Waits until something is there.
    pub async fn wait(&self, selector: &str) -> Element {
        self.until(selector, SOON, async || self.session.find(selector).await).await
    }

    /// Waits until nothing of the kind is there.
    pub async fn wait_gone(&self, selector: &str) {
        let gone = async || self.session.find(selector).await.is_none().then_some(());
        self.until(&format!("{selector} goes away"), SOON, gone).await;
    }

    /// Scrolls a list of which only what is in sight is drawn, until `selector` is there and in its middle, as far as it can be: of
    /// what is half behind an edge, the driver clicks the half that is not seen.
    pub async fn scroll_to(&self, list: &str, selector: &str) {
        const STEP: &str = "const list = document.querySelector(arguments[0]);
            const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 1;
            list.scrollTop = atEnd ? 0 : list.scrollTop + list.clientHeight / 2;";
        self.until(&format!("{selector} is in {list}"), SOON, async || {
            if self.session.find(selector).await.is_none() {
                let _ = self.session.run(STEP, json!([list])).await;
                return None;
            }
            Some(())
        })
        .await;
        let script = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'center' })";
        self.value(script, json!([selector])).await;
    }

    /// Waits for an answer to a question about the page. In vain, it keeps a picture and tells what the page says.
    pub async fn until<T>(&self, what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.picture("failure").await;
        let said = self.session.run("return document.body.innerText", json!([])).await;
        panic!(
            "waited {limit:?} in vain: {what}. See {}. The page says:\n{}",
            pictures().join("failure.png").display(),
            said.unwrap_or_default().as_str().unwrap_or_default()
        );
    }

    /// Whether something is there now.
    pub async fn has(&self, selector: &str) -> bool {
        self.session.find(selector).await.is_some()
    }

    /// Waits for something that rests and clicks it; tries again while it moves or is covered, and when the click did not come to
    /// it: what moves between the button's going down and up is missed, and the driver does not know.
    pub async fn click(&self, selector: &str) {
        const PLACE: &str = "const box = document.querySelector(arguments[0])?.getBoundingClientRect();
            return box ? [box.x, box.y, box.width, box.height].map(Math.round) : null";
        let mut before = Value::Null;
        self.until(&format!("{selector} can be clicked"), SOON, async || {
            let element = self.session.find(selector).await?;
            let now = self.session.run(PLACE, json!([selector])).await.ok()?;
            if std::mem::replace(&mut before, now.clone()) != now {
                return None;
            }
            let can = self.session.await_click(&element).await.ok()?;
            self.session.click(&element).await.ok()?;
            if can { self.click_has_come(selector).await } else { Some(()) }
        })
        .await;
    }

    /// A page that has gone was clicked.
    async fn click_has_come(&self, selector: &str) -> Option<()> {
        for _ in 0..20 {
            if self.session.click_came().await.unwrap_or(true) {
                return Some(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        // Not as tests print, which is shown of those alone that fail.
        let _ = writeln!(std::io::stderr(), "a click did not come to {selector}");
        None
    }

    /// Gives the user's word on a call of a tool, and waits until it was heard.
    pub async fn consent(&self, tool: &str, button: &str) {
        let card = id("tool-consent", &format!("[data-tool=\"{tool}\"]"));
        self.wait(&card).await;
        self.click(&format!("{card} {}", id(button, ""))).await;
        self.wait_gone(&card).await;
    }

    /// Moves the mouse over something, which may bring out what can be done with it.
    pub async fn hover(&self, selector: &str) {
        let element = self.wait(selector).await;
        self.session.hover(&element).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types into a field, in the place of what is there.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.wait(selector).await;
        // The protocol's own way of emptying a field also takes the focus from it, which ends some edits.
        self.value("document.querySelector(arguments[0]).select()", json!([selector])).await;
        self.session.type_into(&element, text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses keys together, as `\u{E009}k` for Ctrl and K, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        self.session.press(keys).await.unwrap_or_else(|error| panic!("{keys:?} cannot be pressed: {error}"));
    }

    /// Writes with the keyboard, wherever the focus is.
    pub async fn write(&self, text: &str) {
        self.session.write(text).await.unwrap_or_else(|error| panic!("{text:?} cannot be written: {error}"));
    }

    /// Goes on with the Tab key until the focus is on what the selector finds, and gives how often it was pressed. Fails where
    /// the keyboard does not get there, or where nothing shows that it has.
    pub async fn tab_to(&self, selector: &str) -> usize {
        const PLACES: usize = 150;
        let here = "return document.activeElement?.matches(arguments[0]) ?? false";
        for pressed in 0..PLACES {
            if self.value(here, json!([selector])).await == json!(true) {
                let shown = "const style = getComputedStyle(document.activeElement);
                    const parent = getComputedStyle(document.activeElement.parentElement);
                    return document.activeElement.matches(':focus-visible')
                      && [style, parent].some((one) => one.outlineStyle !== 'none' || one.boxShadow !== 'none');";
                let shown = self.value(shown, json!([])).await;
                assert_eq!(shown, json!(true), "nothing shows that {selector} has the focus");
                return pressed;
            }
            self.press("\u{E004}").await;
        }
        self.picture("failure").await;
        panic!("{PLACES} times Tab do not lead to {selector}");
    }

    /// The text of the last element that the selector finds, as the person sees it; empty when there is none.
    pub async fn text(&self, selector: &str) -> String {
        let script = "const all = document.querySelectorAll(arguments[0]); return all[all.length - 1]?.innerText ?? ''";
        self.value(script, json!([selector])).await.as_str().unwrap_or_default().to_owned()
    }

    /// An attribute of the last element that the selector finds.
    pub async fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let script = "const all = document.querySelectorAll(arguments[0]);
            return all[all.length - 1]?.getAttribute(arguments[1]) ?? null";
        self.value(script, json!([selector, name])).await.as_str().map(str::to_owned)
    }

    /// What a script returns.
    pub async fn value(&self, script: &str, arguments: Value) -> Value {
        self.session
            .run(script, arguments)
            .await
            .unwrap_or_else(|error| panic!("the page refused {script}: {error}"))
    }

    /// Calls one of the window's commands, past the page's own code.
    pub async fn invoke(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let script = "const [command, given, done] = arguments;
            window.__TAURI_INTERNALS__.invoke(command, given).then((ok) => done({ ok: ok ?? null }), (error) => done({ error }))";
        let reply = self.session.run_async(script, json!([command, arguments])).await;
        let mut reply = reply.unwrap_or_else(|error| panic!("{command} gave no answer: {error}"));
        if reply.get("error").is_some() { Err(reply["error"].take()) } else { Ok(reply["ok"].take()) }
    }

    /// Changes settings.
    pub async fn set(&self, patch: Value) {
        let reply = self.invoke("update_settings", json!({"patch": patch})).await;
        reply.unwrap_or_else(|error| panic!("the settings were refused: {error}"));
    }

    /// Answers that are always the same and not longer than this.
    pub async fn set_answers(&self, tokens: u32) {
        self.set(json!({"sampling": {"temperature": 0.0, "maxTokens": tokens}})).await;
    }

    /// Writes a message and sends it with the keyboard.
    pub async fn send(&self, text: &str) {
        let selector = id("composer", "");
        self.fill(&selector, &format!("{text}\u{E007}")).await;
    }

    /// Waits until the last answer has begun.
    pub async fn wait_for_text(&self) {
        self.until("the answer begins", ANSWER, async || (!self.answer().await.is_empty()).then_some(()))
            .await;
    }

    /// Waits until the last answer has ended, and gives its status.
    pub async fn wait_for_end(&self) -> String {
        self.until("the answer ends", ANSWER, async || {
            self.status().await.filter(|status| status != "streaming")
        })
        .await
    }

    /// The status of the last answer.
    pub async fn status(&self) -> Option<String> {
        self.attribute(&id("message-assistant", ""), "data-status").await
    }

    /// The text of the last answer.
    pub async fn answer(&self) -> String {
        self.text(&format!("{} {}", id("message-assistant", ""), id("markdown", ""))).await
    }

    /// Notes each change of the last answer's text from now on: polling would miss most of them.
    pub async fn watch_answer(&self) {
        let script = "window.answerLengths = [];
            const note = () => {
              const all = document.querySelectorAll(arguments[0]);
              const length = all[all.length - 1]?.textContent.length ?? 0;
              const noted = window.answerLengths;
              if (length > 0 && noted[noted.length - 1]?.[1] !== length) noted.push([performance.now(), length]);
            };
            new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true })";
        let selector = format!("{} {}", id("message-assistant", ""), id("markdown", ""));
        self.value(script, json!([selector])).await;
    }

    /// What has been noted: milliseconds and length of the text.
    pub async fn watched(&self) -> Vec<(f64, u64)> {
        let noted = self.value("return window.answerLengths", json!([])).await;
        serde_json::from_value(noted).expect("pairs of numbers")
    }

    /// Keeps pictures of the window, small and large, light and dark.
    pub async fn pictures(&self, name: &str) {
        for theme in ["light", "dark"] {
            self.set(json!({"theme": theme})).await;
            for (width, height) in [(1280, 800), (800, 600)] {
                self.resize(width, height).await;
                // Colours fade into each other.
                tokio::time::sleep(Duration::from_millis(400)).await;
                self.picture(&format!("{name}-{theme}-{width}x{height}")).await;
            }
        }
        self.resize(1180, 780).await;
    }

    /// Gives the window another size, and waits until the page has it: a click meant for the old one would miss.
    pub async fn resize(&self, width: u32, height: u32) {
        self.session
            .resize(width, height)
            .await
            .unwrap_or_else(|error| panic!("the window keeps its size: {error}"));
        let fits = format!("the window is {width} wide");
        self.until(&fits, SOON, async || {
            let inner = self.value("return innerWidth", json!([])).await;
            (inner == json!(width)).then_some(())
        })
        .await;
    }

    /// Keeps one picture of the window as it is.
    pub async fn picture(&self, name: &str) {
        // What the driver gets is the last frame drawn, which may be older than what the page now holds.
        let script = "const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
            setTimeout(() => done(false), 3000)";
        let _ = self.session.run_async(script, json!([])).await;
        let base64 = self.session.screenshot().await.unwrap_or_else(|error| panic!("no picture: {error}"));
        let png = BASE64_STANDARD.decode(&base64).expect("the protocol says base64");
        assert!(png.starts_with(b"\x89PNG"), "the driver's picture is no PNG");
        std::fs::write(pictures().join(format!("{name}.png")), png)
            .expect("the target folder can be written");
    }
}
