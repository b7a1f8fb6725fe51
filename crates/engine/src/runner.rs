//! Runs the model: builds a `ForwardBatch` from pieces of sequences, owns the weights and the KV cache, and turns
//! a panic in a forward pass into an error. Knows no queue and no text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lantern_models::{
    CausalLm, ExpertCounts, ForwardBatch, KvCache, KvType, ModelConfig, PlacedPicture, Predictor, Split,
};

use crate::block_manager::BlockTable;
use crate::error::EngineError;
use crate::kv_demand::lone_blocks;
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
    /// The sequence's blocks in each group of layers; they cover at least `start + tokens.len()` positions.
    pub(crate) tables: &'a [BlockTable],
    pub(crate) logits: LogitRows,
    /// So many of the tokens, the last ones, are guesses.
    pub(crate) guesses: usize,
    /// The sequence's pictures, in order.
    pub(crate) pictures: &'a [PlacedPicture],
}

/// Rows of one sequence for the head that predicts further tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextPiece<'a> {
    /// The tokens that came behind the positions from `start` on.
    pub(crate) tokens: &'a [u32],
    pub(crate) start: usize,
    /// As in [`Piece`].
    pub(crate) tables: &'a [BlockTable],
    /// Which of the rows that the last pass kept stood at `start`; the others follow it.
    pub(crate) hidden: usize,
    /// Whether it is to predict the token behind the last one.
    pub(crate) wanted: bool,
}

/// What the head that predicts further tokens computes with; kept for its allocations.
#[derive(Default)]
struct NextPass {
    batch: ForwardBatch,
    hidden: Vec<u32>,
    logits: Vec<f32>,
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
    /// Whether what the model makes of each row is kept for its head.
    keeps_hidden: bool,
    next: NextPass,
}

impl ModelRunner {
    /// Reserves the cache, with so many blocks for each group of layers; its pages are touched only when they are used.
    pub(crate) fn new(
        model: Box<dyn CausalLm>,
        n_blocks: &[usize],
        kv_type: KvType,
        split: Split,
    ) -> Result<Self, EngineError> {
        let kv = KvCache::for_split(&model.config().kv_layout, n_blocks, BLOCK_SIZE, kv_type, &split)?;
        Ok(Self {
            model,
            kv,
            split,
            batch: ForwardBatch::default(),
            logits: Vec::new(),
            keeps_hidden: false,
            next: NextPass::default(),
        })
    }

    /// Gives the cache so many blocks for each group of layers. Blocks that are `kept` hold afterwards what they held before.
    pub(crate) fn resize(
        &mut self,
        n_blocks: &[usize],
        kept: impl Fn(usize, u32) -> bool,
    ) -> Result<(), EngineError> {
        Ok(self.kv.resize(n_blocks, kept)?)
    }

    /// The model's hyper-parameters.
    pub(crate) fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    /// The cache's memory.
    pub(crate) fn cache(&self) -> &KvCache {
        &self.kv
    }

    /// The cache's memory, to be filled with what was computed before.
    pub(crate) fn cache_mut(&mut self) -> &mut KvCache {
        &mut self.kv
    }

