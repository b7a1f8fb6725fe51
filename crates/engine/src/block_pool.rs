//! The blocks of one group of layers: who holds which, and which hold a prefix that another sequence can reuse.
//!
//! A block is a run of token positions in every layer of the group. A full block whose rows are computed is *published*
//! under the hash of its [`Link`]; from then on nobody writes to it. Equal hashes alone never share anything: the tokens
//! themselves are compared on every hit. Blocks nobody holds keep their content until it is needed for something else,
//! least recently used first.
//!
//! This module counts and names blocks; it knows neither the tensors behind them nor sequences.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lantern_models::GONE;

/// Names the tokens of a block together with everything that stands before it.
pub(crate) type BlockHash = u64;

/// One block's tokens in a chain of blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) hash: BlockHash,
    pub(crate) parent: Option<BlockHash>,
    pub(crate) tokens: &'a [u32],
}

/// Whoever a sequence belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) name: &'a Arc<str>,
    /// Whether what is kept for them is the last to go.
    pub(crate) is_pinned: bool,
}

/// What a published block holds.
struct Content {
    hash: BlockHash,
    parent: Option<BlockHash>,
    tokens: Box<[u32]>,
    /// Who let go of it last; a pinned owner stays.
    owner: Option<Arc<str>>,
}

#[derive(Default)]
struct Block {
    holders: u32,
    content: Option<Content>,
    /// Whether its owner is pinned.
    is_pinned: bool,
    /// Whether it is at a place where others are likely to go on.
    is_marked: bool,
    /// Whether something was written there since its memory was last given back.
    is_used: bool,
    /// When the last holder let go, on the pool's own clock; orders the blocks that may be emptied.
    released: u64,
}

/// What goes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Other,
    Marked,
    Pinned,
}

impl Block {
    fn rank(&self) -> Rank {
        match (self.is_pinned, self.is_marked) {
            (true, _) => Rank::Pinned,
            (false, true) => Rank::Marked,
            (false, false) => Rank::Other,
        }
    }
}

/// Owns the numbers of all blocks of one group.
pub(crate) struct BlockPool {
    blocks: Vec<Block>,
    /// Held by nobody, with nothing worth keeping.
    blank: Vec<u32>,
    /// Held by nobody, published: `(rank, released, block)`, so the first is the least recently used of the lowest rank.
    idle: BTreeSet<(Rank, u64, u32)>,
    /// How many of them are marked, and how many may be.
    marked: usize,
    most_marked: usize,
    /// So many of those at most.
    most_idle: usize,
    /// Blank blocks that are used.
    used_blank: usize,
    published: HashMap<BlockHash, u32>,
    clock: u64,
}

/// Others need room, too.
fn most_marked(blocks: usize, most_idle: usize) -> usize {
    (blocks / 3).min(most_idle / 4 * 3)
}

impl BlockPool {
    /// `count` blank blocks, of which `most_idle` may keep their content when nobody holds them.
    pub(crate) fn new(count: usize, most_idle: usize) -> Self {
        let count = u32::try_from(count).expect("the memory plan caps the pool far below 2^32 blocks");
        Self {
            blocks: (0..count).map(|_| Block::default()).collect(),
            blank: (0..count).rev().collect(),
            idle: BTreeSet::new(),
            most_idle,
            marked: 0,
            most_marked: most_marked(count as usize, most_idle),
            used_blank: 0,
            published: HashMap::new(),
            clock: 0,
        }
    }

    /// Whether nobody holds a block behind the first `count`.
    pub(crate) fn can_shrink(&self, count: usize) -> bool {
        self.blocks.iter().skip(count).all(|block| block.holders == 0)
    }

    /// Adds blank blocks until there are `count`, which are the last to be handed out, because nothing was written there yet;
    /// or takes the last ones away with what they keep. Nobody may hold those.
    pub(crate) fn resize(&mut self, count: usize) {
        let count = u32::try_from(count).expect("the memory plan caps the pool far below 2^32 blocks");
        let there = u32::try_from(self.blocks.len()).unwrap_or(count);
        for number in count..there {
            self.unshelve(number);
            self.forget(number);
        }
        self.blank.retain(|&number| number < count);
        self.blocks.truncate(count as usize);
        self.used_blank = self.blank.iter().filter(|&&number| self.blocks[number as usize].is_used).count();
        self.most_marked = most_marked(count as usize, self.most_idle);
        self.blocks.extend((there..count).map(|_| Block::default()));
        self.blank.splice(0..0, (there..count).rev());
    }

