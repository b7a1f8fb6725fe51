//! Answers at the same time: tokens per second of all of them together, and whether each is what it is alone.

use std::time::Instant;

use lantern_engine::bench::median;
use lantern_engine::{Engine, EngineStats, GenerateRequest};
use serde::Serialize;

use super::{Answer, Common, answer, answers, request, topic};
use crate::commands::bench::row;
use crate::error::CliError;
use crate::output;

/// Machines are slower and faster by the second, so one alone and all together are measured in turns, so often.
const TURNS: usize = 5;
/// Answers whose speed alone is the measure in a turn, as many before all together as behind them.
const ALONE: usize = 4;

#[derive(Serialize)]
struct Report {
    tokens: usize,
    together: Vec<Together>,
}

/// Medians of the turns; sums of all of them where things are counted.
#[derive(Serialize)]
struct Together {
    streams: usize,
    /// Of one answer at a time, reading included.
    alone_tokens_per_second: f64,
    /// Of all answers, reading included.
    tokens_per_second: f64,
    /// Over one answer at a time: of each turn, in its own minute.
    ratios: Vec<f64>,
    /// Their median.
    ratio: f64,
    /// Forward passes, and the rows they computed.
    steps: u64,
    rows: u64,
    /// Tokens that were guessed right and took no step of their own.
    guessed: u64,
    /// Answers of the last turn that are what they are alone, token for token.
    equal: usize,
}

/// One alone and all together within the same seconds.
struct Turn {
    alone: f64,
    together: f64,
    before: EngineStats,
    after: EngineStats,
    answers: Vec<Answer>,
}

pub fn run(engine: &Engine, counts: &[usize], common: &Common<'_>) -> Result<(), CliError> {
    // No prompt is asked for twice but to compare what comes: nothing is found in the cache.
    let mut topics = 1_000..;
    answer(engine, request(engine, topic(0), common.tokens))?;
    let together = counts
        .iter()
        .map(|&streams| measure(engine, streams, common.tokens, &mut topics))
        .collect::<Result<_, _>>()?;
    print(&Report { tokens: common.tokens, together }, common.json)
}

fn measure(
    engine: &Engine,
    streams: usize,
    tokens: usize,
    topics: &mut impl Iterator<Item = usize>,
) -> Result<Together, CliError> {
    let mut turns = Vec::with_capacity(TURNS);
    let mut requests = |count: usize| -> Vec<GenerateRequest> {
        topics.take(count).map(|number| request(engine, topic(number), tokens)).collect()
    };
    let mut asked = Vec::new();
    for _ in 0..TURNS {
        asked = requests(streams);
        turns.push(turn(engine, [requests(ALONE / 2), requests(ALONE / 2)], asked.clone())?);
    }
    let mut equal = 0;
    for (request, together) in asked.into_iter().zip(turns.last().into_iter().flat_map(|turn| &turn.answers))
    {
        equal += usize::from(answer(engine, request)?.tokens == together.tokens);
    }
    let ratios: Vec<_> = turns.iter().map(|turn| turn.together / turn.alone).collect();
    let of = |figure: fn(&Turn) -> f64| median(&turns.iter().map(figure).collect::<Vec<_>>());
    let sum = |count: fn(&EngineStats) -> u64| {
        turns.iter().map(|turn| count(&turn.after) - count(&turn.before)).sum()
    };
    Ok(Together {
        streams,
        alone_tokens_per_second: of(|turn| turn.alone),
        tokens_per_second: of(|turn| turn.together),
        ratio: median(&ratios),
        ratios,
        steps: sum(|stats| stats.steps),
        rows: sum(|stats| stats.computed_tokens),
        guessed: sum(|stats| stats.guessed_tokens),
        equal,
    })
}

fn turn(
    engine: &Engine,
    alone: [Vec<GenerateRequest>; 2],
    together: Vec<GenerateRequest>,
) -> Result<Turn, CliError> {
    let one_by_one = |requests: Vec<GenerateRequest>| -> Result<Vec<_>, CliError> {
        requests.into_iter().map(|request| Ok(answer(engine, request)?)).collect()
    };
    let [first, last] = alone;
    let mut singles = one_by_one(first)?;
    let (before, started) = (engine.stats(), Instant::now());
    let answers = answers(engine, together)?;
    let (seconds, after) = (started.elapsed().as_secs_f64(), engine.stats());
    singles.extend(one_by_one(last)?);
    let speed = |answers: &[Answer], seconds: f64| {
        answers.iter().map(|answer| answer.usage.completion_tokens).sum::<usize>() as f64 / seconds
    };
    Ok(Turn {
        alone: speed(&singles, singles.iter().map(|answer| answer.whole.as_secs_f64()).sum()),
        together: speed(&answers, seconds),
        before,
        after,
        answers,
    })
}

fn print(report: &Report, json: bool) -> Result<(), CliError> {
    if json {
        return output::json(report);
    }
    let speed = |speed: f64| format!("{speed:.1} tokens/s");
    let mut rows = Vec::with_capacity(2 * report.together.len());
    for together in &report.together {
        let Together { streams, alone_tokens_per_second, tokens_per_second, ratio, .. } = together;
        let Together { steps, rows: computed, guessed, equal, .. } = together;
        let each: Vec<_> = together.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        rows.push(row("alone", speed(*alone_tokens_per_second)));
        rows.push(row(
            &format!("{streams} together"),
            format!(
                "{}, {ratio:.2} times one alone ({}); {steps} steps, {computed} rows, {guessed} tokens guessed; {equal} equal",
                speed(*tokens_per_second),
                each.join(", ")
            ),
        ));
    }
    output::table(&rows)
}
