//! One forward pass's input: rows of tokens from any number of sequences. Who they belong to is the engine's business.

use std::borrow::Cow;

pub use lantern_kernels::AttentionSeq as BatchSeq;

use crate::pictures::places;
use crate::rows::Rows;
use crate::{KvCache, ModelConfig, ModelError, PictureRows, PlacedPicture, Reach};

/// Stands in a block table for a block that a sequence has let go, or where it keeps no state.
pub const GONE: u32 = lantern_kernels::NO_BLOCK;

/// Rows of tokens, those of one sequence beside each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForwardBatch {
    /// Token of each row; anything where it is a part of a picture.
    pub tokens: Vec<u32>,
    /// Position of each row in its sequence.
    pub positions: Vec<u32>,
    /// The sequences; together they cover all rows in order.
    pub seqs: Vec<BatchSeq>,
    /// Where each group of layers keeps keys and values, in the order of [`crate::KvLayout::groups`].
    pub groups: Vec<GroupBlocks>,
    /// Rows whose logits are wanted.
    pub logit_rows: Vec<u32>,
    /// Rows that are parts of pictures, in order.
    pub pictures: Vec<PictureRows>,
    /// Where each row turns to in time, down and across, for models whose rotary embeddings look at these; empty when no
    /// sequence has a picture, and then its position stands for all three.
    pub places: Vec<[u32; 3]>,
    /// Whether what the model makes of every row is kept in the cache, for the head that predicts further tokens.
    pub keeps_hidden: bool,
}

/// Where one group of layers keeps the keys and values of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupBlocks {
    /// Where each row's key and value go: `block * block_size + offset`. Layers with a state do not look at them.
    pub slots: Vec<u32>,
    /// The blocks of all sequences; [`BatchSeq::first_block`] says where each one's begin, for all groups alike. What
    /// no row of a sequence sees may be [`GONE`].
    pub block_tables: Vec<u32>,
}

