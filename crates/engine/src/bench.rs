//! Speed of a model on this machine, measured like llama-bench: reading a prompt (`pp`) and writing tokens (`tg`)
//! apart from each other, several times, medians. Runs the model alone, without queue, text or prefix cache.

use std::path::Path;
use std::time::Instant;

use lantern_gguf::GgufFile;
use lantern_models::{KvType, LoadOptions, registry};
use serde::{Deserialize, Serialize};

use crate::engine::default_device;
use crate::error::EngineError;
use crate::identity;
use crate::memory::{self, BLOCK_SIZE};
use crate::options::EngineOptions;
use crate::runner::{LogitRows, ModelRunner, Piece};
use crate::text::{Tokenizer, likeliest};

/// Tokens of the prompt before the first token that `first_token_seconds` waits for.
const FIRST_PROMPT: usize = 8;

/// What to measure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BenchOptions {
    /// Tokens to read; 0 leaves this out.
    pub prompt: usize,
    /// Tokens to write; 0 leaves this out.
    pub generate: usize,
    /// Threads; 0 takes the physical cores.
    pub threads: usize,
    /// How often each is measured.
    pub repetitions: usize,
    /// Tokens that are in the context already when the measuring of `generate` begins.
    pub depth: usize,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self { prompt: 512, generate: 128, threads: 0, repetitions: 5, depth: 0 }
    }
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BenchReport {
    /// GGUF's `general.architecture`.
    pub architecture: String,
    /// The weights' type or mix.
    pub quantisation: String,
    /// Size of the file.
    pub file_bytes: u64,
    /// Weights.
    pub n_parameters: u64,
    /// Threads that computed.
    pub threads: usize,
    /// What was asked for.
    pub options: BenchOptions,
    /// Median speed of reading; 0 when left out.
    pub prefill_tokens_per_second: f64,
    /// Median speed of writing; 0 when left out.
    pub decode_tokens_per_second: f64,
    /// Every measured speed of reading, in order.
    pub prefill_samples: Vec<f64>,
    /// Every measured speed of writing, in order.
    pub decode_samples: Vec<f64>,
    /// From the start to a model that can be asked: header, fit check, tokenizer, weights mapped, cache reserved.
    pub load_seconds: f64,
    /// From the start to the first token after a prompt of eight; what a person waits who opens a model and asks.
    pub first_token_seconds: f64,
    /// The most memory the process held, in bytes (Linux; `None` elsewhere). Mapped weights that were read count.
    pub peak_rss_bytes: Option<u64>,
}

/// Loads a model and measures it. Blocks for as long as that takes.
pub fn run(path: &Path, options: &BenchOptions) -> Result<BenchReport, EngineError> {
    let start = Instant::now();
    let mut bench = Bench::load(path, options)?;
    let load_seconds = start.elapsed().as_secs_f64();
    bench.prefill(FIRST_PROMPT)?;
    let first_token_seconds = start.elapsed().as_secs_f64();

    // Once unmeasured: the rest of the weights comes from the disk, and every buffer gets its size.
    bench.prefill(options.prompt.min(bench.step_tokens))?;
    let (mut prefill_samples, mut decode_samples) = (Vec::new(), Vec::new());
    for _ in 0..options.repetitions.max(1) {
        if options.prompt > 0 {
            let begin = Instant::now();
            bench.prefill(options.prompt)?;
            prefill_samples.push(options.prompt as f64 / begin.elapsed().as_secs_f64());
        }
    }
    if options.generate > 0 {
        bench.prefill(options.depth)?;
        for _ in 0..options.repetitions.max(1) {
            let begin = Instant::now();
            bench.decode(options.depth, options.generate)?;
            decode_samples.push(options.generate as f64 / begin.elapsed().as_secs_f64());
        }
    }
    Ok(BenchReport {
        architecture: bench.runner.config().architecture.clone(),
        quantisation: bench.quantisation,
        file_bytes: bench.file_bytes,
        n_parameters: bench.runner.config().n_parameters,
        threads: bench.threads,
        options: options.clone(),
        prefill_tokens_per_second: median(&prefill_samples),
        decode_tokens_per_second: median(&decode_samples),
        prefill_samples,
        decode_samples,
        load_seconds,
        first_token_seconds,
        peak_rss_bytes: memory::peak_rss_bytes(),
    })
}

struct Bench {
    runner: ModelRunner,
    blocks: Vec<u32>,
    step_tokens: usize,
    threads: usize,
    quantisation: String,
    file_bytes: u64,
}

impl Bench {
    fn load(path: &Path, options: &BenchOptions) -> Result<Self, EngineError> {
        let file = GgufFile::open(path)?;
        file.require_whole()?;
        let config = registry::config(&file)?;
        let tokens = options.prompt.max(options.depth + options.generate).max(FIRST_PROMPT);
        let engine = EngineOptions {
            threads: options.threads,
            context_length: Some(tokens as u32),
            max_sequences: 1,
            ..EngineOptions::default()
        };
        engine.validate()?;
        if tokens > config.context_length {
            let (prompt, context) = (tokens, config.context_length);
            return Err(EngineError::ContextOverflow { prompt, max_tokens: None, context });
        }
        memory::plan(&config, file.file_len(), &engine)?;
        // Not needed here, but part of what a load takes.
        Tokenizer::from_gguf(&file)?;
        let device = default_device()?;
        let threads = engine.resolved_threads();
        let model = registry::load(&file, &LoadOptions { device: device.clone(), threads })?;
        let n_blocks = tokens.div_ceil(BLOCK_SIZE);
        Ok(Self {
            runner: ModelRunner::new(model, n_blocks, KvType::F16, device)?,
            blocks: (0..n_blocks as u32).collect(),
            step_tokens: engine.step_tokens,
            threads,
            quantisation: identity::quantisation(&file),
            file_bytes: file.file_len(),
        })
    }

    /// Reads `tokens` tokens from an empty context in steps of the usual size; logits only after the last.
    fn prefill(&mut self, tokens: usize) -> Result<(), EngineError> {
        let vocab_size = self.runner.config().vocab_size;
        let ids: Vec<u32> = (0..tokens).map(|index| some_token(index, vocab_size)).collect();
        let mut start = 0;
        for chunk in ids.chunks(self.step_tokens) {
            let last = start + chunk.len() == tokens;
            let logits = if last { LogitRows::Last } else { LogitRows::None };
            self.runner.run([Piece { tokens: chunk, start, blocks: &self.blocks, logits }])?;
            start += chunk.len();
        }
        Ok(())
    }

    /// Writes `tokens` tokens behind `depth`, each the likeliest after the one before.
    fn decode(&mut self, depth: usize, tokens: usize) -> Result<(), EngineError> {
        let mut token = some_token(depth, self.runner.config().vocab_size);
        for start in depth..depth + tokens {
            let piece = Piece { tokens: &[token], start, blocks: &self.blocks, logits: LogitRows::Last };
            self.runner.run([piece])?;
            token = self.runner.row(0).and_then(|logits| likeliest(logits)).unwrap_or(0);
        }
        Ok(())
    }
}

/// Spread over the vocabulary, the same in every run.
fn some_token(index: usize, vocab_size: usize) -> u32 {
    ((index * 7919 + 13) % vocab_size) as u32
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => 0.0,
        (half, 0) => (sorted[half - 1] + sorted[half]) / 2.0,
        (half, _) => sorted[half],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
