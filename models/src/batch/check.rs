//! What a batch must be, so that layers can index without asking.

use super::{ForwardBatch, GONE, GroupBlocks};
use crate::{KvCache, ModelConfig, ModelError, Reach};

impl ForwardBatch {
    /// Refuses a batch that does not fit the model or the cache, so that layers can index without asking.
    pub(crate) fn check(&self, config: &ModelConfig, kv: &KvCache) -> Result<(), ModelError> {
        let fail = |reason: String| Err(ModelError::BadBatch(reason));
        let rows = self.rows();
        if rows == 0 || self.positions.len() != rows {
            return fail(format!("{rows} tokens, {} positions", self.positions.len()));
        }
        if kv.layout() != &config.kv_layout {
            return fail("the cache belongs to another model".to_owned());
        }
        self.check_pictures(config)?;
        let unknown = |(_, token): &(usize, &u32)| **token as usize >= config.vocab_size;
        let text = self.tokens.iter().enumerate().filter(|(row, _)| !self.is_picture(*row));
        if let Some((_, token)) = text.into_iter().find(unknown) {
            return fail(format!("token {token} of a vocabulary of {}", config.vocab_size));
        }
        if let Some(&row) = self.logit_rows.iter().find(|&&row| row as usize >= rows) {
            return fail(format!("logits of row {row} of {rows}"));
        }
        let mut next = 0;
        for seq in &self.seqs {
            let is_odd = seq.rows == 0 || seq.context < seq.rows || seq.guesses > seq.rows;
            if seq.first_row != next || is_odd {
                return fail(format!(
                    "rows {}+{} of a context of {} after row {next}",
                    seq.first_row, seq.rows, seq.context
                ));
            }
            next += seq.rows;
        }
        if next != rows {
            return fail(format!("the sequences have {next} rows, the batch {rows}"));
        }
        if self.groups.len() != kv.groups().len() {
            let (given, groups) = (self.groups.len(), kv.groups().len());
            return fail(format!("blocks for {given} groups of layers, the cache has {groups}"));
        }
        kv.groups().enumerate().try_for_each(|(group, (reach, n_blocks))| {
            self.check_group(group, reach, n_blocks, kv.block_size())
        })
    }

    /// Refuses a batch for what predicts further tokens which does not fit: it has blocks in the first `groups` groups of layers,
    /// and a hidden row for each of its rows.
    pub(crate) fn check_next(
        &self,
        config: &ModelConfig,
        hidden: &[u32],
        kv: &KvCache,
        groups: usize,
    ) -> Result<(), ModelError> {
        let fail = |reason: String| Err(ModelError::BadBatch(reason));
        let (rows, kept) = (self.rows(), kv.hidden_len(config.hidden_size));
        if rows == 0 || hidden.len() != rows || hidden.iter().any(|&row| row as usize >= kept) {
            return fail(format!("{rows} rows of a head, {} of {kept} hidden rows", hidden.len()));
        }
        if let Some(token) = self.tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
            return fail(format!("token {token} of a vocabulary of {}", config.vocab_size));
        }
        let ends: Vec<usize> = self.seqs.iter().map(|seq| seq.first_row + seq.rows).collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let in_order = self.seqs.iter().zip(starts).all(|(seq, start)| seq.first_row == start);
        if !in_order || ends.last() != Some(&rows) || self.logit_rows.iter().any(|&row| row as usize >= rows)
        {
            return fail("rows of a head that belong to no sequence".to_owned());
        }
        if self.groups.len() < groups {
            return fail(format!("blocks for {} groups of layers instead of {groups}", self.groups.len()));
        }
        kv.groups().take(groups).enumerate().try_for_each(|(group, (reach, n_blocks))| {
            let reach = match reach {
                // What the row behind does not see may be gone.
                Reach::Window(window) => Reach::Window(window.saturating_sub(1).max(1)),
                reach => reach,
            };
            self.check_group(group, reach, n_blocks, kv.block_size())
        })
    }

    /// Refuses pictures that do not fit the model, or of which logits are wanted.
    fn check_pictures(&self, config: &ModelConfig) -> Result<(), ModelError> {
        let fail = |reason: String| Err(ModelError::BadBatch(reason));
        let mut free = 0;
        for picture in &self.pictures {
            picture.check(config.hidden_size, config.pictures.levels)?;
            if picture.first_row < free || picture.first_row + picture.rows > self.rows() {
                return fail(format!("a picture's {} rows from {} on", picture.rows, picture.first_row));
            }
            free = picture.first_row + picture.rows;
        }
        if !self.places.is_empty() && self.places.len() != self.rows() {
            return fail(format!("{} places for {} rows", self.places.len(), self.rows()));
        }
        if let Some(&row) = self.logit_rows.iter().find(|&&row| self.is_picture(row as usize)) {
            return fail(format!("logits of row {row}, which is a part of a picture"));
        }
        Ok(())
    }

    /// Whether a row is a part of a picture.
    fn is_picture(&self, row: usize) -> bool {
        let next = self.pictures.partition_point(|picture| picture.first_row <= row);
        next.checked_sub(1).is_some_and(|i| row < self.pictures[i].first_row + self.pictures[i].rows)
    }

    /// Refuses slots and blocks that a group of layers does not have.
    fn check_group(
        &self,
        group: usize,
        reach: Reach,
        n_blocks: usize,
        block_size: usize,
    ) -> Result<(), ModelError> {
        let fail = |reason: String| Err(ModelError::BadBatch(reason));
        let GroupBlocks { slots, block_tables } = &self.groups[group];
        if slots.len() != self.rows() {
            return fail(format!("{} tokens, {} slots", self.rows(), slots.len()));
        }
        let n_slots = n_blocks * block_size;
        if reach != Reach::State
            && let Some(&slot) = slots.iter().find(|&&slot| slot as usize >= n_slots)
        {
            return fail(format!("slot {slot} of {n_slots}"));
        }
        for seq in &self.seqs {
            let blocks = self.blocks(group, seq, block_size);
            if blocks.is_empty() {
                return fail(format!(
                    "a context of {} whose blocks begin at {} of {}",
                    seq.context,
                    seq.first_block,
                    block_tables.len()
                ));
            }
            let (start, certain) = (seq.context - seq.rows, seq.context - seq.guesses);
            let seen = reach.first_seen(start) / block_size;
            let is_read = |index: usize| index == seen && start > 0;
            let is_kept = |index: usize| certain > start && index + 1 == certain.div_ceil(block_size);
            let needed = |index: usize| reach != Reach::State || is_read(index) || is_kept(index);
            let is_missing = |index: usize| {
                let block = blocks[index];
                block as usize >= n_blocks && (block != GONE || needed(index))
            };
            if let Some(index) = (seen..blocks.len()).find(|&index| is_missing(index)) {
                return fail(format!("block {} of {n_blocks}", blocks[index]));
            }
        }
        Ok(())
    }
}
