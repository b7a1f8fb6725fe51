//! One forward pass's input: rows of tokens from any number of sequences. Who they belong to is the engine's business.

pub use lantern_kernels::AttentionSeq as BatchSeq;

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
    /// The blocks of all sequences; [`BatchSeq::first_block`] says where each one's begin.
    pub block_tables: Vec<u32>,
    /// Rows whose logits are wanted.
    pub logit_rows: Vec<u32>,
}

impl ForwardBatch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// The blocks of one of its sequences in the order of positions; empty where the table is too short for them.
    pub fn blocks(&self, seq: &BatchSeq, block_size: usize) -> &[u32] {
        let table = self.block_tables.get(seq.first_block..).unwrap_or_default();
        table.get(..seq.context.div_ceil(block_size)).unwrap_or_default()
    }

    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        let ForwardBatch { tokens, positions, slots, seqs, block_tables, logit_rows } = self;
        for list in [tokens, positions, slots, block_tables, logit_rows] {
            list.clear();
        }
        seqs.clear();
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
            let blocks = self.blocks(seq, kv.block_size());
            if blocks.is_empty() {
                return fail(format!(
                    "a context of {} whose blocks begin at {} of {}",
                    seq.context,
                    seq.first_block,
                    self.block_tables.len()
                ));
            }
            if let Some(&block) = blocks.iter().find(|&&block| block as usize >= kv.n_blocks()) {
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
