//! Many answers at once from one engine: how fast all of them are together, what a long prompt beside a chat costs the
//! chat, and whether hours of that leave memory as it was. Unlike the other measurements these go through the engine's
//! queue, scheduler and prefix cache, as an application's requests do.

mod beside;
mod constrained;
mod soak;
mod streams;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lantern_engine::{
    ChatMessage, Engine, EngineError, EngineOptions, GenerateRequest, GenerationEvent, GenerationStream,
    Priority, Prompt, SamplingParams, Usage,
};

use crate::error::CliError;

#[derive(clap::Args)]
#[command(next_help_heading = "Many at once")]
pub struct LoadArgs {
    /// Answers at the same time, each as long as -n says; several numbers, as in 8,16, are measured one by one
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', conflicts_with_all = ["compare", "beside", "soak"])]
    streams: Vec<usize>,
    /// A chat's answer beside prompts of so many tokens that programs send
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["compare", "soak"])]
    beside: Option<usize>,
    /// Sixteen answers at a time, of all sorts, some cut off, for so many minutes; fails if memory or blocks do not come back
    #[arg(long, value_name = "MINUTES", conflicts_with = "compare")]
    soak: Option<f64>,
    /// Answers that must match the JSON schema in this file, in turns with answers that need not
    #[arg(long, value_name = "SCHEMA", conflicts_with_all = ["compare", "beside", "soak", "streams"])]
    constrained: Option<PathBuf>,
    /// Write token by token, without guessing
    #[arg(long)]
    no_guess: bool,
}

/// What all of them share with the other measurements.
pub struct Common<'a> {
    pub path: &'a Path,
    pub options: EngineOptions,
    pub tokens: usize,
    pub json: bool,
}

impl LoadArgs {
    /// Whether one of these is asked for.
    pub fn wanted(&self) -> bool {
        !self.streams.is_empty() || self.beside.is_some() || self.soak.is_some() || self.constrained.is_some()
    }

    pub fn run(&self, common: &Common<'_>) -> Result<(), CliError> {
        let options = EngineOptions { guess: !self.no_guess, ..common.options.clone() };
        let load = |options| Engine::load(common.path, options).map_err(CliError::from);
        if let Some(minutes) = self.soak {
            return soak::run(&load(options)?, minutes, common.json);
        }
        if let Some(prompt) = self.beside {
            return beside::run(&load(options)?, prompt, common);
        }
        if let Some(schema) = &self.constrained {
            return constrained::run(&load(options)?, schema, common);
        }
        let most = self.streams.iter().copied().max().unwrap_or(1);
        let max_sequences = options.max_sequences.max(most);
        streams::run(&load(EngineOptions { max_sequences, ..options })?, &self.streams, common)
    }
}

/// An answer and when its tokens came.
#[derive(Default)]
struct Answer {
    tokens: Vec<u32>,
    usage: Usage,
    /// From the request to the first token.
    first: Duration,
    /// From the request to the end.
    whole: Duration,
    /// From each piece of text to the next.
    gaps: Vec<Duration>,
}

/// The likeliest tokens of an answer to `text`, as many as `tokens`.
fn request(engine: &Engine, text: String, tokens: usize) -> GenerateRequest {
    let prompt = match engine.chat_template() {
        Ok(_) => Prompt::Messages { messages: vec![ChatMessage::new("user", text)], tools: None },
        Err(_) => Prompt::Text(text),
    };
    GenerateRequest {
        max_tokens: Some(tokens),
        sampling: SamplingParams { temperature: 0.0, ..SamplingParams::default() },
        priority: Priority::Api,
        ..GenerateRequest::new(prompt)
    }
}

/// Something to write about at length; each number is another prompt, and all have about as many tokens.
fn topic(number: usize) -> String {
    format!("Write a very long story about animal number {number}, with many details.")
}

/// Waits for the end of an answer.
fn answer(engine: &Engine, request: GenerateRequest) -> Result<Answer, EngineError> {
    read(engine.generate(request)?, Instant::now())
}

fn read(mut stream: GenerationStream, started: Instant) -> Result<Answer, EngineError> {
    let mut answer = Answer::default();
    let mut last = None;
    while let Some(event) = stream.blocking_next() {
        let now = Instant::now();
        match event {
            GenerationEvent::Text { tokens, .. } | GenerationEvent::Reasoning { tokens, .. } => {
                match last {
                    Some(last) => answer.gaps.push(now - last),
                    None => answer.first = now - started,
                }
                last = Some(now);
                answer.tokens.extend(tokens);
            }
            GenerationEvent::Finished { usage, .. } => answer.usage = usage,
            GenerationEvent::Failed(error) => return Err(error),
            GenerationEvent::Queued { .. }
            | GenerationEvent::Prefill { .. }
            | GenerationEvent::ToolCall { .. }
            | GenerationEvent::ToolArguments { .. } => {}
        }
    }
    answer.whole = started.elapsed();
    Ok(answer)
}

/// Waits for several answers at the same time; they are in the order of the requests.
fn answers(engine: &Engine, requests: Vec<GenerateRequest>) -> Result<Vec<Answer>, CliError> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            requests.into_iter().map(|request| scope.spawn(|| answer(engine, request))).collect();
        let joined = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| CliError::internal("A thread that reads an answer has failed."))
        };
        threads.into_iter().map(|thread| Ok(joined(thread)??)).collect()
    })
}
