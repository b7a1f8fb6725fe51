//! How well a model predicts a text, and what it costs to keep its keys and values in less memory.
//!
//! Perplexity is defined as in llama.cpp's tool of that name, so that figures can be compared: the text is cut into
//! windows of `context` tokens and what is left over is dropped; each window is read afresh, its first token replaced
//! by BOS where the model wants one; and every token after the middle one is scored by what the model said before it.
//! Several kinds of cache read each window side by side, and the later ones are compared with the first, token by token.
//! Runs the model alone, like [`crate::bench`]; knows no text, only tokens.

mod against;
mod kept;
mod score;

use std::path::Path;

use lantern_gguf::GgufFile;
use lantern_models::{CausalLm, ForwardBatch, KvCache, KvType, Split, registry};
use serde::Serialize;

use crate::block_manager::BlockTable;
use crate::device::{self, Placed};
use crate::error::EngineError;
use crate::kv_demand::lone_blocks;
use crate::ledger::{Charge, Ledger};
use crate::memory::BLOCK_SIZE;
use crate::options::EngineOptions;
use crate::runner::{LogitRows, Piece, fill_batch, forward, lone_tables};
use crate::text::Tokenizer;
pub use against::{Against, Held, ReadOptions, Reading};
use score::{Sums, score_rows};

/// Rows that are read at once where no logits are wanted.
const READ_ROWS: usize = 512;
/// Rows whose logits are held at once: a large vocabulary has a megabyte of them for each.
const SCORED_ROWS: usize = 64;

/// What to measure.
#[derive(Debug, Clone)]
pub struct PerplexityOptions {
    /// Tokens in a window; 4 at least.
    pub context: usize,
    /// Windows to read; `None` takes all there are.
    pub windows: Option<usize>,
    /// Threads; 0 takes the fast cores.
    pub threads: usize,
    /// How keys and values are kept; the first is what the others are compared with.
    pub kv_types: Vec<KvType>,
    /// The books in which what it takes is charged.
    pub ledger: Ledger,
}

