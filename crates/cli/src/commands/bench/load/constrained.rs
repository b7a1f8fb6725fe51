//! Answers that must match a JSON schema beside answers to the same question that need not: what the constraint costs.

use std::path::Path;
use std::time::Duration;

use lantern_engine::{Constraint, Engine, GenerateRequest};
use serde::Serialize;

use super::{Common, answer, request, topic};
use crate::error::CliError;
use crate::output;

/// Answers of each kind, in turns.
const ROUNDS: usize = 3;

/// Sums over the answers of one kind.
#[derive(Default, Serialize)]
struct Kind {
    tokens: usize,
    /// Tokens that a grammar left no choice about and that took no step of their own.
    forced_tokens: u64,
    steps: u64,
    /// From the first token to the last.
    seconds: f64,
    /// What steps waited for masks, and what it took to find them.
    wait_seconds: f64,
    mask_seconds: f64,
}

#[derive(Serialize)]
struct Report {
    free: Kind,
    constrained: Kind,
    /// The wait for masks over the time that steps took.
    wait_share: f64,
}

pub(super) fn run(engine: &Engine, schema: &Path, common: &Common<'_>) -> Result<(), CliError> {
    let constraint = Constraint::JsonSchema(crate::constraint::read_json(schema)?);
    let (mut free, mut constrained) = (Kind::default(), Kind::default());
    for round in 0..=ROUNDS {
        let plain = request(engine, topic(round), common.tokens);
        let held = GenerateRequest { constraint: Some(constraint.clone()), ..plain.clone() };
        let (plain, held) = (Kind::of(engine, plain)?, Kind::of(engine, held)?);
        // The first round builds the vocabulary's trie and warms everything up.
        if round > 0 {
            free.add(&plain);
            constrained.add(&held);
        }
    }
    let wait_share = constrained.wait_seconds / constrained.seconds.max(f64::MIN_POSITIVE);
    let report = Report { free, constrained, wait_share };
    if common.json { output::json(&report) } else { print(&report) }
}

impl Kind {
    fn of(engine: &Engine, request: GenerateRequest) -> Result<Self, CliError> {
        let before = engine.stats();
        let answer = answer(engine, request)?;
        let after = engine.stats();
        let seconds = |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64();
        Ok(Self {
            tokens: answer.tokens.len(),
            forced_tokens: after.forced_tokens - before.forced_tokens,
            steps: after.steps - before.steps,
            seconds: seconds(answer.whole, answer.first),
            wait_seconds: seconds(after.mask_wait, before.mask_wait),
            mask_seconds: seconds(after.mask_time, before.mask_time),
        })
    }

    fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.forced_tokens += other.forced_tokens;
        self.steps += other.steps;
        self.seconds += other.seconds;
        self.wait_seconds += other.wait_seconds;
        self.mask_seconds += other.mask_seconds;
    }
}

fn print(report: &Report) -> Result<(), CliError> {
    let each = |seconds: f64, count: u64| seconds / count.max(1) as f64;
    let row = |name: &str, kind: &Kind| {
        vec![
            name.to_owned(),
            format!("{} ({} forced)", kind.tokens, kind.forced_tokens),
            format!("{:.1} tokens/s", kind.tokens as f64 / kind.seconds.max(f64::MIN_POSITIVE)),
            format!("{:.2} ms a step", 1e3 * each(kind.seconds, kind.steps)),
            format!("masks {:.0} µs a step", 1e6 * each(kind.mask_seconds, kind.steps)),
            format!("waited for {:.0} µs", 1e6 * each(kind.wait_seconds, kind.steps)),
        ]
    };
    output::table(&[row("free", &report.free), row("constrained", &report.constrained)])?;
    output::note(format!("Steps waited for masks {:.2}% of their time.", 100.0 * report.wait_share));
    Ok(())
}
