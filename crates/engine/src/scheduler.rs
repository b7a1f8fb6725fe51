//! Decides what the next forward pass computes. It holds sequences and blocks, and never sees a tensor.
//!
//! Each step has one budget of tokens. Sequences that need a single row (decode) come first, then chunks of
//! prompts, in order of rank: class (chat, API, background), then arrival. A sequence gets the blocks of all its
//! known tokens when it is admitted, so only decoding rows ever ask for more. When no block is left, the
//! lowest-ranked running sequence gives its blocks back and is computed again later; a chat therefore never
//! gives way to an API request or to background work, only to an older chat.
//!
//! Layers with a window are another matter: there a sequence holds no more than its window and what a step computes.
//! The memory plan has room for that in as many sequences as may run, so nobody ever waits for those blocks.

use std::sync::Arc;
use std::time::Duration;

use crate::block_manager::BlockManager;
use crate::guesser::{Guesser, Likelihood};
use crate::request::Priority;
use crate::sequence::{DiskLookup, Sequence, SequenceId};
use crate::step_costs::StepCosts;

/// Limits of one engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Sequences in one forward pass.
    pub(crate) max_sequences: usize,
    /// Tokens in one forward pass.
    pub(crate) step_tokens: usize,
    /// Tokens that a sequence may have.
    pub(crate) context: usize,
    /// Guesses at the next tokens of a sequence that one pass may check.
    pub(crate) guesses: usize,
}

/// Room for sequences, as the memory plan gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Tokens that a sequence may have.
    pub(crate) context: usize,
    pub(crate) max_sequences: usize,
    /// Blocks of each group of layers.
    pub(crate) n_blocks: Vec<usize>,
}

/// One sequence's share of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheduled {
    pub(crate) id: SequenceId,
    /// Tokens to compute, from `Sequence::computed` on.
    pub(crate) rows: usize,
    /// Whether the last row's logits give the next token.
    pub(crate) samples: bool,
    /// So many of the rows, the last ones, are guesses; then all rows have logits.
    pub(crate) guesses: usize,
}

/// Waiting and running sequences, both sorted by rank, and the blocks they share.
pub(crate) struct Scheduler {
    limits: Limits,
    blocks: BlockManager,
    waiting: Vec<Sequence>,
    running: Vec<Sequence>,
    preemptions: u64,
    costs: StepCosts,
    /// Who guesses beside the lookup.
    drafter: Option<Guesser>,
    /// How likely that is right, in all sequences.
    drafts_right: Likelihood,
}

impl Scheduler {
    /// `blocks` must be able to hold the longest sequence that will ever be submitted.
    pub(crate) fn new(limits: Limits, blocks: BlockManager) -> Self {
        Self {
            limits,
            blocks,
            waiting: Vec::new(),
            running: Vec::new(),
            preemptions: 0,
            costs: StepCosts::default(),
            drafter: None,
            drafts_right: Likelihood::HOPEFUL,
        }
    }

    /// Makes room for longer sequences, or gives some back; nobody may hold a block that goes. Those that stay are what they
    /// were.
    pub(crate) fn resize(&mut self, extent: &Extent) {
        self.limits.context = extent.context;
        self.limits.max_sequences = extent.max_sequences;
        self.blocks.resize(&extent.n_blocks);
    }

    /// Tokens that a sequence may have.
    pub(crate) fn context(&self) -> usize {
        self.limits.context
    }

    /// With what is known of the time that steps take.
    pub(crate) fn with_costs(self, costs: StepCosts) -> Self {
        Self { costs, ..self }
    }

    /// Puts a sequence in the queue.
    pub(crate) fn submit(&mut self, sequence: Sequence) {
        let drafts_right = self.drafts_right.of_another();
        let sequence = Sequence { drafts_right, ..sequence };
        insert_by_rank(&mut self.waiting, sequence);
    }

