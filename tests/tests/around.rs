//! The real window and what is around it on a desktop: the place where it was, the theme of the system, the notification of an
//! answer that took long, words that are spelt wrong, the printer.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lantern_tests::bus::Panel;
use lantern_tests::desktop::{Desktop, Window};
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::eventually;
use lantern_tests::home::Home;
use lantern_tests::page::{Page, id};
use lantern_tests::portal::Portal;
use lantern_tests::processes::{Running, is_alive};
use lantern_tests::xsettings::Looks;
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(120);

/// Place and size of the window on the screen.
fn place(desktop: &Desktop) -> Option<[i32; 4]> {
    let mut command = Command::new("xdotool");
    desktop.place(&mut command);
    let search = ["search", "--onlyvisible", "--name", "^Lantern$", "getwindowgeometry", "--shell"];
    let output = command.args(search).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let value =
        |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    Some([value("X")?, value("Y")?, value("WIDTH")?, value("HEIGHT")?])
}

async fn is_at(desktop: &Desktop, wanted: [i32; 4]) {
    eventually(&format!("the window is at {wanted:?}, not {:?}", place(desktop)), SOON, async || {
        (place(desktop) == Some(wanted)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_window_opens_where_it_was_as_large_as_it_was() {
    let desktop = Desktop::start(Home::empty()).await;
    let panel = Panel::start(desktop.bus()).await;
    let window = desktop.open().await;
    eventually("there is a tray", SOON, async || panel.menu().await).await;
    let [x, y, width, height] = place(&desktop).expect("it is seen");
    let wanted = [x - 70, y - 40, width - 160, height - 90];
    let [x, y, width, height] = wanted.map(|number| number.to_string());
    let window_named = ["search", "--onlyvisible", "--name", "^Lantern$"];
    desktop.xdotool(&[&window_named[..], &["windowsize", &width, &height]].concat());
    desktop.xdotool(&[&window_named[..], &["windowmove", &x, &y]].concat());
    is_at(&desktop, wanted).await;
    panel.choose("Quit").await;
    ends(window).await;

    let window = desktop.open().await;
    is_at(&desktop, wanted).await;
    window.close().await;
}

async fn ends(window: Window) {
    eventually("Lantern ends", SOON, async || (!is_alive(window.id())).then_some(())).await;
}

#[tokio::test]
async fn the_systems_theme_is_followed_as_it_changes() {
    let desktop = Desktop::start(Home::empty()).await;
    let mut looks = Looks::start(&desktop, "Adwaita");
    let window = desktop.open().await;
    let page = &window.page;
    page.set(json!({"theme": "system"})).await;
    let light = colour(page, false).await;
    looks.change("Adwaita-dark");
    let dark = colour(page, true).await;
    assert!(brightness(&dark) + 300 < brightness(&light), "{light} became {dark}");
    page.picture("theme-of-the-system").await;

    // Whoever has chosen a theme keeps it.
    page.set(json!({"theme": "light"})).await;
    assert_eq!(colour(page, false).await, light);
    looks.change("Adwaita");
    looks.change("Adwaita-dark");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(colour(page, false).await, light);
    page.set(json!({"theme": "system"})).await;
    assert_eq!(colour(page, true).await, dark);
    looks.change("Adwaita");
    assert_eq!(colour(page, false).await, light);
    window.close().await;
}

#[tokio::test]
async fn a_desktop_that_prefers_dark_windows_gets_them() {
    const DARK: u32 = 1;
    const LIGHT: u32 = 2;
    let desktop = Desktop::start(Home::empty()).await;
    let portal = Portal::start(desktop.bus(), DARK).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set(json!({"theme": "system"})).await;
    let dark = colour(page, true).await;
    portal.change(LIGHT).await;
    let light = colour(page, false).await;
    assert!(brightness(&dark) + 300 < brightness(&light), "{light} became {dark}");

    // Whoever has chosen a theme keeps it.
    page.set(json!({"theme": "light"})).await;
    portal.change(DARK).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let scheme = "return matchMedia('(prefers-color-scheme: dark)').matches";
    assert_eq!(
        page.value(scheme, json!([])).await,
        json!(false),
        "the frame and the page's own controls, too"
    );
    assert_eq!(colour(page, false).await, light);
    page.set(json!({"theme": "system"})).await;
    assert_eq!(colour(page, true).await, dark);
    window.close().await;
}

/// The colour of the page's ground, once the page is dark or is not.
async fn colour(page: &Page, dark: bool) -> String {
    let script = "return getComputedStyle(document.body).backgroundColor";
    let mut before = String::new();
    page.until(&format!("the page is {}", if dark { "dark" } else { "light" }), SOON, async || {
        let ground = page.value(script, json!([])).await.as_str()?.to_owned();
        // Colours fade into each other.
        let rests = std::mem::replace(&mut before, ground.clone()) == ground;
        (rests && (brightness(&ground) < 300) == dark).then_some(ground)
    })
    .await
}

/// Red, green and blue together.
fn brightness(colour: &str) -> u32 {
    let inside = colour.trim_start_matches("rgba(").trim_start_matches("rgb(").trim_end_matches(')');
    inside.split(',').take(3).filter_map(|part| part.trim().parse::<u32>().ok()).sum()
}

#[tokio::test]
async fn an_answer_that_took_long_is_told_to_who_looks_elsewhere() {
    let slow = Answer::SaysAfter(Duration::from_secs(11), "At last.".into());
    let server = Elsewhere::start([Answer::Says("At once.".into()), slow]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let panel = Panel::start(desktop.bus()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.set(json!({"writeTitles": false})).await;
    page.click(&id("first-run-skip", "")).await;
    eventually("there is a tray", SOON, async || panel.menu().await).await;
    page.send("Soon?").await;
    page.wait_for_end().await;
    page.send("Later?").await;
    panel.choose("Show or hide").await;
    eventually("the window is hidden", SOON, async || (!desktop.is_visible("Lantern")).then_some(())).await;
    let told = eventually("the system is told", SOON, async || panel.told().first().cloned()).await;
    assert_eq!(told.0, "The answer is there");
    assert!(told.1.starts_with("It took 1") && told.1.ends_with(" seconds."), "it was told {told:?}");
    assert_eq!(panel.told().len(), 1, "and of the short one nothing");
    panel.click_notification(1).await;
    eventually("the window is shown", SOON, async || desktop.is_visible("Lantern").then_some(())).await;
    assert!(page.answer().await.contains("At last."));
    window.close().await;
}

#[tokio::test]
async fn a_conversation_is_printed_whole_into_a_file() {
    let words = "The lamp of Cordouan.\n\n| lens | order |\n|---|---|\n| Fresnel | first |";
    let server = Elsewhere::start([Answer::Says(words.into())]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.set(json!({"writeTitles": false, "theme": "dark"})).await;
    page.click(&id("first-run-skip", "")).await;
    page.send("Which lamp?").await;
    page.wait_for_end().await;
    let places = way_to_the_printer(page).await;
    window.close().await;

    // A page under a driver's control prints nothing, so this window is nobody's but the mouse's.
    let mut program = desktop.program();
    let undriven = Running::start(program.current_dir(desktop.home.path()).stderr(Stdio::null()));
    eventually("the window is there", SOON, async || place(&desktop)).await;
    // Nobody outside sees when its page listens.
    tokio::time::sleep(Duration::from_secs(5)).await;
    eventually("the system's dialog opens", LONG, async || {
        let [x, y, ..] = place(&desktop)?;
        for [left, top] in &places {
            let [left, top] = [(x + left).to_string(), (y + top).to_string()];
            desktop.xdotool(&["mousemove", &left, &top]);
            tokio::time::sleep(Duration::from_millis(500)).await;
            desktop.xdotool(&["click", "1"]);
            tokio::time::sleep(Duration::from_millis(1000)).await;
        }
        for _ in 0..40 {
            if desktop.is_visible("Print") {
                return Some(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        desktop.focus_window("Lantern");
        desktop.xdotool(&["key", "Escape", "Escape"]);
        None
    })
    .await;
    // In the list of printers is one that is a file; who passes it with the keyboard chooses it.
    let file = eventually("the file is printed", SOON, async || {
        desktop.focus_window("Print");
        desktop.xdotool(&["key", "--delay", "300", "Tab", "Tab", "Down", "alt+p"]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        pdf(desktop.home.path())
    })
    .await;
    eventually("the file is whole", SOON, async || {
        std::fs::read(&file).ok().filter(|bytes| bytes.trim_ascii_end().ends_with(b"%%EOF"))
    })
    .await;
    drop(undriven);

    // What is on the paper, Lantern reads itself.
    let window = desktop.open().await;
    let page = &window.page;
    page.wait(&id("composer", "")).await;
    desktop.drop_files("Lantern", &[&file]);
    page.wait(&id("attachment", "[data-state=\"ready\"]")).await;
    page.click(&id("attachment-open", "")).await;
    page.wait(&id("preview", "")).await;
    page.until("the conversation is on it, and nothing of the window", SOON, async || {
        // Where a word ends is not always told by a PDF.
        let shown: String = page.text(&id("preview", "")).await.split_whitespace().collect();
        let parts = ["Whichlamp?", "ThelampofCordouan.", "Fresnel"];
        (parts.iter().all(|part| shown.contains(part)) && !shown.contains("Newchat")).then_some(())
    })
    .await;
    page.picture("printed").await;
    window.close().await;
}

/// Where the mouse clicks in the window to print the first conversation.
async fn way_to_the_printer(page: &Page) -> Vec<[i32; 2]> {
    let mut places = Vec::new();
    page.hover(&id("conversation-row", "")).await;
    let ways = ["conversation-open", "conversation-more", "menu-export", "export-print"];
    for name in ways {
        let selector = id(name, "");
        page.wait(&selector).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let script = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2].map(Math.round)";
        let middle = page.value(script, json!([selector])).await;
        places.push(serde_json::from_value(middle).expect("two numbers"));
        if name != "export-print" {
            page.click(&selector).await;
        }
    }
    places
}

/// A PDF somewhere in the home.
fn pdf(folder: &Path) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|one| one.path()).collect();
    entries.into_iter().find_map(|path| match path.is_dir() && !path.is_symlink() {
        true => pdf(&path),
        false => path.extension().is_some_and(|end| end == "pdf").then_some(path),
    })
}

#[tokio::test]
async fn words_that_are_spelt_wrong_are_marked_as_long_as_the_settings_say_so() {
    let desktop = Desktop::start(Home::with_starter()).await;
    let window = desktop.open().await;
    let page = &window.page;
    page.set(json!({"theme": "light"})).await;
    page.click(&id("first-run-skip", "")).await;
    page.click(&id("composer", "")).await;
    assert_eq!(red(page).await, 0, "nothing is written yet");
    desktop.focus_window("Lantern");
    desktop.xdotool(&["type", "--delay", "40", "The lmap is lihgt and brihgt here "]);
    page.until("what is wrong is marked", SOON, async || (red(page).await > 20).then_some(())).await;
    page.picture("spelling").await;
    page.set(json!({"desktop": {"spellCheck": false}})).await;
    page.until("nothing is marked any more", SOON, async || (red(page).await == 0).then_some(())).await;
    window.close().await;
}

/// How many dots of the field are of the red that marks a word, or of a part of it: lines lie between dots, too.
async fn red(page: &Page) -> u64 {
    let png = page.session().screenshot().await.expect("a picture");
    let script = "const [png, selector, done] = arguments;
        const picture = new Image();
        picture.onload = () => {
          const canvas = document.createElement('canvas');
          [canvas.width, canvas.height] = [picture.width, picture.height];
          const context = canvas.getContext('2d');
          context.drawImage(picture, 0, 0);
          const box = document.querySelector(selector).getBoundingClientRect();
          const dots = context.getImageData(box.x, box.y, box.width, box.height).data;
          let red = 0;
          for (let at = 0; at < dots.length; at += 4)
            if (dots[at] - dots[at + 1] > 40 && dots[at] - dots[at + 2] > 40
              && Math.abs(dots[at + 1] - dots[at + 2]) < 25) red += 1;
          done(red);
        };
        picture.onerror = () => done(null);
        picture.src = `data:image/png;base64,${png}`";
    let counted = page.session().run_async(script, json!([png, id("composer", "")])).await;
    counted.expect("the page counts").as_u64().expect("a number")
}
