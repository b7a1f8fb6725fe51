//! How the desktop program starts where it cannot, and where it already runs.
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::Duration;

use lantern_tests::desktop::Desktop;
use lantern_tests::eventually;
use lantern_tests::home::Home;
use lantern_tests::processes::Running;

#[test]
fn without_a_display_it_says_so() {
    let home = Home::empty();
    let output =
        home.command("lantern-desktop").env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "it said: {said}");
    assert!(said.contains("neither DISPLAY nor WAYLAND_DISPLAY is set"), "it said: {said}");
    assert!(!said.contains("panicked"), "it said: {said}");
}

#[test]
fn with_a_display_that_is_gone_it_says_so() {
    let home = Home::empty();
    let output = home
        .command("lantern-desktop")
        .env("DISPLAY", ":64999")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "it said: {said}");
    assert!(said.contains("nothing answers at the display"), "it said: {said}");
    assert!(!said.contains("panicked"), "it said: {said}");
}

#[tokio::test]
async fn a_second_start_hands_over_to_the_first() {
    let desktop = Desktop::start(Home::empty()).await;
    let first = desktop.open().await;
    let mut second = Running::start(desktop.program().stderr(Stdio::null()));
    let status = second.wait(Duration::from_secs(20));
    assert!(status.success(), "the second start ended with {status}");
    let reply = first.page.invoke("get_status", serde_json::json!({})).await;
    assert!(reply.is_ok(), "the first window no longer answers: {reply:?}");
}

#[tokio::test]
async fn with_a_home_that_cannot_be_written_it_says_so_in_a_window() {
    let home = Home::empty();
    // A file where the folder should be stops even root.
    std::fs::write(home.data(), "not a folder").unwrap();
    let desktop = Desktop::start(home).await;
    let said = desktop.home.path().join("said");
    let mut lantern = Running::start(desktop.program().stderr(std::fs::File::create(&said).unwrap()));
    let words = eventually("Lantern says why it cannot start", Duration::from_secs(20), async || {
        let words = std::fs::read_to_string(&said).unwrap();
        words.contains("Lantern cannot start").then_some(words)
    })
    .await;
    assert!(!words.contains("panicked"), "it said: {words}");
    assert!(words.contains(&*desktop.home.data().to_string_lossy()), "the folder is not named: {words}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(lantern.ended().is_none(), "it ended before anybody could read why: {words}");
}
