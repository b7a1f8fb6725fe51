//! Answers at the same time: tokens per second of all of them together, and whether each is what it is alone.

use std::time::Instant;

use lantern_engine::Engine;
use serde::Serialize;

use super::{Common, answer, answers, request, topic};
use crate::commands::bench::row;
use crate::error::CliError;
use crate::output;

/// Answers whose speed alone is the measure, each to a prompt of its own.
const ALONE: usize = 6;

#[derive(Serialize)]
struct Report {
    tokens: usize,
    /// Tokens per second of one answer at a time, reading included.
    alone_tokens_per_second: f64,
    together: Vec<Together>,
}

#[derive(Serialize)]
struct Together {
    streams: usize,
    /// Of all answers, reading included.
    tokens_per_second: f64,
    /// Over one answer at a time.
    ratio: f64,
    /// Forward passes, and the rows they computed.
    steps: u64,
    rows: u64,
    /// Tokens that were guessed right and took no step of their own.
    guessed: u64,
    /// Answers that are what they are alone, token for token.
    equal: usize,
}

pub fn run(engine: &Engine, counts: &[usize], common: &Common<'_>) -> Result<(), CliError> {
    let ask = |number| request(engine, topic(number), common.tokens);
    // No prompt is asked for twice but to compare what comes: nothing is found in the cache.
    answer(engine, ask(9_999))?;
    let alone =
        (0..ALONE).map(|number| answer(engine, ask(1_000 + number))).collect::<Result<Vec<_>, _>>()?;
    let seconds: f64 = alone.iter().map(|answer| answer.whole.as_secs_f64()).sum();
    let tokens: usize = alone.iter().map(|answer| answer.usage.completion_tokens).sum();
    let alone_tokens_per_second = tokens as f64 / seconds;
    let mut together = Vec::with_capacity(counts.len());
    for (round, &streams) in counts.iter().enumerate() {
        let ask = |number| ask(2_000 + 300 * round + number);
        let (before, started) = (engine.stats(), Instant::now());
        let answers = answers(engine, (0..streams).map(ask).collect())?;
        let (seconds, after) = (started.elapsed().as_secs_f64(), engine.stats());
        let tokens: usize = answers.iter().map(|answer| answer.usage.completion_tokens).sum();
        let mut equal = 0;
        for (number, together) in answers.iter().enumerate() {
            equal += usize::from(answer(engine, ask(number))?.tokens == together.tokens);
        }
        let tokens_per_second = tokens as f64 / seconds;
        let ratio = tokens_per_second / alone_tokens_per_second;
        together.push(Together {
            streams,
            tokens_per_second,
            ratio,
            steps: after.steps - before.steps,
            rows: after.computed_tokens - before.computed_tokens,
            guessed: after.guessed_tokens - before.guessed_tokens,
            equal,
        });
    }
    print(&Report { tokens: common.tokens, alone_tokens_per_second, together }, common.json)
}

fn print(report: &Report, json: bool) -> Result<(), CliError> {
    if json {
        return output::json(report);
    }
    let speed = |speed: f64| format!("{speed:.1} tokens/s");
    let mut rows = vec![row("alone", speed(report.alone_tokens_per_second))];
    rows.extend(report.together.iter().map(|together| {
        let Together { streams, tokens_per_second, ratio, steps, rows, guessed, equal } = *together;
        let told = format!(
            "{}, {ratio:.2} times one alone; {steps} steps, {rows} rows, {guessed} tokens guessed; {equal} equal",
            speed(tokens_per_second)
        );
        row(&format!("{streams} together"), told)
    }));
    output::table(&rows)
}
