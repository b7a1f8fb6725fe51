//! How the window looks is the user's choice, in the real window: language and direction, theme, density, movement.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

/// Each language, as its own readers write a word that stands in the window.
const LANGUAGES: [(&str, &str, &str); 8] = [
    ("de", "ltr", "Einstellungen"),
    ("es", "ltr", "Ajustes"),
    ("fr", "ltr", "Réglages"),
    ("pt", "ltr", "Configurações"),
    ("ja", "ltr", "設定"),
    ("zh", "ltr", "设置"),
    ("ar", "rtl", "الإعدادات"),
    ("en", "ltr", "Settings"),
];

/// Chooses an entry of a list in the settings.
async fn choose(page: &Page, selector: &str, value: &str) {
    page.wait(&format!("{selector} option[value=\"{value}\"]")).await;
    let script = "const list = document.querySelector(arguments[0]);
        list.value = arguments[1];
        list.dispatchEvent(new Event('change', { bubbles: true }))";
    page.value(script, json!([selector, value])).await;
}

/// How far an element's middle is to the right of the window's.
async fn offset(page: &Page, selector: &str) -> f64 {
    let script = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
        return box.left + box.width / 2 - innerWidth / 2";
    page.value(script, json!([selector])).await.as_f64().unwrap()
}

#[tokio::test]
async fn the_window_speaks_eight_languages_and_reads_from_either_side() {
    let server = Elsewhere::start([Answer::Says("مرحبا `let a = 1;` والسلام".into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.click(&id("nav-settings", "")).await;
    for (tag, direction, word) in LANGUAGES {
        choose(page, &id("language-select", ""), tag).await;
        page.wait(&format!("html[lang|=\"{tag}\"][dir=\"{direction}\"]")).await;
        page.until(&format!("it says {word:?}"), SOON, async || {
            page.text(&id("nav-settings", "")).await.contains(word).then_some(())
        })
        .await;
        let side = offset(page, &id("sidebar", "")).await;
        assert!((side > 0.0) == (direction == "rtl"), "{tag}: the sidebar is at {side}");
        let script = "const page = document.scrollingElement; return page.scrollWidth - page.clientWidth";
        assert_eq!(page.value(script, json!([])).await, json!(0), "{tag} does not fit into the window");
    }
    choose(page, &id("language-select", ""), "ar").await;
    page.wait("html[dir=\"rtl\"]").await;
    page.press("\u{E009}n").await;
    page.send("مرحبا").await;
    assert_eq!(page.wait_for_end().await, "complete");
    let script = "return getComputedStyle(document.querySelector(arguments[0])).direction";
    let direction = async |selector: String| page.value(script, json!([selector])).await;
    assert_eq!(direction(format!("{} p", id("markdown", ""))).await, "rtl");
    assert_eq!(direction(format!("{} code", id("markdown", ""))).await, "ltr");
    page.pictures("right-to-left").await;
    window.close().await;

    let window = desktop.open().await;
    window.page.wait("html[lang=\"ar\"][dir=\"rtl\"]").await;
    window.close().await;
}

#[tokio::test]
async fn theme_density_and_movement_follow_what_is_chosen() {
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.click(&id("nav-settings", "")).await;
    let scheme = async || {
        let script = "return getComputedStyle(document.documentElement).colorScheme";
        page.value(script, json!([])).await.as_str().unwrap_or_default().to_owned()
    };
    for theme in ["dark", "light"] {
        choose(page, &id("theme-select", ""), theme).await;
        page.until(&format!("the window is {theme}"), SOON, async || (scheme().await == theme).then_some(()))
            .await;
    }
    let control = |name: &str| {
        format!(
            "{} {}",
            id("setting", &format!("[data-setting=\"desktop.{name}\"]")),
            id("setting-control", "")
        )
    };
    let height = async || {
        let script = "return document.querySelector(arguments[0]).getBoundingClientRect().height";
        page.value(script, json!([id("setting", "[data-setting=\"systemPrompt\"]")])).await.as_f64().unwrap()
    };
    let roomy = height().await;
    choose(page, &control("density"), "compact").await;
    page.wait("html[data-density=\"compact\"]").await;
    assert!(height().await < roomy, "what is dense takes less room");
    page.click(&control("reduceMotion")).await;
    page.wait("html[data-motion=\"reduced\"]").await;
    let script = "const style = getComputedStyle(document.querySelector(arguments[0]));
        return Math.max(...style.transitionDuration.split(',').map(parseFloat), 0)";
    let moves = page.value(script, json!([id("new-chat", "")])).await.as_f64().unwrap();
    assert!(moves < 0.01, "it moves for {moves} s");
    window.close().await;
}
