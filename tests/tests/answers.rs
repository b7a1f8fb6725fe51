//! What is in an answer and what can be done with it, in the real window: thoughts that fold, code that is wrapped and copied, a
//! link that is looked at first, a preview with its source, and the same question to another model.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use lantern_tests::programs::STARTER;
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

const ANSWER: &str = "<think>It asks for the lamp.\n\nIt is lit.</think>The lamp[^1], see [here](https://example.org/lamp).

```rust
fn main() { println!(\"a very long line that does not fit beside anything else, because it goes on and on and on and on\"); }
```

```html
<h1>Lit</h1>
```

[^1]: Of 1611.";

async fn ask(page: &Page, question: &str) {
    page.send(question).await;
    page.wait_for_text().await;
    page.wait_for_end().await;
}

#[tokio::test]
async fn thoughts_code_links_and_previews_open_when_they_are_asked_to() {
    let server = Elsewhere::start([Answer::Says(ANSWER.into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    ask(page, "The lamp?").await;

    assert!(!page.answer().await.contains("It asks"), "thoughts are no part of the answer");
    page.click(&id("thinking-toggle", "[aria-expanded=\"false\"]")).await;
    page.wait(&format!("{} li:nth-child(2)", id("thinking", ""))).await;
    page.picture("thoughts").await;
    page.click(&id("thinking-toggle", "[aria-expanded=\"true\"]")).await;
    page.wait_gone(&format!("{} li", id("thinking", ""))).await;

    let overflow = async || {
        let script = "const code = document.querySelector('[data-testid=markdown] pre');
            const inner = code.querySelector('code');
            return Math.max(code.scrollWidth - code.clientWidth, inner.scrollWidth - inner.clientWidth)";
        page.value(script, json!([])).await.as_i64().unwrap()
    };
    assert!(overflow().await > 0, "a long line is scrolled to");
    page.click(&format!("{} [data-wrap]", id("markdown", ""))).await;
    page.until("it is wrapped", SOON, async || (overflow().await <= 0).then_some(())).await;
    page.click(&format!("{} [data-copy]", id("markdown", ""))).await;
    page.click(&id("composer", "")).await;
    page.press("\u{E009}v").await;
    page.until("the code was copied", SOON, async || {
        let script = "return document.querySelector(arguments[0]).value";
        let pasted = page.value(script, json!([id("composer", "")])).await;
        pasted.as_str()?.starts_with("fn main()").then_some(())
    })
    .await;

    page.click(&format!("{} [data-href]", id("markdown", ""))).await;
    page.wait(&id("link-dialog", "")).await;
    assert!(page.text(&id("link-dialog", "")).await.contains("https://example.org/lamp"));
    page.press("\u{E00C}").await;
    page.wait_gone(&id("link-dialog", "")).await;

    page.click(&format!("{} [data-preview]", id("markdown", ""))).await;
    page.wait(&id("artifact-frame", "")).await;
    page.pictures("artifact").await;
    page.click(&id("artifact-tab", "[data-tab=\"source\"]")).await;
    page.wait(&format!("{} code", id("artifact-panel", ""))).await;
    assert!(page.text(&format!("{} code", id("artifact-panel", ""))).await.contains("<h1>Lit</h1>"));
    page.press("\u{E00C}").await;
    page.wait_gone(&id("artifact-panel", "")).await;
    window.close().await;
}

/// Two real models in the library, and one elsewhere: each may be asked the same.
#[tokio::test]
async fn another_model_answers_the_same_question_and_both_are_compared() {
    let server = Elsewhere::start([]).await;
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    let other = lantern_golden::path("models/llama_untied-Q8_0.gguf");
    page.invoke("import_model", json!({"path": other, "copy": false})).await.unwrap();
    server.add_to(page).await;
    page.set(json!({"defaultModel": STARTER})).await;
    page.set_answers(6).await;
    ask(page, "Name a colour.").await;
    let first = page.attribute(&id("message-assistant", ""), "data-message-id").await.unwrap();

    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-with", "[data-model=\"llama_untied-Q8_0\"]")).await;
    page.until("the other model has answered", SOON, async || {
        let now = page.attribute(&id("message-assistant", ""), "data-message-id").await?;
        (now != first && page.status().await? != "streaming").then_some(())
    })
    .await;
    let all = page.invoke("list_conversations", json!({"query": null})).await.unwrap();
    let which = all[0]["conversation"]["id"].clone();
    let view = page.invoke("get_conversation", json!({"id": which})).await.unwrap();
    let models: Vec<_> =
        view["messages"].as_array().unwrap().iter().map(|one| one["model"].clone()).collect();
    assert!(models.contains(&json!("llama_untied-Q8_0")), "{models:?}");
    server.then([Answer::Says("Amber, from afar.".into())]);
    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-with", "[data-model=\"box/words\"]")).await;
    page.until("the third model has answered", SOON, async || {
        page.answer().await.contains("Amber, from afar.").then_some(())
    })
    .await;
    assert_eq!(page.text(&id("message-origin", "")).await.trim(), "words on box");
    page.until("there are three", SOON, async || {
        page.text(&id("branch-position", "")).await.contains('3').then_some(())
    })
    .await;

    page.click(&id("answer-menu", "")).await;
    page.click(&id("answer-compare", "")).await;
    page.wait(&id("beside", "")).await;
    page.until("two answers are beside each other", SOON, async || {
        let script = "return document.querySelectorAll('[data-testid=beside-text]').length";
        (page.value(script, json!([])).await == json!(2)).then_some(())
    })
    .await;
    page.pictures("compared-answers").await;
    page.click(&id("beside-use", "")).await;
    page.wait_gone(&id("beside", "")).await;
    page.wait(&id("message-assistant", "")).await;
    window.close().await;
}