    /// One forward pass. The wanted logits are there afterwards, in the order of the pieces.
    pub(crate) fn run<'a>(&mut self, pieces: impl IntoIterator<Item = Piece<'a>>) -> Result<(), EngineError> {
        fill_batch(&mut self.batch, pieces);
        self.batch.keeps_hidden = self.keeps_hidden;
        forward(self.model.as_ref(), &self.batch, &mut self.kv, &mut self.logits)
    }

    /// Takes the states of layers that have one over those guesses of the last pass that turned out right: so many for each of
    /// its pieces. Once for a pass.
    pub(crate) fn accept_guesses(&mut self, right: &[usize]) -> Result<(), EngineError> {
        if right.iter().all(|&right| right == 0) {
            return Ok(());
        }
        self.batch.keep_right(right);
        guarded(|| {
            let accepted = self.model.accept_guesses(&self.batch, &mut self.kv);
            accepted.map_err(|error| EngineError::StepFailed(error.to_string()))
        })
    }

    /// What predicts further tokens for the model, if anything does.
    pub(crate) fn predicts(&self) -> Option<Predictor> {
        self.model.predicts()
    }

    /// Keeps what the model makes of each row of the passes that follow, for its head; or keeps it no more.
    pub(crate) fn keep_hidden(&mut self, keep: bool) {
        self.keeps_hidden = keep;
    }

    /// Whether what the model made of the last pass's rows is there for its head.
    pub(crate) fn keeps_hidden(&self) -> bool {
        self.keeps_hidden
    }

    /// One pass of the head. The wanted logits are there afterwards, in the order of the pieces.
    pub(crate) fn predict<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = NextPiece<'a>>,
    ) -> Result<(), EngineError> {
        let predictor = self.model.predicts();
        let NextPass { batch, hidden, logits } = &mut self.next;
        batch.clear();
        hidden.clear();
        for piece in pieces {
            // A head's layer of the cache is one that sees everything, and such a group is the first.
            let groups = if predictor == Some(Predictor::Assistant) { piece.tables.len() } else { 1 };
            let tables = piece.tables.iter().take(groups).map(BlockTable::blocks);
            batch.push(piece.tokens, piece.start, tables, BLOCK_SIZE);
            hidden.extend((piece.hidden as u32..).take(piece.tokens.len()));
            batch.logit_rows.extend(piece.wanted.then_some(batch.tokens.len() as u32 - 1));
        }
        if batch.rows() == 0 {
            return Ok(());
        }
        guarded(|| {
            let predicted = self.model.predict(batch, hidden, &mut self.kv, logits);
            predicted.map_err(|error| EngineError::StepFailed(error.to_string()))
        })
    }

    /// The likeliest token by a row of the head's last logits.
    pub(crate) fn predicted(&self, index: usize) -> Option<u32> {
        likeliest(&self.next.logits, self.config().vocab_size, index)
    }

    /// The likeliest token by a row of the last pass's logits.
    pub(crate) fn likeliest(&self, index: usize) -> Option<u32> {
        likeliest(&self.logits, self.config().vocab_size, index)
    }

    /// Does a little more for the weights, which then are there sooner or are read faster; whether there may be more to do.
    pub(crate) fn settle(&self) -> bool {
        self.split.settle()
    }

    /// What became of the experts so far, if memory does not hold all of them.
    pub(crate) fn expert_counts(&self) -> Option<ExpertCounts> {
        self.split.expert_counts()
    }

    /// A row of the last pass's logits, one number for each token of the vocabulary. Whoever samples may change it.
    pub(crate) fn row(&mut self, index: usize) -> Option<&mut [f32]> {
        let vocab_size = self.model.config().vocab_size;
        self.logits.chunks_exact_mut(vocab_size).nth(index)
    }

    /// Logits at every position of `ids`, from a cache of its own with full precision.
    pub(crate) fn logits(&self, ids: &[u32], step_tokens: usize) -> Result<Vec<f32>, EngineError> {
        let layout = &self.config().kv_layout;
        let n_blocks = lone_blocks(layout, ids.len(), step_tokens);
        let tables = lone_tables(&n_blocks, ids.len());
        let mut kv = KvCache::for_split(layout, &n_blocks, BLOCK_SIZE, KvType::F32, &self.split)?;
        let (mut batch, mut logits) = (ForwardBatch::default(), Vec::new());
        let mut all = Vec::with_capacity(ids.len() * self.config().vocab_size);
        for (index, tokens) in ids.chunks(step_tokens).enumerate() {
            let start = index * step_tokens;
            fill_batch(
                &mut batch,
                [Piece { tokens, start, tables: &tables, logits: LogitRows::All, guesses: 0, pictures: &[] }],
            );
            forward(self.model.as_ref(), &batch, &mut kv, &mut logits)?;
            all.extend_from_slice(&logits);
        }
        Ok(all)
    }
}

