//! Hours of mixed work: answers of all lengths, greedy and drawn, new prompts and known ones, some cancelled and some simply
//! dropped. Afterwards no block may be held by anybody, and memory must be what it was after the beginning.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lantern_engine::{
    Engine, EngineError, GenerateRequest, GenerationEvent, Priority, Prompt, SamplingParams, rss_bytes,
};
use serde::Serialize;

use super::{request, topic};
use crate::commands::bench::row;
use crate::error::CliError;
use crate::output;

/// Answers at a time.
const STREAMS: u64 = 16;
/// This share of the time is the beginning, in which buffers and caches grow.
const BEGINNING: f64 = 0.1;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// What memory may grow by after the beginning.
const GROWTH: f64 = 0.02;

#[derive(Default, Serialize)]
struct Report {
    minutes: f64,
    answers: u64,
    /// Of the answers, those that were cut off.
    cut_off: u64,
    tokens: u64,
    guessed_tokens: u64,
    cached_tokens: u64,
    preemptions: u64,
    /// Blocks that are held although nothing runs.
    blocks_held: usize,
    /// Resident memory in bytes after the beginning, at the end, and the most and the least between; Linux only.
    memory: Option<Memory>,
}

#[derive(Clone, Copy, Serialize)]
struct Memory {
    beginning: u64,
    end: u64,
    least: u64,
    most: u64,
}

#[derive(Default)]
struct Counts {
    answers: AtomicU64,
    cut_off: AtomicU64,
}

pub fn run(engine: &Engine, minutes: f64, json: bool) -> Result<(), CliError> {
    let (over, counts) = (AtomicBool::new(false), Counts::default());
    let duration = Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| {
        CliError::new("invalid_minutes", "That is no time to run for.", "Give minutes above 0.")
    })?;
    let memory = std::thread::scope(|scope| {
        let work: Vec<_> = (0..STREAMS)
            .map(|seed| {
                scope.spawn({
                    let (over, counts) = (&over, &counts);
                    move || answer_after_answer(engine, seed, over, counts)
                })
            })
            .collect();
        let memory = watch(duration, || work.iter().any(|thread| thread.is_finished()));
        over.store(true, Ordering::Relaxed);
        for thread in work {
            thread.join().map_err(|_| CliError::internal("A thread that reads answers has failed."))??;
        }
        Ok::<_, CliError>(memory)
    })?;
    let stats = settled(engine);
    let report = Report {
        minutes,
        answers: counts.answers.into_inner(),
        cut_off: counts.cut_off.into_inner(),
        tokens: stats.sampled_tokens,
        guessed_tokens: stats.guessed_tokens,
        cached_tokens: stats.cached_tokens,
        preemptions: stats.preemptions,
        blocks_held: stats.blocks_used,
        memory,
    };
    print(&report, json)?;
    judge(&report)
}

/// Sixteen of these run at once.
fn answer_after_answer(
    engine: &Engine,
    seed: u64,
    over: &AtomicBool,
    counts: &Counts,
) -> Result<(), EngineError> {
    let mut random = Random(seed);
    while !over.load(Ordering::Relaxed) {
        let mut stream = engine.generate(some_request(engine, &mut random))?;
        // One in four is cut off somewhere: half of those cancelled, half dropped.
        let cut = (random.below(4) == 0).then(|| random.below(60));
        let mut pieces = 0;
        while let Some(event) = stream.blocking_next() {
            if let GenerationEvent::Failed(error) = event {
                return Err(error);
            }
            pieces += 1;
            if cut.is_some_and(|cut| pieces == cut) {
                counts.cut_off.fetch_add(1, Ordering::Relaxed);
                if random.below(2) == 0 {
                    break;
                }
                stream.cancel();
            }
        }
        counts.answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// A chat or a program's text, new or asked for before, short or long.
fn some_request(engine: &Engine, random: &mut Random) -> GenerateRequest {
    let tokens = 1 + random.below(160) as usize;
    let mut request = request(engine, topic(random.below(40) as usize), tokens);
    if random.below(3) == 0 {
        let (vocab, first) = (engine.info().vocab_size as u64, random.below(1 << 20));
        let ids = (0..1 + random.below(900)).map(|index| ((first + index * 7919) % vocab) as u32).collect();
        request.prompt = Prompt::Tokens(ids);
    }
    if random.below(2) == 0 {
        request.sampling = SamplingParams { seed: Some(random.below(1000)), ..SamplingParams::default() };
    }
    request.priority = match random.below(4) {
        0 => Priority::Chat,
        1 => Priority::Background,
        _ => Priority::Api,
    };
    request
}

/// Looks at the process's memory until the time is over, or somebody has stopped working.
fn watch(duration: Duration, stopped: impl Fn() -> bool) -> Option<Memory> {
    let started = Instant::now();
    let mut memory: Option<Memory> = None;
    while started.elapsed() < duration && !stopped() {
        std::thread::sleep(LOOK.min(duration.saturating_sub(started.elapsed())));
        let now = rss_bytes()?;
        if started.elapsed().as_secs_f64() < duration.as_secs_f64() * BEGINNING {
            continue;
        }
        let memory = memory.get_or_insert(Memory { beginning: now, end: now, least: now, most: now });
        *memory = Memory { end: now, least: memory.least.min(now), most: memory.most.max(now), ..*memory };
    }
    memory
}

/// The engine's figures once nothing runs any more; what was dropped takes it a step to notice.
fn settled(engine: &Engine) -> lantern_engine::EngineStats {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let stats = engine.stats();
        if (stats.running == 0 && stats.waiting == 0) || Instant::now() > until {
            return stats;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn print(report: &Report, json: bool) -> Result<(), CliError> {
    if json {
        return output::json(report);
    }
    let Report { answers, cut_off, tokens, guessed_tokens, cached_tokens, .. } = report;
    let memory = report.memory.map_or("unknown".to_owned(), |memory| {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let Memory { beginning, end, least, most } = memory;
        let change = 100.0 * (end as f64 / beginning as f64 - 1.0);
        format!(
            "{:.1} MB after the beginning, {:.1} MB at the end ({change:+.2} %), between {:.1} and {:.1} MB",
            mb(beginning),
            mb(end),
            mb(least),
            mb(most)
        )
    });
    output::table(&[
        row("answers", format!("{answers} in {} minutes, {cut_off} cut off", report.minutes)),
        row(
            "tokens",
            format!(
                "{tokens} written, {guessed_tokens} of them guessed; {cached_tokens} read from the cache"
            ),
        ),
        row("preemptions", report.preemptions.to_string()),
        row("blocks held", report.blocks_held.to_string()),
        row("memory", memory),
    ])
}

fn judge(report: &Report) -> Result<(), CliError> {
    let grown =
        report.memory.is_some_and(|memory| memory.end as f64 > memory.beginning as f64 * (1.0 + GROWTH));
    if report.blocks_held == 0 && !grown {
        return Ok(());
    }
    let what = if grown { "Memory has grown" } else { "Blocks of the cache are lost" };
    Err(CliError::new(
        "leak",
        format!("{what}; see the figures above."),
        "Report this with the figures and the model.",
    ))
}

/// SplitMix64: as good as any for choosing what to do next.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % limit
    }
}
