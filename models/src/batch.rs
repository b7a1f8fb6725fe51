//! One forward pass's input: rows of tokens from any number of sequences. Who they belong to is the engine's business.

use crate::{KvCache, ModelConfig, ModelError};

/// Rows of tokens, those of one sequence beside each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardBatch {
    /// Token of each row.
    pub tokens: Vec<u32>,
    /// Position of each row in its sequence.
    pub positions: Vec<u32>,
    /// Where each row's key and value go: `block * block_size + offset`.
    pub slots: Vec<u32>,
    /// The sequences; together they cover all rows in order.
    pub seqs: Vec<BatchSeq>,
    /// Rows whose logits are wanted.
    pub logit_rows: Vec<u32>,
}

/// The rows of one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSeq {
    /// Its first row in the batch.
    pub first_row: usize,
    /// How many rows it has.
    pub rows: usize,
    /// Tokens in the cache after this batch; row `i` sits at position `context - rows + i`.
    pub context: usize,
    /// The blocks that hold them, in order.
    pub blocks: Vec<u32>,
}

impl ForwardBatch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// Refuses a batch that does not fit the model or the cache, so that layers can index without asking.
    pub(crate) fn check(&self, config: &ModelConfig, kv: &KvCache) -> Result<(), ModelError> {
        let fail = |reason: String| Err(ModelError::BadBatch(reason));
        let rows = self.rows();
        if rows == 0 || self.positions.len() != rows || self.slots.len() != rows {
            return fail(format!(
                "{rows} tokens, {} positions, {} slots",
                self.positions.len(),
                self.slots.len()
            ));
        }
        if kv.layout() != &config.kv_layout {
            return fail("the cache belongs to another model".to_owned());
        }
        if let Some(&token) = self.tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
            return fail(format!("token {token} of a vocabulary of {}", config.vocab_size));
        }
        if let Some(&slot) = self.slots.iter().find(|&&slot| slot as usize >= kv.n_slots()) {
            return fail(format!("slot {slot} of {}", kv.n_slots()));
        }
        if let Some(&row) = self.logit_rows.iter().find(|&&row| row as usize >= rows) {
            return fail(format!("logits of row {row} of {rows}"));
        }
        let mut next = 0;
        for seq in &self.seqs {
            if seq.first_row != next || seq.rows == 0 || seq.context < seq.rows {
                return fail(format!(
                    "rows {}+{} of a context of {} after row {next}",
                    seq.first_row, seq.rows, seq.context
                ));
            }
            if seq.blocks.len().saturating_mul(kv.block_size()) < seq.context {
                return fail(format!("{} blocks for a context of {}", seq.blocks.len(), seq.context));
            }
            if let Some(&block) = seq.blocks.iter().find(|&&block| block as usize >= kv.n_blocks()) {
                return fail(format!("block {block} of {}", kv.n_blocks()));
            }
            next += seq.rows;
        }
        if next != rows {
            return fail(format!("the sequences have {next} rows, the batch {rows}"));
        }
        Ok(())
    }
}