impl ForwardBatch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// Adds the next rows of a sequence, `tokens` from position `start` on, whose blocks in each group of layers are
    /// `tables`, in the order of positions. Wants no logits. Blocks that are missing are found by the model, which then
    /// refuses the batch.
    pub fn push<'a>(
        &mut self,
        tokens: &[u32],
        start: usize,
        tables: impl IntoIterator<Item = &'a [u32]>,
        block_size: usize,
    ) {
        self.push_with_pictures(tokens, start, tables, block_size, &[]);
    }

    /// As [`Self::push`], for a sequence in which `pictures` stand, in order. The parts of a picture that see each other
    /// must all be among the rows, and nothing else.
    pub fn push_with_pictures<'a>(
        &mut self,
        tokens: &[u32],
        start: usize,
        tables: impl IntoIterator<Item = &'a [u32]>,
        block_size: usize,
        pictures: &[PlacedPicture],
    ) {
        let (first_row, rows, context) = (self.rows(), tokens.len(), start + tokens.len());
        let first_block = self.groups.first().map_or(0, |group| group.block_tables.len());
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((start..context).map(|position| position as u32));
        let together = pictures.iter().any(|p| p.picture.together && p.start < context && p.end() > start);
        self.seqs.push(BatchSeq { first_row, rows, context, first_block, together, guesses: 0 });
        if !pictures.is_empty() {
            let seen = self.places.len()..first_row;
            self.places.extend(self.positions[seen].iter().map(|&position| [position; 3]));
            self.places.extend(places(pictures, start, rows));
            self.pictures
                .extend(pictures.iter().filter_map(|picture| picture.rows_in(start, rows, first_row)));
        } else if !self.places.is_empty() {
            self.places.extend(self.positions[first_row..].iter().map(|&position| [position; 3]));
        }
        for (index, table) in tables.into_iter().enumerate() {
            if index == self.groups.len() {
                self.groups.push(GroupBlocks::default());
            }
            let GroupBlocks { slots, block_tables } = &mut self.groups[index];
            slots.extend((start..context).map(|position| {
                let block = table.get(position / block_size).copied().unwrap_or(GONE);
                block.saturating_mul(block_size as u32).saturating_add((position % block_size) as u32)
            }));
            let blocks = context.div_ceil(block_size);
            block_tables.extend_from_slice(&table[..blocks.min(table.len())]);
            block_tables.resize(first_block + blocks, GONE);
        }
    }

    /// Makes the last so many rows of the sequence that was added last guesses: layers with a state keep none behind them
    /// until [`CausalLm::accept_guesses`](crate::CausalLm::accept_guesses).
    pub fn guess_last(&mut self, guesses: usize) {
        if let Some(seq) = self.seqs.last_mut() {
            seq.guesses = guesses;
        }
    }

    /// Leaves, of each of its sequences in order, so many of the guesses: those that turned out right. Their rows are counted
    /// among all guesses of the batch.
    pub fn keep_right(&mut self, right: &[usize]) {
        let mut first_row = 0;
        for (seq, &right) in self.seqs.iter_mut().zip(right) {
            let guesses = seq.guesses;
            let rows = right.min(guesses);
            *seq = BatchSeq { first_row, rows, context: seq.context - guesses + rows, guesses: 0, ..*seq };
            first_row += guesses;
        }
        self.seqs.retain(|seq| seq.rows > 0);
    }

    /// The blocks of one of its sequences in a group of layers, in the order of positions; empty where the table is too
    /// short for them.
    pub fn blocks(&self, group: usize, seq: &BatchSeq, block_size: usize) -> &[u32] {
        let tables = self.groups.get(group).map_or(&[][..], |group| &group.block_tables);
        let table = tables.get(seq.first_block..).unwrap_or_default();
        table.get(..seq.context.div_ceil(block_size)).unwrap_or_default()
    }

    /// Whether the logits of every row are wanted, in the order of the rows.
    pub(crate) fn wants_all(&self) -> bool {
        self.logit_rows.len() == self.rows() && self.logit_rows.iter().zip(0..).all(|(&row, i)| row == i)
    }

    /// The rows whose logits are wanted, each as a sequence of its own whose keys and values are in the cache already. None
    /// of them is a part of a picture.
    pub(crate) fn only_wanted(&self) -> Self {
        let of_rows = |list: &[u32]| self.logit_rows.iter().map(|&row| list[row as usize]).collect();
        let alone = |(first_row, &row): (usize, &u32)| {
            let holds_row =
                |seq: &&BatchSeq| (seq.first_row..seq.first_row + seq.rows).contains(&(row as usize));
            let seq = self.seqs.iter().find(holds_row)?;
            let later_rows = seq.first_row + seq.rows - 1 - row as usize;
            Some(BatchSeq { first_row, rows: 1, context: seq.context - later_rows, guesses: 0, ..*seq })
        };
        let of_group = |group: &GroupBlocks| GroupBlocks {
            slots: of_rows(&group.slots),
            block_tables: group.block_tables.clone(),
        };
        ForwardBatch {
            tokens: of_rows(&self.tokens),
            positions: of_rows(&self.positions),
            seqs: self.logit_rows.iter().enumerate().filter_map(alone).collect(),
            groups: self.groups.iter().map(of_group).collect(),
            logit_rows: (0..self.logit_rows.len() as u32).collect(),
            pictures: Vec::new(),
            places: match self.places.is_empty() {
                true => Vec::new(),
                false => self.logit_rows.iter().map(|&row| self.places[row as usize]).collect(),
            },
            keeps_hidden: self.keeps_hidden,
        }
    }

    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        let ForwardBatch { tokens, positions, seqs, groups, logit_rows, pictures, places, keeps_hidden } =
            self;
        *keeps_hidden = false;
        for list in [tokens, positions, logit_rows] {
            list.clear();
        }
        for GroupBlocks { slots, block_tables } in groups {
            slots.clear();
            block_tables.clear();
        }
        seqs.clear();
        pictures.clear();
        places.clear();
    }

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

    /// The tokens, with the first of the vocabulary in place of what is none.
    pub(crate) fn text_tokens(&self) -> Cow<'_, [u32]> {
        if self.pictures.is_empty() {
            return Cow::Borrowed(&self.tokens);
        }
        let mut tokens = self.tokens.clone();
        for picture in &self.pictures {
            tokens[picture.first_row..][..picture.rows].fill(0);
        }
        Cow::Owned(tokens)
    }

    /// Adds to the rows of pictures what belongs behind block `layer`.
    pub(crate) fn add_picture_level(
        &self,
        x: &mut Rows,
        config: &ModelConfig,
        layer: usize,
    ) -> Result<(), ModelError> {
        if layer >= config.pictures.levels || self.pictures.is_empty() {
            return Ok(());
        }
        x.change(|values| {
            self.pictures.iter().for_each(|picture| picture.add_level(values, config.hidden_size, layer));
        })
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::{KvLayout, KvType, LayerCache, LayerKvShape};

    #[test]
    fn wanted_rows_become_sequences_that_see_what_they_saw() {
        let seq = |first_row, rows, context, first_block| BatchSeq {
            first_row,
            rows,
            context,
            first_block,
            together: false,
            guesses: 0,
        };
        let mut batch = ForwardBatch::default();
        batch.push(&[10, 11, 12], 4, [&[8, 9][..], &[GONE, 3]], 4);
        batch.push(&[20, 21], 0, [&[0][..], &[2]], 4);
        assert_eq!(batch.seqs, [seq(0, 3, 7, 0), seq(3, 2, 2, 2)]);
        assert_eq!(batch.groups[0].slots, [36, 37, 38, 0, 1]);
        assert_eq!(batch.groups[1].slots, [12, 13, 14, 8, 9]);
        assert_eq!(batch.groups[1].block_tables, [GONE, 3, 2]);
        batch.logit_rows = vec![4, 1];
        assert!(!batch.wants_all());
        let wanted = batch.only_wanted();
        assert_eq!((&*wanted.tokens, &*wanted.positions), (&[21, 11][..], &[1, 5][..]));
        assert_eq!(wanted.seqs, [seq(0, 1, 2, 2), seq(1, 1, 6, 0)]);
        assert_eq!(wanted.groups[1].slots, [9, 13]);
        assert_eq!(wanted.groups[1].block_tables, batch.groups[1].block_tables);
        assert!(wanted.wants_all());
        assert!(ForwardBatch { logit_rows: vec![0, 1, 2, 3, 4], ..batch.clone() }.wants_all());
        assert!(!ForwardBatch { logit_rows: vec![0, 1, 2, 4, 3], ..batch }.wants_all());
    }

    #[test]
    fn right_guesses_become_rows_of_their_own() {
        let mut batch = ForwardBatch::default();
        for (tokens, start, guesses) in [(3, 4, 2), (2, 0, 0), (4, 9, 3), (2, 5, 1)] {
            batch.push(&[1; 4][..tokens], start, [&[0; 4][..]], 4);
            batch.guess_last(guesses);
        }
        batch.keep_right(&[1, 0, 3, 0]);
        let seq = |first_row, rows, context, first_block| BatchSeq {
            first_row,
            rows,
            context,
            first_block,
            together: false,
            guesses: 0,
        };
        assert_eq!(batch.seqs, [seq(0, 1, 6, 0), seq(2, 3, 13, 3)]);
    }

    #[test]
    fn only_what_no_row_sees_may_be_gone() {
        let layer = |window| LayerCache::Attention(LayerKvShape { n_kv_heads: 1, head_dim: 32, window });
        let config = ModelConfig {
            architecture: String::new(),
            name: None,
            vocab_size: 50,
            context_length: 100,
            n_layers: 2,
            hidden_size: 32,
            n_heads: 1,
            pictures: crate::PictureInput::default(),
            kv_layout: KvLayout { layers: vec![layer(Some(6)), layer(None)] },
            n_parameters: 0,
        };
        let kv = KvCache::new(&config.kv_layout, &[3, 2], 16, KvType::F16, &Device::Cpu).unwrap();
        // Rows at positions 40 and 41, of which the first sees from position 35 on where it has a window of 6.
        let attempt = |whole: &[u32], window: &[u32]| {
            let mut batch = ForwardBatch::default();
            batch.push(&[1, 2], 40, [whole, window], 16);
            batch.check(&config, &kv).map_err(|error| error.to_string())
        };
        assert_eq!(attempt(&[2, 0, 1], &[GONE, GONE, 1]), Ok(()));
        let refusals = [
            (attempt(&[2, GONE, 1], &[GONE, GONE, 1]), "block 4294967295 of 3"),
            (attempt(&[2, 0, 1], &[GONE, 0, GONE]), "slot 4294967295 of 32"),
            (attempt(&[2, 0, 1], &[GONE, GONE]), "slot 4294967295 of 32"),
            (attempt(&[2, 0, 1], &[GONE, GONE, 2]), "slot 40 of 32"),
        ];
        for (refusal, words) in refusals {
            let error = refusal.expect_err(words);
            assert!(error.contains(words), "{error} says nothing of {words}");
        }
        let mut batch = ForwardBatch::default();
        batch.push(&[1, 2], 40, [&[2, 0, 1][..]], 16);
        let error = batch.check(&config, &kv).unwrap_err().to_string();
        assert!(error.contains("blocks for 1 groups of layers, the cache has 2"), "{error}");
    }

    #[test]
    fn states_are_needed_before_the_first_row_and_behind_the_last() {
        let config = ModelConfig {
            architecture: String::new(),
            name: None,
            vocab_size: 50,
            context_length: 100,
            n_layers: 1,
            hidden_size: 32,
            n_heads: 1,
            pictures: crate::PictureInput::default(),
            kv_layout: KvLayout { layers: vec![LayerCache::State(7)] },
            n_parameters: 0,
        };
        let kv = KvCache::new(&config.kv_layout, &[3], 16, KvType::F16, &Device::Cpu).unwrap();
        let attempt = |start, table: &[u32]| {
            let mut batch = ForwardBatch::default();
            batch.push(&[1; 30], start, [table], 16);
            batch.check(&config, &kv).is_ok()
        };
        assert!(attempt(0, &[GONE, 1]), "nothing is read at the beginning");
        assert!(attempt(20, &[GONE, 2, GONE, 1]));
        assert!(attempt(32, &[GONE, 2, GONE, 1]), "the state before stands in the block before");
        assert!(!attempt(32, &[GONE, GONE, 2, 1]));
        assert!(!attempt(20, &[GONE, 2, 1, GONE]));
        assert!(!attempt(20, &[GONE, 2, 3, 1]), "a block that does not exist");
        let guessing = |table: &[u32]| {
            let mut batch = ForwardBatch::default();
            batch.push(&[1; 20], 20, [table], 16);
            batch.guess_last(10);
            batch.check(&config, &kv).is_ok()
        };
        assert!(guessing(&[GONE, 1, GONE]), "nothing is kept behind guesses");
        assert!(!guessing(&[GONE, GONE, 1]));
    }
}
