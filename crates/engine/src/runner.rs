//! Runs the model: builds a `ForwardBatch` from pieces of sequences, owns the weights and the KV cache, and turns
//! a panic in a forward pass into an error. Knows no queue and no text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lantern_models::{BatchSeq, CausalLm, ForwardBatch, KvCache, KvType, ModelConfig, Split};

use crate::error::EngineError;
use crate::memory::BLOCK_SIZE;

/// Which rows of a piece give logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogitRows {
    None,
    Last,
    All,
}

/// A piece of one sequence, to be computed in the next pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// The tokens to compute.
    pub(crate) tokens: &'a [u32],
    /// Position of the first of them.
    pub(crate) start: usize,
    /// The sequence's block table; covers at least `start + tokens.len()` positions.
    pub(crate) blocks: &'a [u32],
    pub(crate) logits: LogitRows,
}

/// A model and its KV cache.
pub(crate) struct ModelRunner {
    model: Box<dyn CausalLm>,
    kv: KvCache,
    /// How the layers compute, which is where the cache keeps what they write.
    split: Split,
    /// Kept for their allocations, and the logits for who reads them.
    batch: ForwardBatch,
    logits: Vec<f32>,
}

impl ModelRunner {
    /// Reserves the cache; its pages are touched only when they are used.
    pub(crate) fn new(
        model: Box<dyn CausalLm>,
        n_blocks: usize,
        kv_type: KvType,
        split: Split,
    ) -> Result<Self, EngineError> {
        let kv = KvCache::for_split(&model.config().kv_layout, n_blocks, BLOCK_SIZE, kv_type, &split)?;
        Ok(Self { model, kv, split, batch: ForwardBatch::default(), logits: Vec::new() })
    }

    /// The model's hyper-parameters.
    pub(crate) fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    /// One forward pass. The wanted logits are there afterwards, in the order of the pieces.
    pub(crate) fn run<'a>(&mut self, pieces: impl IntoIterator<Item = Piece<'a>>) -> Result<(), EngineError> {
        fill_batch(&mut self.batch, pieces);
        forward(self.model.as_ref(), &self.batch, &mut self.kv, &mut self.logits)
    }

    /// A row of the last pass's logits, one number for each token of the vocabulary. Whoever samples may change it.
    pub(crate) fn row(&mut self, index: usize) -> Option<&mut [f32]> {
        let vocab_size = self.model.config().vocab_size;
        self.logits.chunks_exact_mut(vocab_size).nth(index)
    }

    /// Logits at every position of `ids`, from a cache of its own with full precision.
    pub(crate) fn logits(&self, ids: &[u32], step_tokens: usize) -> Result<Vec<f32>, EngineError> {
        let n_blocks = ids.len().div_ceil(BLOCK_SIZE);
        let blocks: Vec<u32> = (0..n_blocks as u32).collect();
        let layout = &self.config().kv_layout;
        let mut kv = KvCache::for_split(layout, n_blocks, BLOCK_SIZE, KvType::F32, &self.split)?;
        let (mut batch, mut logits) = (ForwardBatch::default(), Vec::new());
        let mut all = Vec::with_capacity(ids.len() * self.config().vocab_size);
        for (index, tokens) in ids.chunks(step_tokens).enumerate() {
            let start = index * step_tokens;
            fill_batch(&mut batch, [Piece { tokens, start, blocks: &blocks, logits: LogitRows::All }]);
            forward(self.model.as_ref(), &batch, &mut kv, &mut logits)?;
            all.extend_from_slice(&logits);
        }
        Ok(all)
    }
}

/// Runs `work` and reports a panic in it as an error with the panic's words.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    // What a panic may leave half done is either rebuilt for every step (the batch) or belongs to sequences that
    // fail with it (their blocks of the cache, which are published only after a step succeeded).
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<&str>()
            .map(|words| words.to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        Err(EngineError::StepPanicked(words))
    })
}

fn forward(
    model: &dyn CausalLm,
    batch: &ForwardBatch,
    kv: &mut KvCache,
    logits: &mut Vec<f32>,
) -> Result<(), EngineError> {
    guarded(|| model.forward(batch, kv, logits).map_err(|error| EngineError::StepFailed(error.to_string())))
}

fn fill_batch<'a>(batch: &mut ForwardBatch, pieces: impl IntoIterator<Item = Piece<'a>>) {
    batch.clear();
    for piece in pieces {
        let first_row = batch.tokens.len();
        let rows = piece.tokens.len();
        let context = piece.start + rows;
        batch.tokens.extend_from_slice(piece.tokens);
        for position in piece.start..context {
            let slot = piece.blocks[position / BLOCK_SIZE] as usize * BLOCK_SIZE + position % BLOCK_SIZE;
            batch.positions.push(position as u32);
            batch.slots.push(slot as u32);
        }
        let last_row = (first_row + rows) as u32;
        match piece.logits {
            LogitRows::None => {}
            LogitRows::Last => batch.logit_rows.push(last_row - 1),
            LogitRows::All => batch.logit_rows.extend(first_row as u32..last_row),
        }
        let first_block = batch.block_tables.len();
        batch.block_tables.extend_from_slice(&piece.blocks[..context.div_ceil(BLOCK_SIZE)]);
        batch.seqs.push(BatchSeq { first_row, rows, context, first_block });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_every_row_s_place() {
        let size = BLOCK_SIZE as u32;
        let mut batch = ForwardBatch::default();
        let prompt =
            Piece { tokens: &[7, 8, 9], start: BLOCK_SIZE - 1, blocks: &[5, 2, 8], logits: LogitRows::None };
        let decode = Piece { tokens: &[4], start: 0, blocks: &[3], logits: LogitRows::Last };
        fill_batch(&mut batch, [prompt, decode]);
        assert_eq!(batch.tokens, [7, 8, 9, 4]);
        assert_eq!(batch.positions, [size - 1, size, size + 1, 0]);
        assert_eq!(batch.slots, [5 * size + size - 1, 2 * size, 2 * size + 1, 3 * size]);
        assert_eq!(batch.logit_rows, [3]);
        assert_eq!(batch.block_tables, [5, 2, 3], "only blocks that hold something are named");
        assert_eq!((batch.seqs[0].first_block, batch.seqs[1].first_block), (0, 2));
        assert_eq!((batch.seqs[0].context, batch.seqs[1].first_row), (BLOCK_SIZE + 2, 3));
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        let error = guarded::<()>(|| panic!("index {} is odd", 3)).expect_err("it panics");
        assert_eq!(error.code(), "step_panicked");
        assert!(error.to_string().contains("index 3 is odd"));
    }
}
