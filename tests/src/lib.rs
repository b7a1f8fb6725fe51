//! What Lantern's end-to-end tests stand on: the finished programs, a home of their own for each test, a display without a
//! screen, and a hand that operates the window.
//!
//! `cargo xtask test` builds and fetches everything these tests need and tells them by environment variables where it is.
//! A test that lacks something says so and names that command; none is skipped.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod axe;
#[cfg(target_os = "linux")]
pub mod browser;
#[cfg(target_os = "linux")]
pub mod bus;
#[cfg(target_os = "linux")]
pub mod desktop;
#[cfg(target_os = "linux")]
pub mod dialogs;
#[cfg(target_os = "linux")]
pub mod dropped;
pub mod elsewhere;
#[cfg(target_os = "linux")]
pub mod exports;
pub mod home;
#[cfg(target_os = "linux")]
pub mod page;
#[cfg(target_os = "linux")]
pub mod portal;
pub mod processes;
pub mod programs;
pub mod seeing;
pub mod tool_server;
#[cfg(target_os = "linux")]
pub mod webdriver;
#[cfg(target_os = "linux")]
pub mod xsettings;

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; after the limit the test fails and says what it waited for.
pub async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {} s in vain: {what}", limit.as_secs_f64());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
