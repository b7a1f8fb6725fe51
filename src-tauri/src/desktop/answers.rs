//! Answers that took long: the user has gone on to something else and wants to hear when it is there.

use std::time::{Duration, Instant};

use lantern_protocol::ChatEvent;
use tauri::AppHandle;

use super::notify;

/// Whoever waited less than this is still there.
const LONG: Duration = Duration::from_secs(10);

/// One answer, from its question on.
pub struct Waited {
    since: Instant,
    failed: bool,
}

impl Waited {
    /// It was asked for now.
    pub fn begin() -> Self {
        Self { since: Instant::now(), failed: false }
    }

    /// It moved on.
    pub fn saw(&mut self, event: &ChatEvent) {
        self.failed |= matches!(event, ChatEvent::Failed { .. });
    }

    /// It ended.
    pub fn end(self, handle: &AppHandle) {
        if let Some((title, body)) = words(self.since.elapsed(), self.failed) {
            notify::tell(handle, title, &body);
        }
    }
}

/// What is said of an answer that took this long; nothing if it was short.
fn words(took: Duration, failed: bool) -> Option<(&'static str, String)> {
    if took < LONG {
        return None;
    }
    let title = if failed { "The answer failed" } else { "The answer is there" };
    let seconds = took.as_secs();
    let body = match seconds / 60 {
        0 => format!("It took {seconds} seconds."),
        minutes => format!("It took {minutes} min {} s.", seconds % 60),
    };
    Some((title, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_answers_are_told() {
        assert_eq!(words(Duration::from_secs(9), false), None);
        assert_eq!(
            words(Duration::from_secs(42), false),
            Some(("The answer is there", "It took 42 seconds.".into()))
        );
        assert_eq!(words(Duration::from_secs(125), true).unwrap().1, "It took 2 min 5 s.");
    }
}