    /// Whether a block is held or carries a reusable prefix.
    pub(crate) fn has_content(&self, number: u32) -> bool {
        self.blocks.get(number as usize).is_some_and(|block| block.holders > 0 || block.content.is_some())
    }

    /// All blocks.
    pub(crate) fn total(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that [`Self::allocate`] could still hand out.
    pub(crate) fn available(&self) -> usize {
        self.blank.len() + self.idle.len()
    }

    /// Blocks that [`Self::allocate`] hands out before it empties any.
    pub(crate) fn blank(&self) -> usize {
        self.blank.len()
    }

    /// Blocks that nobody holds but that still carry a reusable prefix.
    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// A block to write to, held by the caller; empties the least recently used published one if need be.
    pub(crate) fn allocate(&mut self) -> Option<u32> {
        let mut was_used = false;
        let block = match self.blank.pop() {
            Some(block) => {
                was_used = self.blocks[block as usize].is_used;
                block
            }
            None => {
                let &(.., block) = self.idle.first()?;
                self.unshelve(block);
                self.forget(block);
                block
            }
        };
        let taken = &mut self.blocks[block as usize];
        taken.holders = 1;
        taken.is_used = true;
        self.used_blank = self.used_blank.saturating_sub(usize::from(was_used));
        Some(block)
    }

    /// Makes a full, computed block findable. False when the hash is taken by other tokens; when it is taken by the
    /// same ones, someone computed them at the same time, and this copy stays private to its holder.
    pub(crate) fn publish(&mut self, link: &Link<'_>, block: u32) -> bool {
        if self.published.contains_key(&link.hash) {
            return self.find(link).is_some();
        }
        self.published.insert(link.hash, block);
        let Link { hash, parent, tokens } = *link;
        self.blocks[block as usize].content =
            Some(Content { hash, parent, tokens: tokens.into(), owner: None });
        true
    }

    /// The published block with these tokens behind that parent.
    pub(crate) fn find(&self, link: &Link<'_>) -> Option<u32> {
        let block = *self.published.get(&link.hash)?;
        let content = self.blocks[block as usize].content.as_ref()?;
        (content.parent == link.parent && *content.tokens == *link.tokens).then_some(block)
    }

    /// Takes hold of a block that [`Self::find`] gave.
    pub(crate) fn hold(&mut self, number: u32) {
        self.unshelve(number);
        self.blocks[number as usize].holders += 1;
    }

    /// Lets go of a sequence's blocks, where there are any. Later blocks age first: a prefix is useless without its
    /// beginning.
    pub(crate) fn release(&mut self, blocks: &[u32]) {
        self.release_of(blocks, None);
    }

    /// Pins what is kept for an owner, or lets it go like everything else.
    pub(crate) fn pin(&mut self, owner: Owner<'_>) {
        let is_theirs = |content: &Content| content.owner.as_ref() == Some(owner.name);
        let theirs =
            (0..).zip(&self.blocks).filter(|(_, block)| block.content.as_ref().is_some_and(is_theirs));
        for number in theirs.map(|(number, _)| number).collect::<Vec<u32>>() {
            let was_idle = self.unshelve(number);
            self.blocks[number as usize].is_pinned = owner.is_pinned;
            if was_idle {
                self.shelve(number);
            }
        }
    }

    /// Makes what a published block holds one of the last to go; when there are too many of those, the one used longest ago
    /// is none any more.
    pub(crate) fn mark(&mut self, number: u32) {
        let was_idle = self.unshelve(number);
        let block = &mut self.blocks[number as usize];
        block.is_marked = block.content.is_some();
        if was_idle {
            self.shelve(number);
        }
    }

    /// Puts a published block that nobody holds where it waits.
    fn shelve(&mut self, number: u32) {
        let block = &self.blocks[number as usize];
        self.marked += usize::from(block.rank() == Rank::Marked);
        self.idle.insert((block.rank(), block.released, number));
        if self.marked > self.most_marked
            && let Some(&(.., oldest)) = self.idle.range((Rank::Marked, 0, 0)..).next()
        {
            self.unshelve(oldest);
            self.blocks[oldest as usize].is_marked = false;
            self.shelve(oldest);
        }
    }

    /// Takes it from there, if that is where it is.
    fn unshelve(&mut self, number: u32) -> bool {
        let block = &self.blocks[number as usize];
        let was_idle = self.idle.remove(&(block.rank(), block.released, number));
        self.marked -= usize::from(was_idle && block.rank() == Rank::Marked);
        was_idle
    }

    /// As [`Self::release`], of a sequence that belongs to somebody.
    pub(crate) fn release_of(&mut self, blocks: &[u32], owner: Option<Owner<'_>>) {
        for &number in blocks.iter().rev().filter(|number| **number != GONE) {
            self.clock += 1;
            let block = &mut self.blocks[number as usize];
            debug_assert!(block.holders > 0, "block {number} released twice");
            block.holders -= 1;
            if let (Some(content), Some(owner), false) = (&mut block.content, owner, block.is_pinned) {
                content.owner = Some(owner.name.clone());
                block.is_pinned = owner.is_pinned;
            }
            if block.holders > 0 {
                continue;
            }
            block.released = self.clock;
            match block.content {
                Some(_) => self.shelve(number),
                None => {
                    self.used_blank += 1;
                    self.blank.push(number);
                }
            }
            if self.idle.len() > self.most_idle {
                self.drop_idle(1);
            }
        }
    }

    /// Empties so many of the blocks that nobody holds, the least recently used first.
    pub(crate) fn drop_idle(&mut self, count: usize) {
        for _ in 0..count {
            let Some(&(.., oldest)) = self.idle.first() else { return };
            self.unshelve(oldest);
            self.forget(oldest);
            self.used_blank += 1;
            self.blank.push(oldest);
        }
    }

    /// Blank blocks in which something was written.
    pub(crate) fn used_blank(&self) -> usize {
        self.used_blank
    }

    /// Those blocks, in rising order; from now on they count as never used.
    pub(crate) fn take_used_blank(&mut self) -> Vec<u32> {
        self.used_blank = 0;
        let blocks = &mut self.blocks;
        let is_used = |number: &u32| std::mem::take(&mut blocks[*number as usize].is_used);
        let mut used: Vec<u32> = self.blank.iter().copied().filter(is_used).collect();
        used.sort_unstable();
        // The lowest are handed out first, so that those in use stay beside each other.
        self.blank.sort_unstable_by(|a, b| b.cmp(a));
        used
    }

    /// Panics where the books are wrong: these are all holds of all blocks.
    #[cfg(test)]
    pub(crate) fn check(&self, holds: impl Iterator<Item = u32>, when: usize) {
        let mut holders = vec![0; self.blocks.len()];
        holds.for_each(|number| holders[number as usize] += 1);
        let mut free = vec![0; self.blocks.len()];
        self.blank.iter().for_each(|&number| free[number as usize] += 1);
        self.idle.iter().for_each(|&(.., number)| free[number as usize] += 1);
        for (number, block) in self.blocks.iter().enumerate() {
            assert_eq!(block.holders, holders[number], "block {number} after {when} operations");
            assert_eq!(u32::from(block.holders == 0), free[number], "block {number} after {when} operations");
        }
        for (hash, &number) in &self.published {
            let content = self.blocks[number as usize].content.as_ref();
            assert_eq!(
                content.map(|content| content.hash),
                Some(*hash),
                "block {number} after {when} operations"
            );
        }
        let used = self.blank.iter().filter(|&&number| self.blocks[number as usize].is_used).count();
        let marked = self.idle.iter().filter(|(rank, ..)| *rank == Rank::Marked).count();
        assert_eq!(marked, self.marked, "marked after {when} operations");
        assert!(marked <= self.most_marked);
        assert_eq!(used, self.used_blank, "used and blank after {when} operations");
        assert!(self.idle.len() <= self.most_idle);
    }

    fn forget(&mut self, number: u32) {
        if let Some(content) = self.blocks[number as usize].content.take() {
            self.published.remove(&content.hash);
            let block = &mut self.blocks[number as usize];
            (block.is_pinned, block.is_marked) = (false, false);
        }
    }
}

#[cfg(test)]
#[path = "block_pool_tests.rs"]
mod tests;
