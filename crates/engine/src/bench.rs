//! Speed of a model on this machine, measured like llama-bench: reading a prompt (`pp`) and writing tokens (`tg`)
//! apart from each other, at every wanted depth, several times, medians. Runs the model alone, without queue, text or
//! prefix cache, and feeds tokens from all over the vocabulary, so that experts and embeddings are not always the same.

use std::path::Path;
use std::time::Instant;

use lantern_gguf::GgufFile;
use lantern_models::registry::{self, PackedCopy};
use lantern_models::{ExpertCounts, KvType, PackedCopies};
use serde::{Deserialize, Serialize};

use crate::block_manager::BlockTable;
use crate::device::{self, Placed};
use crate::error::EngineError;
use crate::identity;
use crate::kv_demand::lone_blocks;
use crate::loading;
use crate::memory;
use crate::options::EngineOptions;
use crate::runner::{LogitRows, ModelRunner, Piece, lone_tables};

/// Tokens of the prompt before the first token that `first_token_seconds` waits for.
const FIRST_PROMPT: usize = 8;

/// What to measure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BenchOptions {
    /// Tokens to read; 0 leaves this out.
    pub prompt: usize,
    /// Tokens to write; 0 leaves this out.
    pub generate: usize,
    /// Threads; 0 takes the fast cores.
    pub threads: usize,
    /// How often each is measured.
    pub repetitions: usize,
    /// Tokens that are in the context already when a measurement begins. Each is measured; none means 0.
    pub depths: Vec<usize>,
    /// How keys and values are kept.
    #[serde(with = "kv_type_name")]
    pub kv_type: KvType,
    /// Where packed copies are kept; `None` uses and makes none.
    #[serde(skip)]
    pub packed_copies: Option<PackedCopies>,
    /// Reads and writes once unmeasured before anything is measured, and tells the time to the first token.
    pub warm_up: bool,
    /// See [`EngineOptions::gpu_layers`].
    pub gpu_layers: Option<u32>,
    /// See [`EngineOptions::cpu_expert_layers`].
    pub cpu_expert_layers: Option<u32>,
    /// See [`EngineOptions::expert_memory`].
    #[serde(default)]
    pub expert_memory: Option<u64>,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            prompt: 512,
            generate: 128,
            threads: 0,
            repetitions: 5,
            depths: vec![0],
            kv_type: KvType::default(),
            packed_copies: None,
            warm_up: true,
            gpu_layers: None,
            cpu_expert_layers: None,
            expert_memory: None,
        }
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
    /// What computed beside them, in words.
    pub device: String,
    /// What was asked for.
    pub options: BenchOptions,
    /// Median speed of reading at the first depth; 0 when left out.
    pub prefill_tokens_per_second: f64,
    /// Median speed of writing at the first depth; 0 when left out.
    pub decode_tokens_per_second: f64,
    /// Speeds at every depth, in the order of the options.
    pub speeds: Vec<DepthSpeed>,
    /// From the start to a model that can be asked: header, fit check, tokenizer, weights mapped, cache reserved.
    pub load_seconds: f64,
    /// From the start to the first token after a prompt of eight; what a person waits who opens a model and asks.
    /// `None` without a warm-up.
    pub first_token_seconds: Option<f64>,
    /// Whether the weights came from a packed copy.
    pub from_packed_copy: bool,
    /// What became of experts since the start, when memory does not hold all of them.
    #[serde(default)]
    pub experts: Option<ExpertReport>,
    /// The most memory the process held, in bytes (Linux; `None` elsewhere). Mapped weights that were read count.
    pub peak_rss_bytes: Option<u64>,
}

/// Speeds with a certain number of tokens in the context.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DepthSpeed {
    /// Tokens in the context before the measured ones.
    pub depth: usize,
    /// Median speed of reading, in tokens per second; 0 when left out.
    pub prefill_tokens_per_second: f64,
    /// Median speed of writing, in tokens per second; 0 when left out.
    pub decode_tokens_per_second: f64,
    /// Every measured speed of reading, in order.
    pub prefill_samples: Vec<f64>,
    /// Every measured speed of writing, in order.
    pub decode_samples: Vec<f64>,
    /// What became of experts while writing was measured, when memory does not hold all of them.
    #[serde(default)]
    pub decode_experts: Option<ExpertReport>,
}