impl Default for PerplexityOptions {
    fn default() -> Self {
        Self {
            context: 512,
            windows: None,
            threads: 0,
            kv_types: vec![KvType::default()],
            ledger: Ledger::default(),
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct PerplexityReport {
    /// Tokens in a window.
    pub context: usize,
    /// Windows that were read.
    pub windows: usize,
    /// Tokens that were scored.
    pub scored_tokens: usize,
    /// One for each kind of cache, in the order of the options.
    pub runs: Vec<KvPerplexity>,
}

/// A text's perplexity with one kind of cache.
#[derive(Debug, Clone, Serialize)]
pub struct KvPerplexity {
    /// The kind's name.
    pub kv_type: &'static str,
    /// exp of the mean of −ln p over the scored tokens.
    pub perplexity: Estimate,
    /// The difference from the first kind; `None` for that one.
    pub change: Option<Change>,
}

/// What another kind of cache changes, measured on the same tokens.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Change {
    /// Of the perplexity, in per cent. Its error is much smaller than those of the two perplexities, because it comes
    /// from the differences at each token.
    pub perplexity_percent: Estimate,
    /// KL divergence of the distributions, in nats.
    pub divergence: Estimate,
    /// Share of positions whose likeliest token is the same, in per cent.
    pub same_top_percent: Estimate,
}

/// A value and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// One standard error.
    pub error: f64,
}

/// A model that is ready to read.
pub struct Perplexity {
    model: Box<dyn CausalLm>,
    tokenizer: Tokenizer,
    split: Split,
    options: PerplexityOptions,
    threads: usize,
    _charge: Charge,
}

impl Perplexity {
    /// Loads a model. Refuses windows that it was not trained for, and what does not fit into memory.
    pub fn load(path: &Path, options: PerplexityOptions) -> Result<Self, EngineError> {
        let file = GgufFile::open(path)?;
        let config = registry::config(&file)?;
        let engine = EngineOptions {
            threads: options.threads,
            context_length: Some(u32::try_from(options.context).unwrap_or(u32::MAX)),
            // One cache in 32 bits is about what the others take together. Logits are charged twice a sequence.
            kv_type: KvType::F32,
            max_sequences: SCORED_ROWS * options.kv_types.len().div_ceil(2),
            // Only kernels know every kind of cache.
            gpu_layers: Some(0),
            ledger: options.ledger.clone(),
            ..EngineOptions::default()
        };
        check_options(&options, config.context_length)?;
        engine.validate()?;
        let (split, charge) = options.ledger.charge(|| {
            let placed = device::place(&file, &config, &engine, device::find(&engine))?;
            let Placed { plan, split, .. } = placed;
            Ok::<_, EngineError>((split, plan.total_bytes()))
        })?;
        Ok(Self {
            tokenizer: Tokenizer::from_gguf(&file)?,
            model: registry::load_with(&file, split.clone())?,
            split,
            threads: engine.resolved_threads(),
            options,
            _charge: charge,
        })
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How many windows will be read of so many tokens, or why none.
    pub fn windows(&self, tokens: usize) -> Result<usize, EngineError> {
        let windows = tokens / self.options.context;
        match self.options.windows.map_or(windows, |wanted| windows.min(wanted)) {
            0 => Err(EngineError::TextTooShort { tokens, context: self.options.context }),
            windows => Ok(windows),
        }
    }

    /// Reads a text, window by window. `progress` hears of each: how many were read, and the first kind's perplexity
    /// so far.
    pub fn measure(
        &self,
        tokens: &[u32],
        mut progress: impl FnMut(usize, f64),
    ) -> Result<PerplexityReport, EngineError> {
        let vocab_size = self.model.config().vocab_size;
        if let Some(&token) = tokens.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::UnknownToken { token, vocab_size });
        }
        let (context, windows) = (self.options.context, self.windows(tokens.len())?);
        let mut readers = self.readers()?;
        let mut sums = vec![Sums::default(); readers.len()];
        for (i, window) in tokens.chunks_exact(context).take(windows).enumerate() {
            let mut window = window.to_vec();
            if let Some(bos) = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos()) {
                window[0] = bos;
            }
            self.read(&window, &mut readers, &mut sums)?;
            progress(i + 1, sums[0].perplexity().value);
        }
        let runs = self.options.kv_types.iter().zip(&sums).enumerate().map(|(i, (kv_type, sums))| {
            let change = (i > 0).then(|| sums.change());
            KvPerplexity { kv_type: kv_type.name(), perplexity: sums.perplexity(), change }
        });
        Ok(PerplexityReport { context, windows, scored_tokens: sums[0].count(), runs: runs.collect() })
    }

    fn readers(&self) -> Result<Vec<Reader>, EngineError> {
        let (context, layout) = (self.options.context, &self.model.config().kv_layout);
        let n_blocks = lone_blocks(layout, context, READ_ROWS);
        let reader = |kv_type: &KvType| {
            let kv = KvCache::for_split(layout, &n_blocks, BLOCK_SIZE, *kv_type, &self.split)?;
            let tables = lone_tables(&n_blocks, context);
            Ok(Reader { kv, tables, batch: ForwardBatch::default(), logits: Vec::new() })
        };
        self.options.kv_types.iter().map(reader).collect()
    }

    /// Scores the second half of a window with every cache.
    fn read(&self, window: &[u32], readers: &mut [Reader], sums: &mut [Sums]) -> Result<(), EngineError> {
        let model = self.model.as_ref();
        let first = window.len() / 2;
        for reader in readers.iter_mut() {
            for (i, tokens) in window[..first].chunks(READ_ROWS).enumerate() {
                reader.step(model, tokens, i * READ_ROWS, LogitRows::None)?;
            }
        }
        // The last token has none after it.
        for start in (first..window.len() - 1).step_by(SCORED_ROWS) {
            let end = (window.len() - 1).min(start + SCORED_ROWS);
            for reader in readers.iter_mut() {
                reader.step(model, &window[start..end], start, LogitRows::All)?;
            }
            let next = &window[start + 1..end + 1];
            for (reader, sums) in readers.iter().zip(sums.iter_mut()) {
                let rows = score_rows(&readers[0].logits, &reader.logits, next, self.threads);
                rows.into_iter().for_each(|row| sums.add(row));
            }
        }
        Ok(())
    }
}

/// One kind of cache and what its last pass gave.
struct Reader {
    kv: KvCache,
    tables: Vec<BlockTable>,
    batch: ForwardBatch,
    logits: Vec<f32>,
}

impl Reader {
    fn step(
        &mut self,
        model: &dyn CausalLm,
        tokens: &[u32],
        start: usize,
        logits: LogitRows,
    ) -> Result<(), EngineError> {
        let tables = &self.tables;
        fill_batch(&mut self.batch, [Piece { tokens, start, tables, logits, guesses: 0, pictures: &[] }]);
        forward(model, &self.batch, &mut self.kv, &mut self.logits)
    }
}

fn check_options(options: &PerplexityOptions, trained: usize) -> Result<(), EngineError> {
    let wrong = |words: String| Err(EngineError::InvalidOptions(words));
    if !(4..=trained).contains(&options.context) {
        let context = options.context;
        return wrong(format!(
            "the context is {context} tokens; it must lie between 4 and {trained}, which the model was trained for"
        ));
    }
    if options.kv_types.is_empty() {
        return wrong("no kind of cache was named".to_owned());
    }
    for (i, kv_type) in options.kv_types.iter().enumerate() {
        if options.kv_types[..i].contains(kv_type) {
            return wrong(format!("the cache {} is named twice", kv_type.name()));
        }
    }
    Ok(())
}
