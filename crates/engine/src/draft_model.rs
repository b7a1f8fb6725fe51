//! A smaller model with the same vocabulary that guesses what a larger one says next. It has a cache of its own and follows
//! the larger one's sequences as far as it is asked about them, some tokens of a prompt at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use lantern_models::{CausalLm, Reach, Split};

use crate::block_manager::{Admission, BlockHash, BlockManager, BlockTable};
use crate::drafter::Drafts;
use crate::error::EngineError;
use crate::memory::{BLOCK_SIZE, MemoryPlan};
use crate::options::EngineOptions;
use crate::runner::{LogitRows, ModelRunner, Piece};
use crate::scheduler::{Scheduler, Wanted};
use crate::sequence::{Sequence, SequenceId};
use crate::step_costs::MOST_ROWS;

/// Tokens of prompts that are read between two steps: nobody's next token waits long for guesses.
const READ_AT_ONCE: usize = 128;

/// The model, its cache, and how far it has come with which sequence.
pub(crate) struct DraftModel {
    runner: ModelRunner,
    blocks: BlockManager,
    followed: HashMap<SequenceId, Followed>,
    context: usize,
    read_at_once: usize,
    /// Where layers have a state, guesses leave none: all of them are computed again for the next one.
    has_states: bool,
}

fn tables(followed: &HashMap<SequenceId, Followed>, id: SequenceId) -> &[BlockTable] {
    followed.get(&id).map_or(&[], |followed| &followed.tables)
}

/// A sequence of the larger model in the smaller one's cache.
struct Followed {
    /// Tokens whose keys and values are there.
    computed: usize,
    tables: Vec<BlockTable>,
    chain: Vec<BlockHash>,
    /// Whether a hash of its chain belongs to other tokens.
    collided: bool,
}

/// What is guessed in one sequence.
struct Open<'a> {
    sequence: &'a Sequence,
    wanted: usize,
    drafts: Vec<u32>,
}

impl DraftModel {
    /// With a cache as planned.
    pub(crate) fn new(
        model: Box<dyn CausalLm>,
        plan: &MemoryPlan,
        options: &EngineOptions,
        split: Split,
    ) -> Result<Self, EngineError> {
        let groups = plan.reaches.iter().copied().zip(plan.n_blocks.iter().copied());
        Ok(Self {
            blocks: BlockManager::new(groups, BLOCK_SIZE),
            has_states: plan.reaches.contains(&Reach::State),
            runner: ModelRunner::new(model, &plan.n_blocks, options.kv_type, split)?,
            followed: HashMap::new(),
            context: plan.context_length,
            read_at_once: options.step_tokens.min(READ_AT_ONCE),
        })
    }

    /// Forgets a sequence that has ended; what is published of it stays for the next one with the same beginning.
    pub(crate) fn forget(&mut self, id: SequenceId) {
        if let Some(mut followed) = self.followed.remove(&id) {
            self.blocks.release(&mut followed.tables);
        }
    }

    /// Guesses at the next tokens of sequences. One that it has not caught up with gets none this time.
    pub(crate) fn draft(&mut self, scheduler: &Scheduler, wanted: &[Wanted]) -> Result<Drafts, EngineError> {
        let (mut budget, mut parts) = (self.read_at_once, Vec::new());
        for &Wanted { id, guesses } in wanted.iter().filter(|wanted| wanted.guesses > 0) {
            let Some(sequence) = scheduler.get(id) else { continue };
            let guesses = guesses.min(self.context.saturating_sub(sequence.tokens.len()));
            let rows = if guesses > 0 { self.follow(sequence, guesses, budget, wanted) } else { 0 };
            if rows > 0 {
                budget -= rows;
                parts.push((Open { sequence, wanted: guesses, drafts: Vec::new() }, rows));
            }
        }
        if parts.is_empty() {
            return Ok(Drafts::default());
        }
        let is_usual = parts.iter().map(|(_, rows)| rows).sum::<usize>() <= MOST_ROWS;
        let mut open = self.read_on(parts)?;
        let mut passes = 1;
        while self.guess_on(&mut open)? {
            passes += 1;
        }
        let guesses = open.into_iter().map(|open| (open.sequence.id, open.drafts)).collect();
        Ok(Drafts { guesses, passes: if is_usual { passes } else { 0 } })
    }

