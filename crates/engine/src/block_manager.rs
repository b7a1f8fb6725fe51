//! Which blocks of the KV cache a sequence has, and how much of a new prompt is in the cache already.
//!
//! Each group of layers (those that look equally far back) has a [`BlockPool`] and, for every sequence, a [`BlockTable`]
//! of its own. Where layers have a window, a sequence lets go of a block as soon as its next token sees nothing of it.
//! The hashes that name published blocks form a chain, each made of its parent's hash and its own tokens, and are the
//! same for all groups. A prefix can be reused where every group has what the token behind it sees: all of it where
//! layers see everything, the last window elsewhere.
//!
//! Where all layers have windows, tokens further back than those are known by the hash of their chain alone.
//!
//! Layers with a state have a block where one is kept: behind the last token of each step, and behind the last block that
//! the step filled. What is published there is a snapshot behind which a prompt with the same beginning can go on.
//!
//! This module knows neither the tensors behind the blocks nor priorities.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use lantern_models::{GONE, Reach};

pub(crate) use crate::block_pool::BlockHash;
use crate::block_pool::{BlockPool, Link, Owner};

/// A sequence's blocks in one group of layers.
#[derive(Debug, Default, Clone)]
pub(crate) struct BlockTable {
    /// Position `p` lies in `blocks[p / block_size]`.
    blocks: Vec<u32>,
    /// So many at the beginning were let go; [`GONE`] stands in their places.
    gone: usize,
}

/// The tables of a sequence that may run, and the hashes of the blocks that came from the cache.
pub(crate) struct Admission {
    pub(crate) tables: Vec<BlockTable>,
    pub(crate) chain: Vec<BlockHash>,
}

/// Layers that look equally far back.
struct Group {
    reach: Reach,
    pool: BlockPool,
}

/// Owns the blocks of one KV cache.
pub(crate) struct BlockManager {
    block_size: usize,
    groups: Vec<Group>,
    /// Owners whose prefixes are the last to go.
    pins: HashSet<Arc<str>>,
    /// Keyed at random per process: nobody can prepare prompts whose blocks collide.
    hasher: RandomState,
}

impl BlockTable {
    /// The table of a sequence that has all `n_blocks` of a group for itself and takes them in turn. What lies as many
    /// blocks back or more is written over.
    pub(crate) fn in_turn(len: usize, n_blocks: usize) -> Self {
        Self { blocks: (0..len).map(|index| (index % n_blocks) as u32).collect(), gone: 0 }
    }

    /// The blocks in the order of positions; [`GONE`] in place of those that were let go.
    pub(crate) fn blocks(&self) -> &[u32] {
        &self.blocks
    }

    /// Those that were not let go; [`GONE`] in place of states that were never kept.
    fn held(&self) -> &[u32] {
        &self.blocks[self.gone..]
    }
}

impl Group {
    /// The first block of which a token at `position` sees something.
    fn first_block(&self, position: usize, block_size: usize) -> usize {
        self.reach.first_seen(position) / block_size
    }

    fn keeps_all(&self) -> bool {
        self.reach == Reach::All
    }
}

/// States that are kept for others although nobody holds them: each is as large as thousands of tokens' keys and values.
pub(crate) const KEPT_STATES: usize = 8;

fn most_idle(reach: Reach) -> usize {
    if reach == Reach::State { KEPT_STATES } else { usize::MAX }
}

impl BlockManager {
    /// Blank blocks of `block_size` tokens; `groups` say how far back each group of layers looks and how many blocks it
    /// has.
    pub(crate) fn new(groups: impl IntoIterator<Item = (Reach, usize)>, block_size: usize) -> Self {
        let group = |(reach, count)| Group { reach, pool: BlockPool::new(count, most_idle(reach)) };
        let (groups, pins) = (groups.into_iter().map(group).collect(), HashSet::new());
        Self { block_size, groups, pins, hasher: RandomState::new() }
    }

    /// Tokens in a block.
    pub(crate) fn block_size(&self) -> usize {
        self.block_size
    }

