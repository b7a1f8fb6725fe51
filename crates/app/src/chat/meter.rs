//! The figures of an answer.

use std::time::Instant;

use lantern_engine::{GenerationEvent, Timings, Usage};
use lantern_protocol::GenerationStats;

/// Counts along, for answers that are stopped and whose engine is therefore not asked for its own figures.
pub(super) struct Meter {
    started: Instant,
    first: Option<Instant>,
    last: Instant,
    pub(super) prompt_tokens: usize,
    cached_tokens: usize,
    completion_tokens: usize,
}

impl Meter {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            first: None,
            last: now,
            prompt_tokens: 0,
            cached_tokens: 0,
            completion_tokens: 0,
        }
    }

    pub(super) fn see(&mut self, event: &GenerationEvent) {
        match event {
            GenerationEvent::Prefill { cached, .. } => self.cached_tokens = *cached,
            GenerationEvent::Text { tokens, .. }
            | GenerationEvent::Reasoning { tokens, .. }
            | GenerationEvent::ToolArguments { tokens, .. } => {
                self.last = Instant::now();
                self.first.get_or_insert(self.last);
                self.completion_tokens += tokens.len();
            }
            _ => {}
        }
    }

    /// `None` before the first token.
    pub(super) fn stats(&self) -> Option<GenerationStats> {
        let first = self.first?;
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            cached_tokens: self.cached_tokens,
        };
        let timings =
            Timings { first_token: first - self.started, decode: self.last - first, ..Timings::default() };
        Some(stats(usage, timings))
    }
}

/// As they are stored; what became of older messages is for whoever knows to add.
pub(super) fn stats(usage: Usage, timings: Timings) -> GenerationStats {
    GenerationStats {
        prompt_tokens: count(usage.prompt_tokens),
        cached_tokens: count(usage.cached_tokens),
        completion_tokens: count(usage.completion_tokens),
        first_token_seconds: timings.first_token.as_secs_f64(),
        tokens_per_second: timings.decode_tokens_per_second(usage.completion_tokens),
        dropped_messages: 0,
        summarised_messages: 0,
    }
}

/// A number as it goes to the window.
pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
