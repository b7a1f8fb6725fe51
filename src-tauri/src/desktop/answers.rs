//! Answers that took long: the user has gone on to something else and wants to hear when it is there.

use std::time::{Duration, Instant};

use lantern_protocol::ChatEvent;
use tauri::{AppHandle, Manager};

use super::words::{Words, fill};
use super::{Desktop, notify};

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
        let words = handle.state::<Desktop>().words();
        if let Some((title, body)) = told(words, self.since.elapsed(), self.failed) {
            notify::tell(handle, title, &body);
        }
    }
}

/// What is said of an answer that took this long; nothing if it was short.
fn told(words: &'static Words, took: Duration, failed: bool) -> Option<(&'static str, String)> {
    if took < LONG {
        return None;
    }
    let title = if failed { words.answer_failed } else { words.answer_done };
    let (minutes, seconds) = (took.as_secs() / 60, (took.as_secs() % 60).to_string());
    let body = match minutes {
        0 => fill(words.took_seconds, &[("seconds", &seconds)]),
        _ => fill(words.took_minutes, &[("minutes", &minutes.to_string()), ("seconds", &seconds)]),
    };
    Some((title, body))
}

#[cfg(test)]
mod tests {
    use lantern_protocol::Language;

    use super::super::words::of;
    use super::*;

    #[test]
    fn only_long_answers_are_told() {
        let words = of(Language::En);
        assert_eq!(told(words, Duration::from_secs(9), false), None);
        assert_eq!(
            told(words, Duration::from_secs(42), false),
            Some(("The answer is there", "It took 42 seconds.".into()))
        );
        assert_eq!(told(words, Duration::from_secs(125), true).unwrap().1, "It took 2 min 5 s.");
    }
}