fn likeliest(logits: &[f32], vocab_size: usize, row: usize) -> Option<u32> {
    let row = logits.chunks_exact(vocab_size).nth(row)?;
    let best = row.iter().zip(0..).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, token)| token)
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

/// One forward pass of a batch; the wanted logits replace those in `logits`.
pub(crate) fn forward(
    model: &dyn CausalLm,
    batch: &ForwardBatch,
    kv: &mut KvCache,
    logits: &mut Vec<f32>,
) -> Result<(), EngineError> {
    guarded(|| model.forward(batch, kv, logits).map_err(|error| EngineError::StepFailed(error.to_string())))
}

/// Replaces a batch by these pieces.
pub(crate) fn fill_batch<'a>(batch: &mut ForwardBatch, pieces: impl IntoIterator<Item = Piece<'a>>) {
    batch.clear();
    for piece in pieces {
        let first_row = batch.rows();
        let tables = piece.tables.iter().map(BlockTable::blocks);
        batch.push_with_pictures(piece.tokens, piece.start, tables, BLOCK_SIZE, piece.pictures);
        batch.guess_last(piece.guesses);
        let rows = first_row as u32..batch.rows() as u32;
        match piece.logits {
            LogitRows::None => {}
            LogitRows::Last => batch.logit_rows.extend(rows.last()),
            LogitRows::All => batch.logit_rows.extend(rows),
        }
    }
}

/// The tables of the only sequence of a cache with so many blocks for each group of layers.
pub(crate) fn lone_tables(n_blocks: &[usize], context: usize) -> Vec<BlockTable> {
    let len = context.div_ceil(BLOCK_SIZE);
    n_blocks.iter().map(|&n_blocks| BlockTable::in_turn(len, n_blocks)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_every_row_s_place() {
        let size = BLOCK_SIZE as u32;
        let mut batch = ForwardBatch::default();
        let in_turn = |blocks| vec![BlockTable::in_turn(3, 3), BlockTable::in_turn(3, blocks)];
        let (three, two) = (in_turn(3), in_turn(2));
        let prompt = Piece {
            tokens: &[7, 8, 9],
            start: 2 * BLOCK_SIZE - 1,
            tables: &two,
            logits: LogitRows::None,
            guesses: 0,
            pictures: &[],
        };
        let (logits, guesses) = (LogitRows::Last, 0);
        let decode = Piece { tokens: &[4], start: 0, tables: &three, logits, guesses, pictures: &[] };
        fill_batch(&mut batch, [prompt, decode]);
        assert_eq!(batch.tokens, [7, 8, 9, 4]);
        assert_eq!(batch.positions, [2 * size - 1, 2 * size, 2 * size + 1, 0]);
        let [all, turns] = &batch.groups[..] else { panic!("two groups of layers") };
        assert_eq!(all.slots, [2 * size - 1, 2 * size, 2 * size + 1, 0]);
        assert_eq!(turns.slots, [2 * size - 1, 0, 1, 0]);
        assert_eq!(batch.logit_rows, [3]);
        assert_eq!(all.block_tables, [0, 1, 2, 0], "only blocks that hold something are named");
        assert_eq!(turns.block_tables, [0, 1, 0, 0]);
        assert_eq!((batch.seqs[0].first_block, batch.seqs[1].first_block), (0, 3));
        assert_eq!((batch.seqs[0].context, batch.seqs[1].first_row), (2 * BLOCK_SIZE + 2, 3));
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        let error = guarded::<()>(|| panic!("index {} is odd", 3)).expect_err("it panics");
        assert_eq!(error.code(), "step_panicked");
        assert!(error.to_string().contains("index 3 is odd"));
    }
}
