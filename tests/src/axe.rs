//! axe-core over the page in the real window, in both themes: names, roles, contrast, focus.

use std::time::Duration;

use serde_json::{Value, json};

use crate::page::Page;

/// Gives the page axe-core, from the interface's packages.
pub async fn load(page: &Page) {
    let file = lantern_golden::repository().join("ui/node_modules/axe-core/axe.min.js");
    let script = std::fs::read_to_string(&file);
    let script =
        script.unwrap_or_else(|error| panic!("{}: {error}. `cargo xtask test` installs it.", file.display()));
    page.value(&script, json!([])).await;
}

/// Runs axe over the page in both themes; fails where it finds fault.
pub async fn check(page: &Page, view: &str) {
    for theme in ["light", "dark"] {
        page.set(json!({"theme": theme})).await;
        page.wait(&format!(":root[data-theme=\"{theme}\"]")).await;
        // Contrast is measured in the colours of the moment, and these fade into each other.
        tokio::time::sleep(Duration::from_millis(300)).await;
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