    /// All blocks of all groups.
    pub(crate) fn total(&self) -> usize {
        self.groups.iter().map(|group| group.pool.total()).sum()
    }

    /// Blocks that nobody holds.
    pub(crate) fn available(&self) -> usize {
        self.groups.iter().map(|group| group.pool.available()).sum()
    }

    /// Blocks that nobody holds but that still carry a reusable prefix.
    pub(crate) fn idle(&self) -> usize {
        self.groups.iter().map(|group| group.pool.idle()).sum()
    }

    /// Takes hold of the longest cached prefix of `tokens` and of blocks for the rest of them, except where layers have
    /// a window: there blocks are taken step by step. `None` when fewer than `spare` blocks would be left; then nothing
    /// is held.
    ///
    /// The last token is never part of the prefix, because its logits have to be computed anyway and a published block
    /// must not be written again.
    pub(crate) fn admit(&mut self, tokens: &[u32], spare: usize) -> Option<Admission> {
        let chain = self.longest_prefix(tokens);
        let mut tables = self.hold_prefix(&chain, tokens);
        let needed = tokens.len().div_ceil(self.block_size);
        let keep_all = || self.groups.iter().zip(&tables).filter(|(group, _)| group.keeps_all());
        if keep_all().any(|(group, table)| group.pool.available() < needed - table.blocks.len() + spare) {
            self.release(&mut tables);
            return None;
        }
        for (group, table) in self.groups.iter_mut().zip(&mut tables).filter(|(group, _)| group.keeps_all()) {
            let missing = needed - table.blocks.len();
            table.blocks.extend((0..missing).map_while(|_| group.pool.allocate()));
        }
        Some(Admission { tables, chain })
    }

