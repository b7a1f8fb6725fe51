//! Every view in the real window is free of what axe-core finds wrong, light and dark: names, roles, contrast, focus.
#![cfg(target_os = "linux")]

use std::path::Path;

use lantern_tests::desktop::Desktop;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::{Value, json};

#[tokio::test]
async fn axe_finds_nothing_in_any_view() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.value(&axe(), json!([])).await;
    page.set_answers(16).await;

    check(page, "an empty chat").await;
    page.send("Name a colour.").await;
    page.wait_for_text().await;
    page.wait_for_end().await;
    check(page, "a chat").await;
    page.click(&id("model-picker", "")).await;
    page.wait(&id("model-option", "")).await;
    check(page, "the menu of models").await;
    page.click(&id("nav-models", "")).await;
    page.wait(&id("model-card", "")).await;
    check(page, "the models").await;
    for (tab, what) in [
        ("find", "fit"),
        ("downloads", "downloads-view"),
        ("compare", "compare-view"),
        ("disk", "disk-model"),
    ] {
        page.click(&id("models-tab", &format!("[data-tab=\"{tab}\"]"))).await;
        page.wait(&id(what, "")).await;
        check(page, tab).await;
    }
    page.click(&id("models-tab", "[data-tab=\"library\"]")).await;
    page.click(&id("model-show", "")).await;
    page.wait(&id("model-verify", "")).await;
    check(page, "a model's page").await;
    page.click(&id("nav-settings", "")).await;
    page.wait(&id("settings-view", "")).await;
    check(page, "the settings").await;
    window.close().await;
}

/// Runs axe over the page in both themes.
async fn check(page: &Page, view: &str) {
    for theme in ["light", "dark"] {
        page.set(json!({"theme": theme})).await;
        // Contrast is measured in the colours of the moment, and these fade into each other.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let script = "const done = arguments[0];
            const calm = Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
            // Some never end: what moves for ever, and what is not drawn.
            const patience = new Promise((resume) => setTimeout(resume, 3000));
            Promise.race([calm, patience]).then(() => axe.run(document, { resultTypes: ['violations'] })).then(
              (found) => done(found.violations.map((v) => [v.id, v.help, v.nodes.map((node) => node.html.slice(0, 200))])),
              (error) => done([['axe', String(error), []]]),
            )";
        let found = page
            .session()
            .run_async(script, json!([]))
            .await
            .unwrap_or_else(|error| panic!("axe runs over {view}, {theme}: {error}"));
        assert_eq!(found, Value::Array(Vec::new()), "axe found fault with {view}, {theme}:\n{found:#}");
    }
}

/// The script, from the interface's packages.
fn axe() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/node_modules/axe-core/axe.min.js");
    let script = std::fs::read_to_string(&file);
    script.unwrap_or_else(|error| panic!("{}: {error}. `cargo xtask test` installs it.", file.display()))
}
