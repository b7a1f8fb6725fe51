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

    /// Whether the logits of every row are wanted, in the order of the rows.
    pub(crate) fn wants_all(&self) -> bool {
        self.logit_rows.len() == self.rows() && self.logit_rows.iter().zip(0..).all(|(&row, i)| row == i)
    }

    /// The rows whose logits are wanted, each as a sequence of its own whose keys and values are in the cache already.
    pub(crate) fn only_wanted(&self) -> Self {
        let of_rows = |list: &[u32]| self.logit_rows.iter().map(|&row| list[row as usize]).collect();
        let alone = |(first_row, &row): (usize, &u32)| {
            let holds_row =
                |seq: &&BatchSeq| (seq.first_row..seq.first_row + seq.rows).contains(&(row as usize));
            let seq = self.seqs.iter().find(holds_row)?;
            let later_rows = seq.first_row + seq.rows - 1 - row as usize;
            Some(BatchSeq { first_row, rows: 1, context: seq.context - later_rows, ..*seq })
        };
        ForwardBatch {
            tokens: of_rows(&self.tokens),
            positions: of_rows(&self.positions),
            slots: of_rows(&self.slots),
            seqs: self.logit_rows.iter().enumerate().filter_map(alone).collect(),
            block_tables: self.block_tables.clone(),
            logit_rows: (0..self.logit_rows.len() as u32).collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_rows_become_sequences_that_see_what_they_saw() {
        let seq = |first_row, rows, context, first_block| BatchSeq { first_row, rows, context, first_block };
        let batch = ForwardBatch {
            tokens: vec![10, 11, 12, 20, 21],
            positions: vec![4, 5, 6, 0, 1],
            slots: vec![34, 35, 36, 0, 1],
            seqs: vec![seq(0, 3, 7, 0), seq(3, 2, 2, 2)],
            block_tables: vec![8, 9, 0],
            logit_rows: vec![4, 1],
        };
        assert!(!batch.wants_all());
        let wanted = batch.only_wanted();
        assert_eq!((&*wanted.tokens, &*wanted.positions), (&[21, 11][..], &[1, 5][..]));
        assert_eq!(wanted.seqs, [seq(0, 1, 2, 2), seq(1, 1, 6, 0)]);
        assert!(wanted.wants_all());
        assert!(ForwardBatch { logit_rows: vec![0, 1, 2, 3, 4], ..batch.clone() }.wants_all());
        assert!(!ForwardBatch { logit_rows: vec![0, 1, 2, 4, 3], ..batch }.wants_all());
    }
}