    /// Whether [`Self::admit`] would succeed once the sequences with these tables gave their blocks back.
    pub(crate) fn would_admit<'a>(
        &self,
        tokens: usize,
        spare: usize,
        given_back: impl Iterator<Item = &'a [BlockTable]> + Clone,
    ) -> bool {
        let needed = tokens.div_ceil(self.block_size) + spare;
        self.groups.iter().enumerate().filter(|(_, group)| group.keeps_all()).all(|(index, group)| {
            let held: usize = given_back.clone().map(|tables| tables[index].held().len()).sum();
            group.pool.available() + held >= needed
        })
    }

    /// Takes blocks until the tables have room for `tokens` positions. False when a group has none left; what was taken
    /// until then is in the tables.
    pub(crate) fn extend(&mut self, tables: &mut [BlockTable], tokens: usize) -> bool {
        let (needed, full) = (tokens.div_ceil(self.block_size), tokens / self.block_size);
        self.groups.iter_mut().zip(tables).all(|(group, table)| {
            // A state is kept behind the last token, and behind the last full block, where others may go on.
            let is_kept = |index| group.reach != Reach::State || index + 1 == needed || index + 1 == full;
            let missing = table.blocks.len()..needed;
            let blocks = missing.map_while(|index| match is_kept(index) {
                true => group.pool.allocate(),
                false => Some(GONE),
            });
            table.blocks.extend(blocks);
            table.blocks.len() >= needed
        })
    }

    /// Makes a full, computed block findable in all groups: the `index`-th of these tables. Returns the hash that its
    /// child needs, or `None` when the hash is taken by other tokens: then neither this block nor what follows it may be
    /// published.
    pub(crate) fn publish(
        &mut self,
        parent: Option<BlockHash>,
        tokens: &[u32],
        tables: &[BlockTable],
        index: usize,
    ) -> Option<BlockHash> {
        debug_assert_eq!(tokens.len(), self.block_size);
        let link = Link { hash: self.hash(parent, tokens), parent, tokens };
        let groups = self.groups.iter_mut().zip(tables).map(|(group, table)| (group, table.blocks[index]));
        let mut kept = groups.filter(|(_, block)| *block != GONE);
        kept.all(|(group, block)| group.pool.publish(&link, block)).then_some(link.hash)
    }

    /// Lets go of what a token at position `next` sees nothing of. The earliest block ages first, because what lies
    /// nearer to the window stays useful longer.
    pub(crate) fn let_go(&mut self, tables: &mut [BlockTable], next: usize) {
        for (group, table) in self.groups.iter_mut().zip(tables) {
            let first = group.first_block(next, self.block_size).min(table.blocks.len());
            for block in table.blocks.iter_mut().take(first).skip(table.gone).filter(|block| **block != GONE)
            {
                group.pool.release(&[*block]);
                *block = GONE;
            }
            table.gone = table.gone.max(first);
        }
    }

    /// Lets go of everything.
    pub(crate) fn release(&mut self, tables: &mut Vec<BlockTable>) {
        self.release_of(tables, None);
    }

    /// As [`Self::release`], of a sequence that belongs to somebody.
    pub(crate) fn release_of(&mut self, tables: &mut Vec<BlockTable>, owner: Option<&Arc<str>>) {
        let owner = owner.map(|name| Owner { name, is_pinned: self.pins.contains(name) });
        for (group, table) in self.groups.iter_mut().zip(tables.drain(..)) {
            group.pool.release_of(table.held(), owner);
        }
    }

    /// The hashes of the longest prefix behind which a sequence can go on.
    fn longest_prefix(&self, tokens: &[u32]) -> Vec<BlockHash> {
        let reusable = tokens.len().saturating_sub(1) / self.block_size;
        let (mut chain, mut longest) = (Vec::new(), 0);
        // How many blocks without a gap each group has up to here.
        let mut runs = vec![0; self.groups.len()];
        for tokens in tokens.chunks_exact(self.block_size).take(reusable) {
            let parent = chain.last().copied();
            let link = Link { hash: self.hash(parent, tokens), parent, tokens };
            chain.push(link.hash);
            let (blocks, next) = (chain.len(), chain.len() * self.block_size);
            let (mut is_whole, mut has_gap) = (true, false);
            for (group, run) in self.groups.iter().zip(&mut runs) {
                *run = if group.pool.find(&link).is_some() { *run + 1 } else { 0 };
                is_whole &= *run >= blocks - group.first_block(next, self.block_size);
                has_gap |= group.keeps_all() && *run < blocks;
            }
            if has_gap {
                break;
            }
            if is_whole {
                longest = blocks;
            }
        }
        chain.truncate(longest);
        chain
    }

    /// Takes hold of what the token behind a prefix sees of it.
    fn hold_prefix(&mut self, chain: &[BlockHash], tokens: &[u32]) -> Vec<BlockTable> {
        let size = self.block_size;
        let hold = |group: &mut Group| {
            let gone = group.first_block(chain.len() * size, size);
            let mut blocks = vec![GONE; gone];
            for index in gone..chain.len() {
                let parent = index.checked_sub(1).map(|before| chain[before]);
                let link = Link { hash: chain[index], parent, tokens: &tokens[index * size..][..size] };
                let block = group.pool.find(&link).expect("the chain was made of blocks that are there");
                group.pool.hold(block);
                blocks.push(block);
            }
            BlockTable { blocks, gone }
        };
        self.groups.iter_mut().map(hold).collect()
    }

    /// Panics where the books are wrong: the sequences with these tables must be all that hold anything.
    #[cfg(test)]
    pub(crate) fn check<'a>(&self, held: impl Iterator<Item = &'a [BlockTable]> + Clone, when: usize) {
        for (index, group) in self.groups.iter().enumerate() {
            let blocks = held.clone().filter_map(|tables| tables.get(index)).flat_map(BlockTable::held);
            group.pool.check(blocks.copied().filter(|&block| block != GONE), when);
        }
    }

    fn hash(&self, parent: Option<BlockHash>, tokens: &[u32]) -> BlockHash {
        self.hasher.hash_one((parent, tokens))
    }
}

mod transfer;
mod upkeep;

#[cfg(test)]
#[path = "block_manager_tests.rs"]
mod tests;