/// What became of a model's experts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ExpertReport {
    /// Bytes of all of them.
    pub total_bytes: u64,
    /// Bytes of those that memory holds at a time.
    pub memory_bytes: u64,
    /// Matrices that rows met.
    pub uses: u64,
    /// Of those, matrices that were in memory.
    pub hits: u64,
    /// `hits / uses`; 0 of none.
    pub hit_rate: f64,
    /// Bytes that were read from the file.
    pub read_bytes: u64,
}

impl ExpertReport {
    /// What happened after `before`.
    fn since(before: ExpertCounts, now: ExpertCounts) -> Self {
        let (uses, hits) = (now.uses - before.uses, now.hits - before.hits);
        Self {
            total_bytes: now.total_bytes,
            memory_bytes: now.room_bytes,
            uses,
            hits,
            hit_rate: if uses > 0 { hits as f64 / uses as f64 } else { 0.0 },
            read_bytes: now.read_bytes - before.read_bytes,
        }
    }
}

/// Loads a model and measures it. Blocks for as long as that takes.
pub fn run(path: &Path, options: &BenchOptions) -> Result<BenchReport, EngineError> {
    let start = Instant::now();
    let mut bench = Bench::load(path, options)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let mut first_token_seconds = None;
    if options.warm_up {
        bench.prefill(0, FIRST_PROMPT)?;
        first_token_seconds = Some(start.elapsed().as_secs_f64());
    }
    let from_packed_copy = bench.finish_copy();
    if options.warm_up {
        while bench.runner.settle() {}
        // Once unmeasured: the rest of the weights comes from the disk, and every buffer gets its size.
        bench.prefill(0, options.prompt.min(bench.step_tokens))?;
        // Which experts are used most shows after a while.
        let partly = bench.runner.expert_counts().is_some();
        bench.decode(0, if partly { options.generate } else { options.generate.min(1) })?;
    }
    let depths = if options.depths.is_empty() { &[0][..] } else { &options.depths };
    let speeds = depths.iter().map(|depth| bench.at_depth(*depth, options)).collect::<Result<Vec<_>, _>>()?;
    Ok(BenchReport {
        architecture: bench.runner.config().architecture.clone(),
        quantisation: bench.quantisation,
        file_bytes: bench.file_bytes,
        n_parameters: bench.runner.config().n_parameters,
        threads: bench.threads,
        device: bench.device,
        options: options.clone(),
        prefill_tokens_per_second: speeds.first().map_or(0.0, |speed| speed.prefill_tokens_per_second),
        decode_tokens_per_second: speeds.first().map_or(0.0, |speed| speed.decode_tokens_per_second),
        speeds,
        load_seconds,
        first_token_seconds,
        from_packed_copy,
        experts: bench.runner.expert_counts().map(|now| ExpertReport::since(ExpertCounts::default(), now)),
        peak_rss_bytes: memory::peak_rss_bytes(),
    })
}

struct Bench {
    runner: ModelRunner,
    copy: PackedCopy,
    tables: Vec<BlockTable>,
    step_tokens: usize,
    threads: usize,
    device: String,
    quantisation: String,
    file_bytes: u64,
}

impl Bench {
    fn load(path: &Path, options: &BenchOptions) -> Result<Self, EngineError> {
        let file = GgufFile::open(path)?;
        let config = registry::config(&file)?;
        let deepest = options.depths.iter().copied().max().unwrap_or(0);
        let tokens = deepest.saturating_add(options.prompt.max(options.generate)).max(FIRST_PROMPT);
        let engine = EngineOptions {
            threads: options.threads,
            context_length: Some(u32::try_from(tokens).unwrap_or(u32::MAX)),
            kv_type: options.kv_type,
            max_sequences: 1,
            gpu_layers: options.gpu_layers,
            cpu_expert_layers: options.cpu_expert_layers,
            expert_memory: options.expert_memory,
            ..EngineOptions::default()
        };
        engine.validate()?;
        if tokens > config.context_length {
            let (prompt, context) = (tokens, config.context_length);
            return Err(EngineError::ContextOverflow { prompt, max_tokens: None, context });
        }
        let Placed { split, device, .. } = device::place(&file, &config, &engine, device::find(&engine))?;
        // Tokenizer and template are not needed here, but part of what a load takes.
        let loaded = loading::load(&file, split.clone(), options.packed_copies.as_ref(), None)?.model;
        // Every measurement begins at the same depth again, so what it computes must leave the window before it alone.
        let rows = options.prompt.max(options.generate).max(engine.step_tokens);
        let n_blocks = lone_blocks(&config.kv_layout, tokens, rows);
        Ok(Self {
            runner: ModelRunner::new(loaded.model, &n_blocks, options.kv_type, split)?,
            copy: loaded.copy,
            tables: lone_tables(&n_blocks, tokens),
            step_tokens: engine.step_tokens,
            threads: engine.resolved_threads(),
            device: device.to_string(),
            quantisation: identity::quantisation(&file),
            file_bytes: file.file_len(),
        })
    }