    /// How many tokens of a sequence to read, at most `budget`; has blocks for them, and for so many guesses behind the last
    /// one, at the cost of sequences that nobody asks about now. None when there are not enough.
    fn follow(&mut self, sequence: &Sequence, guesses: usize, budget: usize, wanted: &[Wanted]) -> usize {
        let (id, tokens) = (sequence.id, &sequence.tokens);
        let (known, vocab_size) = (self.computed(id), self.runner.config().vocab_size);
        if tokens[known..].iter().any(|&token| token as usize >= vocab_size) {
            return 0;
        }
        if let Some(rows) = self.rows_with_blocks(id, tokens, guesses, budget) {
            return rows;
        }
        let others = self.followed.keys().filter(|&other| wanted.iter().all(|wanted| wanted.id != *other));
        let others: Vec<SequenceId> = others.copied().collect();
        others.into_iter().for_each(|other| self.forget(other));
        self.rows_with_blocks(id, tokens, guesses, budget).unwrap_or(0)
    }

    fn rows_with_blocks(
        &mut self,
        id: SequenceId,
        tokens: &[u32],
        guesses: usize,
        budget: usize,
    ) -> Option<usize> {
        let followed = match self.followed.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let Admission { tables, chain } = self.blocks.admit(tokens, 0)?;
                let computed = chain.len() * BLOCK_SIZE;
                entry.insert(Followed { computed, tables, chain, collided: false })
            }
        };
        let end = tokens.len().min(followed.computed + budget);
        // A state is kept where the rows end, so blocks for guesses come after those.
        let has_room = self.blocks.extend(&mut followed.tables, end)
            && (end < tokens.len() || self.blocks.extend(&mut followed.tables, end + guesses));
        has_room.then(|| end - followed.computed)
    }

    fn computed(&self, id: SequenceId) -> usize {
        self.followed.get(&id).map_or(0, |followed| followed.computed)
    }

    /// Reads what is new in sequences; gives those that it has caught up with, with a first guess.
    fn read_on<'a>(&mut self, parts: Vec<(Open<'a>, usize)>) -> Result<Vec<Open<'a>>, EngineError> {
        let starts: Vec<usize> = parts.iter().map(|(open, _)| self.computed(open.sequence.id)).collect();
        let is_whole =
            |(open, rows): &(Open<'_>, usize), start: usize| start + rows == open.sequence.tokens.len();
        let pieces = parts.iter().zip(&starts).map(|(part, &start)| {
            let (Open { sequence, .. }, rows) = part;
            Piece {
                tokens: &sequence.tokens[start..start + rows],
                start,
                tables: tables(&self.followed, sequence.id),
                logits: if is_whole(part, start) { LogitRows::Last } else { LogitRows::None },
                guesses: 0,
                pictures: &[],
            }
        });
        self.runner.run(pieces)?;
        let mut open = Vec::new();
        for (part, start) in parts.into_iter().zip(starts) {
            self.advance(part.0.sequence, part.1);
            if is_whole(&part, start) {
                let drafts = Vec::from_iter(self.runner.likeliest(open.len()));
                open.push(Open { drafts, ..part.0 });
            }
        }
        Ok(open)
    }

    /// Guesses one token further where more are wanted; false when none are.
    fn guess_on(&mut self, open: &mut [Open<'_>]) -> Result<bool, EngineError> {
        let more: Vec<usize> = (0..open.len())
            .filter(|&index| (1..open[index].wanted).contains(&open[index].drafts.len()))
            .collect();
        if more.is_empty() {
            return Ok(false);
        }
        let pieces = more.iter().map(|&index| {
            let Open { sequence, drafts, .. } = &open[index];
            let again = if self.has_states { drafts.len() } else { 1 };
            Piece {
                tokens: &drafts[drafts.len() - again..],
                start: sequence.tokens.len() + drafts.len() - again,
                tables: tables(&self.followed, sequence.id),
                logits: LogitRows::Last,
                guesses: again,
                pictures: &[],
            }
        });
        self.runner.run(pieces)?;
        for (row, index) in more.into_iter().enumerate() {
            open[index].drafts.extend(self.runner.likeliest(row));
        }
        Ok(true)
    }

    /// Records that so many more tokens of a sequence are in the cache.
    fn advance(&mut self, sequence: &Sequence, rows: usize) {
        let Some(followed) = self.followed.get_mut(&sequence.id) else { return };
        followed.computed += rows;
        while !followed.collided && (followed.chain.len() + 1) * BLOCK_SIZE <= followed.computed {
            let index = followed.chain.len();
            let tokens = &sequence.tokens[index * BLOCK_SIZE..][..BLOCK_SIZE];
            match self.blocks.publish(followed.chain.last().copied(), tokens, &followed.tables, index) {
                Some(hash) => followed.chain.push(hash),
                None => followed.collided = true,
            }
        }
        self.blocks.let_go(&mut followed.tables, followed.computed);
    }
}
