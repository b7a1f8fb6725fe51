//! A conversation in a window of its own: what is asked there is seen in the main one as well, and the main one shows it when
//! it is asked to.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::elsewhere::{Answer, Elsewhere};
use lantern_tests::eventually;
use lantern_tests::home::Home;
use lantern_tests::page::id;

const LONG: Duration = Duration::from_secs(90);

/// The numbers of the windows that can be seen.
fn windows(desktop: &Desktop) -> Vec<String> {
    let mut command = Command::new("xdotool");
    desktop.place(&mut command);
    let output = command.args(["search", "--onlyvisible", "--name", "^Lantern$"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_conversation_has_a_window_of_its_own_and_both_show_the_same() {
    let answer = |text: &str| Answer::Says(text.into());
    let server = Elsewhere::start([answer("The first."), answer("The second.")]).await;
    let desktop = Desktop::start(Home::empty()).await;
    let window = desktop.open().await;
    let page = &window.page;
    server.add_to(page).await;
    page.set(serde_json::json!({"writeTitles": false})).await;
    page.send("One?").await;
    assert_eq!(page.wait_for_end().await, "complete");
    let main = windows(&desktop);
    assert_eq!(main.len(), 1, "{main:?}");
    page.press("\u{E009}\u{E008}o").await;
    let own = eventually("it has a window of its own", LONG, async || {
        windows(&desktop).into_iter().find(|one| !main.contains(one))
    })
    .await;

    // Nobody outside sees when the new window's page listens: whoever is not heard asks again.
    eventually("it was asked there", LONG, async || {
        desktop.xdotool(&["windowfocus", "--sync", &own]);
        desktop.xdotool(&["key", "ctrl+l", "ctrl+a"]);
        desktop.xdotool(&["type", "and two"]);
        desktop.xdotool(&["key", "Return"]);
        for _ in 0..30 {
            if server.asked().len() > 1 {
                return Some(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    })
    .await;
    page.until("the main window shows it, too", LONG, async || {
        let asked = page.text(&id("message-user", "")).await;
        (asked.contains("two") && page.answer().await.contains("The second.")).then_some(())
    })
    .await;

    // From there back to the main window, which shows something else.
    page.press("\u{E009}n").await;
    page.wait(&id("empty-chat", "")).await;
    desktop.xdotool(&["windowfocus", "--sync", &own]);
    desktop.xdotool(&["key", "ctrl+shift+o"]);
    page.until("the main window shows the conversation", LONG, async || {
        page.answer().await.contains("The second.").then_some(())
    })
    .await;
    window.close().await;
}
