//! A chat's answer while programs have long prompts read: how long its tokens keep a reader waiting, against the same chat
//! alone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lantern_engine::bench::median;
use lantern_engine::{Engine, GenerateRequest, Priority, Prompt};
use serde::Serialize;

use super::{Answer, Common, answer, request, topic};
use crate::commands::bench::row;
use crate::error::CliError;
use crate::output;

/// How often both are measured.
const ROUNDS: usize = 3;

#[derive(Serialize)]
struct Report {
    prompt_tokens: usize,
    alone: Gaps,
    beside: Gaps,
    /// Of the means.
    ratio: f64,
    /// Tokens of prompts that were read meanwhile, for each second.
    read_tokens_per_second: f64,
}

/// Milliseconds from one piece of text to the next.
#[derive(Serialize)]
struct Gaps {
    mean: f64,
    median: f64,
    longest: f64,
}

impl Gaps {
    fn of(gaps: &[Duration]) -> Self {
        let millis: Vec<f64> = gaps.iter().map(|gap| gap.as_secs_f64() * 1e3).collect();
        Self {
            mean: millis.iter().sum::<f64>() / millis.len().max(1) as f64,
            median: median(&millis),
            longest: millis.iter().copied().fold(0.0, f64::max),
        }
    }
}

pub fn run(engine: &Engine, prompt_tokens: usize, common: &Common<'_>) -> Result<(), CliError> {
    let chat = |number: usize| {
        let request =
            GenerateRequest { priority: Priority::Chat, ..request(engine, topic(number), common.tokens) };
        answer(engine, request)
    };
    chat(9_999)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let (read, mut seconds) = (AtomicUsize::new(0), 0.0);
    for round in 0..ROUNDS {
        alone.extend(chat(round)?.gaps);
        let over = AtomicBool::new(false);
        let answer: Answer = std::thread::scope(|scope| {
            scope.spawn(|| read_prompts(engine, prompt_tokens, &over, &read));
            let answer = chat(100 + round);
            over.store(true, Ordering::Relaxed);
            answer
        })?;
        seconds += answer.whole.as_secs_f64();
        beside.extend(answer.gaps);
    }
    let (alone, beside) = (Gaps::of(&alone), Gaps::of(&beside));
    let ratio = beside.mean / alone.mean;
    let read_tokens_per_second = read.into_inner() as f64 / seconds;
    print(&Report { prompt_tokens, alone, beside, ratio, read_tokens_per_second }, common.json)
}

/// One prompt after the other until it is over, each of other tokens. What fails ends it, and shows as nothing read.
fn read_prompts(engine: &Engine, tokens: usize, over: &AtomicBool, read: &AtomicUsize) {
    let vocab = engine.info().vocab_size;
    for round in 1.. {
        let ids = (0..tokens).map(|index| ((index * 7919 + round * 104_729) % vocab) as u32).collect();
        let request = GenerateRequest { max_tokens: Some(1), ..GenerateRequest::new(Prompt::Tokens(ids)) };
        let Ok(mut stream) = engine.generate(request) else { return };
        let mut seen = 0;
        while let Some(event) = stream.blocking_next() {
            if let lantern_engine::GenerationEvent::Prefill { processed, .. } = event {
                read.fetch_add(processed.saturating_sub(seen), Ordering::Relaxed);
                seen = seen.max(processed);
            }
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn print(report: &Report, json: bool) -> Result<(), CliError> {
    if json {
        return output::json(report);
    }
    let told = |gaps: &Gaps| {
        format!(
            "{:.2} ms from token to token (median {:.2}, longest {:.1})",
            gaps.mean, gaps.median, gaps.longest
        )
    };
    output::table(&[
        row("a chat alone", told(&report.alone)),
        row("beside prompts", told(&report.beside)),
        row("ratio", format!("{:.2}", report.ratio)),
        row(
            "read meanwhile",
            format!("{:.0} tokens/s, prompts of {}", report.read_tokens_per_second, report.prompt_tokens),
        ),
    ])
}