    /// Writes the packed copy, if one is to be kept and was not there, before anything else is measured. Tells whether
    /// one was used.
    fn finish_copy(&mut self) -> bool {
        match std::mem::replace(&mut self.copy, PackedCopy::None) {
            PackedCopy::Missed { writer, .. } => loading::write(writer),
            PackedCopy::Used => return true,
            PackedCopy::None => {}
        }
        false
    }

    /// Fills the context up to `depth` and measures from there, over and over.
    fn at_depth(&mut self, depth: usize, options: &BenchOptions) -> Result<DepthSpeed, EngineError> {
        let repetitions = options.repetitions.max(1);
        self.prefill(0, depth)?;
        let prefill_samples = speeds(options.prompt, repetitions, |tokens| self.prefill(depth, tokens))?;
        let before = self.runner.expert_counts();
        let decode_samples = speeds(options.generate, repetitions, |tokens| self.decode(depth, tokens))?;
        let decode_experts = before.zip(self.runner.expert_counts());
        Ok(DepthSpeed {
            depth,
            prefill_tokens_per_second: median(&prefill_samples),
            decode_tokens_per_second: median(&decode_samples),
            prefill_samples,
            decode_samples,
            decode_experts: decode_experts.map(|(before, now)| ExpertReport::since(before, now)),
        })
    }

    /// Reads `tokens` tokens behind `depth` in steps of the usual size; logits only after the last.
    fn prefill(&mut self, depth: usize, tokens: usize) -> Result<(), EngineError> {
        let vocab_size = self.runner.config().vocab_size;
        let ids: Vec<u32> = (depth..depth + tokens).map(|at| some_token(at, vocab_size)).collect();
        let mut start = depth;
        for chunk in ids.chunks(self.step_tokens) {
            let last = start + chunk.len() == depth + tokens;
            let logits = if last { LogitRows::Last } else { LogitRows::None };
            let tables = &self.tables;
            self.runner.run([Piece { tokens: chunk, start, tables, logits, guesses: 0, pictures: &[] }])?;
            start += chunk.len();
        }
        Ok(())
    }

    /// Writes `tokens` tokens behind `depth`. What comes next is given, not chosen: choosing is the sampler's work.
    fn decode(&mut self, depth: usize, tokens: usize) -> Result<(), EngineError> {
        let vocab_size = self.runner.config().vocab_size;
        for start in depth..depth + tokens {
            let token = some_token(start, vocab_size);
            let piece = Piece {
                tokens: &[token],
                start,
                tables: &self.tables,
                logits: LogitRows::Last,
                guesses: 0,
                pictures: &[],
            };
            self.runner.run([piece])?;
        }
        Ok(())
    }
}

/// Tokens per second of `work` on `tokens` tokens, several times; nothing when there is nothing to do.
fn speeds(
    tokens: usize,
    repetitions: usize,
    mut work: impl FnMut(usize) -> Result<(), EngineError>,
) -> Result<Vec<f64>, EngineError> {
    let mut samples = Vec::new();
    for _ in 0..if tokens > 0 { repetitions } else { 0 } {
        let begin = Instant::now();
        work(tokens)?;
        samples.push(tokens as f64 / begin.elapsed().as_secs_f64());
    }
    Ok(samples)
}

/// Spread over the vocabulary, the same in every run.
fn some_token(index: usize, vocab_size: usize) -> u32 {
    ((index * 7919 + 13) % vocab_size) as u32
}

/// In reports a kind of cache goes by its name.
mod kv_type_name {
    use lantern_models::KvType;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(kv_type: &KvType, out: S) -> Result<S::Ok, S::Error> {
        kv_type.name().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<KvType, D::Error> {
        let name = String::deserialize(from)?;
        KvType::from_name(&name).ok_or_else(|| D::Error::custom(format!("unknown kind of cache: {name}")))
    }
}

/// The middle of the samples, or between the two in the middle; 0 of none.
pub fn median(samples: &[f64]) -> f64 {
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