    /// Plans a step in place of what is in `step`; empty when there is nothing to do. `beside_chat` caps the prompt
    /// rows of other classes while a chat is decoding, which keeps the time between its tokens even.
    pub(crate) fn schedule(&mut self, beside_chat: usize, step: &mut Vec<Scheduled>) {
        step.clear();
        self.admit();
        let mut budget = self.limits.step_tokens;
        self.schedule_decode(step, &mut budget);
        let mut others = if self.chat_is_decoding() { beside_chat } else { usize::MAX };
        for sequence in
            self.running.iter_mut().filter(|s| s.remaining() > 1 && s.guesses == 0 && !s.is_loading())
        {
            let is_chat = sequence.priority == Priority::Chat;
            let rows = sequence.rows_at_once(if is_chat { budget } else { budget.min(others) });
            if !is_chat {
                others = others.saturating_sub(rows);
            }
            if rows > 0 && self.blocks.extend(&mut sequence.tables, sequence.computed + rows) {
                budget = budget.saturating_sub(rows);
                step.push(Scheduled {
                    id: sequence.id,
                    rows,
                    samples: rows == sequence.remaining(),
                    guesses: 0,
                });
            }
        }
    }

    /// Records that `rows` more tokens of a sequence are in the KV cache, publishes the blocks they filled and lets go of
    /// those that its windows have left behind.
    pub(crate) fn advance(&mut self, id: SequenceId, rows: usize) {
        let size = self.blocks.block_size();
        let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) else { return };
        sequence.computed += rows;
        while sequence.publishes && (sequence.chain.len() + 1) * size <= sequence.computed {
            let index = sequence.chain.len();
            let tokens = &sequence.tokens[index * size..(index + 1) * size];
            match self.blocks.publish(sequence.chain.last().copied(), tokens, &sequence.tables, index) {
                Some(hash) => sequence.chain.push(hash),
                None => sequence.publishes = false,
            }
        }
        if sequence.marks.contains(&sequence.computed) && sequence.publishes {
            self.blocks.mark(&sequence.tables, sequence.computed);
        }
        self.blocks.let_go(&mut sequence.tables, sequence.computed);
    }

    /// Learns what a step of so many rows took, when all of them were decoding.
    pub(crate) fn observe(&mut self, rows: usize, took: Duration) {
        self.costs.observe(rows, took);
    }

    /// What a step of so many decoding rows takes; `None` for no rows, and before any were seen.
    pub(crate) fn decode_time(&self, rows: usize) -> Option<Duration> {
        self.costs.of(rows)
    }

    /// Appends a sampled token.
    pub(crate) fn append(&mut self, id: SequenceId, token: u32) {
        if let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) {
            sequence.tokens.push(token);
        }
    }

    /// Forgets a sequence, wherever it is, and frees its blocks.
    pub(crate) fn remove(&mut self, id: SequenceId) {
        self.waiting.retain(|s| s.id != id);
        if let Some(index) = self.running.iter().position(|s| s.id == id) {
            let mut sequence = self.running.remove(index);
            self.blocks.release_of(&mut sequence.tables, sequence.owner.as_ref());
        }
    }

    /// A running sequence.
    pub(crate) fn get(&self, id: SequenceId) -> Option<&Sequence> {
        self.running.iter().find(|s| s.id == id)
    }

    /// Sequences that run, in order of rank.
    pub(crate) fn sequences(&self) -> &[Sequence] {
        &self.running
    }

    /// Sequences in the queue, the next one first. Preempted ones are among them.
    pub(crate) fn waiting(&self) -> &[Sequence] {
        &self.waiting
    }

    /// How many sequences are running.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether there is nothing to run and nothing to wait for.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// See [`BlockManager::pin`].
    pub(crate) fn pin(&mut self, owner: &Arc<str>, is_pinned: bool) {
        self.blocks.pin(owner, is_pinned);
    }

    /// See [`BlockManager::drop_idle`].
    pub(crate) fn drop_idle(&mut self, bytes: u64, block_bytes: &[u64]) {
        self.blocks.drop_idle(bytes, block_bytes);
    }

    /// See [`BlockManager::take_used_blank`].
    pub(crate) fn take_used_blank(&mut self) -> Vec<Vec<u32>> {
        self.blocks.take_used_blank()
    }

    /// The blocks, for figures.
    pub(crate) fn blocks(&self) -> &BlockManager {
        &self.blocks
    }

    /// How often a running sequence had to give its blocks back.
    pub(crate) fn preemptions(&self) -> u64 {
        self.preemptions
    }

    /// Whether a chat's answer is being written.
    pub(crate) fn chat_is_decoding(&self) -> bool {
        self.running
            .iter()
            .any(|s| s.priority == Priority::Chat && s.is_decoding() && s.remaining() == 1 + s.guesses)
    }

    /// Moves sequences from the queue into the running set while there is room for them. The queue is never
    /// overtaken: a long prompt at its head waits for blocks rather than starve behind short ones.
    pub(crate) fn admit(&mut self) {
        while let Some(priority) = self.waiting.first().map(|s| s.priority) {
            if self.admit_first() {
                continue;
            }
            if !self.lower_classes_could_make_room(priority) {
                return;
            }
            self.preempt_last();
        }
    }

    fn admit_first(&mut self) -> bool {
        if self.running.len() >= self.limits.max_sequences {
            return false;
        }
        // One block per running sequence stays free, or the newcomer would be thrown out at once.
        let Some(admission) = self.blocks.admit(&self.waiting[0].tokens, self.running.len()) else {
            return false;
        };
        let mut sequence = self.waiting.remove(0);
        sequence.computed = admission.chain.len() * self.blocks.block_size();
        sequence.cached.get_or_insert(sequence.computed);
        sequence.tables = admission.tables;
        sequence.chain = admission.chain;
        insert_by_rank(&mut self.running, sequence);
        true
    }

    /// Whether preempting all running sequences below `priority` would admit the head of the queue.
    fn lower_classes_could_make_room(&self, priority: Priority) -> bool {
        let lower = || self.running.iter().filter(|s| s.priority > priority);
        let staying = self.running.len() - lower().count();
        lower().count() > 0
            && staying < self.limits.max_sequences
            && self.blocks.would_admit(
                self.waiting[0].tokens.len(),
                staying,
                lower().map(|s| s.tables.as_slice()),
            )
    }

    fn schedule_decode(&mut self, step: &mut Vec<Scheduled>, budget: &mut usize) {
        // What is preempted on the way comes from the end of the list, so those before keep their places.
        let first = step.len();
        let mut index = 0;
        while let Some(sequence) = self.running.get(index) {
            let (id, is_ready) = (sequence.id, sequence.remaining() == 1 && !sequence.is_loading());
            if is_ready && *budget == 0 {
                break;
            }
            if is_ready && self.ensure_blocks(id) {
                *budget -= 1;
                step.push(Scheduled { id, rows: 1, samples: true, guesses: 0 });
            }
            index += 1;
        }
        self.add_guesses(&mut step[first..], budget);
    }

    /// Makes sure that a decoding sequence has blocks for its next row, at the cost of lower ranks. False when the
    /// sequence had to go back to the queue itself, now or earlier in this step.
    fn ensure_blocks(&mut self, id: SequenceId) -> bool {
        loop {
            let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) else { return false };
            if self.blocks.extend(&mut sequence.tables, sequence.tokens.len()) {
                return true;
            }
            self.preempt_last();
        }
    }

    fn preempt_last(&mut self) {
        if let Some(last) = self.running.len().checked_sub(1) {
            self.preempt(last);
        }
    }

    fn preempt(&mut self, index: usize) {
        let mut sequence = self.running.remove(index);
        self.blocks.release_of(&mut sequence.tables, sequence.owner.as_ref());
        sequence.chain.clear();
        sequence.drafts.clear();
        sequence.forced.clear();
        sequence.computed = 0;
        if sequence.is_loading() {
            sequence.disk = DiskLookup::Unknown;
        }
        self.preemptions += 1;
        insert_by_rank(&mut self.waiting, sequence);
    }
}

fn insert_by_rank(list: &mut Vec<Sequence>, sequence: Sequence) {
    let at = list.partition_point(|other| other.rank() < sequence.rank());
    list.insert(at, sequence);
}

mod guesses;
mod loads;

pub(crate) use guesses::Wanted;

#[cfg(test)]
#[path = "scheduler_random_tests.rs"]
mod random_tests;
#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
