//! Which blocks of the KV cache belong to whom, and which hold a prefix that another sequence can reuse.
//!
//! A block is a run of `block_size` token positions in every layer. A full block whose rows are computed is
//! *published* under a hash of its parent's hash and its own tokens; from then on nobody writes to it. A lookup
//! walks that chain and compares the tokens themselves on every hit, so equal hashes alone never share anything.
//! Blocks nobody holds keep their content until it is needed for something else, least recently used first.
//!
//! This module counts and names blocks; it knows neither the tensors behind them nor priorities.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;

/// Names the tokens of a block together with everything that stands before it.
pub(crate) type BlockHash = u64;

/// What a published block holds.
struct Content {
    hash: BlockHash,
    parent: Option<BlockHash>,
    tokens: Box<[u32]>,
}

#[derive(Default)]
struct Block {
    holders: u32,
    content: Option<Content>,
    /// When the last holder let go, on the manager's own clock; orders the blocks that may be emptied.
    released: u64,
}

/// Owns the numbers of all blocks of one KV cache.
pub(crate) struct BlockManager {
    block_size: usize,
    blocks: Vec<Block>,
    /// Held by nobody, with nothing worth keeping.
    blank: Vec<u32>,
    /// Held by nobody, published: `(released, block)`, so the first is the least recently used.
    idle: BTreeSet<(u64, u32)>,
    published: HashMap<BlockHash, u32>,
    /// Keyed at random per process: nobody can prepare prompts whose blocks collide.
    hasher: RandomState,
    clock: u64,
}

impl BlockManager {
    /// `count` blank blocks of `block_size` tokens.
    pub(crate) fn new(count: usize, block_size: usize) -> Self {
        let count = u32::try_from(count).expect("the memory plan caps the pool far below 2^32 blocks");
        Self {
            block_size,
            blocks: (0..count).map(|_| Block::default()).collect(),
            blank: (0..count).rev().collect(),
            idle: BTreeSet::new(),
            published: HashMap::new(),
            hasher: RandomState::new(),
            clock: 0,
        }
    }

    /// Tokens in a block.
    pub(crate) fn block_size(&self) -> usize {
        self.block_size
    }

    /// All blocks.
    pub(crate) fn total(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that [`Self::allocate`] could still hand out.
    pub(crate) fn available(&self) -> usize {
        self.blank.len() + self.idle.len()
    }

    /// Blocks that nobody holds but that still carry a reusable prefix.
    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// How many blocks `tokens` positions take.
    pub(crate) fn blocks_for(&self, tokens: usize) -> usize {
        tokens.div_ceil(self.block_size)
    }

    /// Takes hold of the longest published prefix of `tokens`. The last token is never part of it, because its
    /// logits have to be computed anyway and a published block must not be written again.
    pub(crate) fn take_prefix(&mut self, tokens: &[u32]) -> Vec<(u32, BlockHash)> {
        let reusable = tokens.len().saturating_sub(1) / self.block_size;
        let mut found = Vec::new();
        let mut parent = None;
        for chunk in tokens.chunks_exact(self.block_size).take(reusable) {
            let hash = self.hash(parent, chunk);
            let Some(block) = self.find(hash, parent, chunk) else { break };
            self.hold(block);
            found.push((block, hash));
            parent = Some(hash);
        }
        found
    }

    /// A block to write to, held by the caller; empties the least recently used published one if need be.
    pub(crate) fn allocate(&mut self) -> Option<u32> {
        let block = match self.blank.pop() {
            Some(block) => block,
            None => {
                let (_, block) = self.idle.pop_first()?;
                self.forget(block);
                block
            }
        };
        self.blocks[block as usize].holders = 1;
        Some(block)
    }

    /// Makes a full, computed block findable. Returns the hash that its child needs, or `None` when the hash is
    /// taken by other tokens: then neither this block nor what follows it may be published.
    pub(crate) fn publish(
        &mut self,
        parent: Option<BlockHash>,
        tokens: &[u32],
        block: u32,
    ) -> Option<BlockHash> {
        debug_assert_eq!(tokens.len(), self.block_size);
        let hash = self.hash(parent, tokens);
        if self.published.contains_key(&hash) {
            // Someone computed the same tokens at the same time; this copy stays private to its holder.
            return self.find(hash, parent, tokens).map(|_| hash);
        }
        self.published.insert(hash, block);
        self.blocks[block as usize].content = Some(Content { hash, parent, tokens: tokens.into() });
        Some(hash)
    }

    /// Lets go of a sequence's blocks. Later blocks age first: a prefix is useless without its beginning.
    pub(crate) fn release(&mut self, blocks: &[u32]) {
        for &number in blocks.iter().rev() {
            self.clock += 1;
            let block = &mut self.blocks[number as usize];
            debug_assert!(block.holders > 0, "block {number} released twice");
            block.holders -= 1;
            if block.holders > 0 {
                continue;
            }
            block.released = self.clock;
            match block.content {
                Some(_) => drop(self.idle.insert((self.clock, number))),
                None => self.blank.push(number),
            }
        }
    }

    fn find(&self, hash: BlockHash, parent: Option<BlockHash>, tokens: &[u32]) -> Option<u32> {
        let block = *self.published.get(&hash)?;
        let content = self.blocks[block as usize].content.as_ref()?;
        (content.parent == parent && *content.tokens == *tokens).then_some(block)
    }

    fn hold(&mut self, number: u32) {
        let block = &mut self.blocks[number as usize];
        if block.holders == 0 {
            self.idle.remove(&(block.released, number));
        }
        block.holders += 1;
    }

    fn forget(&mut self, number: u32) {
        if let Some(content) = self.blocks[number as usize].content.take() {
            self.published.remove(&content.hash);
        }
    }

    fn hash(&self, parent: Option<BlockHash>, tokens: &[u32]) -> BlockHash {
        self.hasher.hash_one((parent, tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(manager: &mut BlockManager, tokens: &[u32]) -> Vec<u32> {
        let mut parent = None;
        tokens
            .chunks(manager.block_size())
            .map(|chunk| {
                let block = manager.allocate().expect("enough blocks for the test");
                if chunk.len() == manager.block_size() {
                    parent = manager.publish(parent, chunk, block);
                }
                block
            })
            .collect()
    }

    fn numbers(found: &[(u32, BlockHash)]) -> Vec<u32> {
        found.iter().map(|&(block, _)| block).collect()
    }

    #[test]
    fn a_released_prefix_is_found_again_and_shared() {
        let mut manager = BlockManager::new(8, 4);
        let tokens: Vec<u32> = (0..10).collect();
        let blocks = fill(&mut manager, &tokens);
        manager.release(&blocks);
        assert_eq!(manager.available(), 8, "all blocks are available after release");
        assert_eq!(manager.idle(), 2, "two full blocks keep their content");

        let first = manager.take_prefix(&tokens);
        let second = manager.take_prefix(&tokens);
        assert_eq!(numbers(&first), &blocks[..2]);
        assert_eq!(numbers(&second), &blocks[..2]);
        assert_eq!(manager.available(), 6);
        manager.release(&numbers(&first));
        assert_eq!(manager.available(), 6, "the second holder still has them");
        manager.release(&numbers(&second));
        assert_eq!(manager.available(), 8);
    }

    #[test]
    fn the_last_token_is_always_left_to_compute() {
        let mut manager = BlockManager::new(8, 4);
        let tokens: Vec<u32> = (0..8).collect();
        let blocks = fill(&mut manager, &tokens);
        manager.release(&blocks);
        assert_eq!(manager.take_prefix(&tokens).len(), 1, "a full hit gives up its last block");
        assert_eq!(manager.take_prefix(&[]).len(), 0);
    }

    #[test]
    fn the_same_tokens_under_another_parent_are_another_block() {
        let mut manager = BlockManager::new(8, 2);
        let blocks = fill(&mut manager, &[1, 2, 3, 4]);
        manager.release(&blocks);
        assert!(manager.take_prefix(&[3, 4, 9]).is_empty(), "block [3,4] stands behind [1,2] only");
        assert_eq!(manager.take_prefix(&[1, 2, 3, 5, 9]).len(), 1);
    }

    #[test]
    fn equal_hashes_with_other_tokens_are_a_miss() {
        let mut manager = BlockManager::new(4, 2);
        let blocks = fill(&mut manager, &[1, 2]);
        // Pretend that [7, 8] hashes like [1, 2].
        let forged = manager.hash(None, &[7, 8]);
        manager.published.insert(forged, blocks[0]);
        assert!(manager.take_prefix(&[7, 8, 9]).is_empty(), "the tokens are compared, not only the hash");
        let block = manager.allocate().expect("free blocks");
        assert_eq!(manager.publish(None, &[7, 8], block), None, "a taken hash ends the chain");
    }

    #[test]
    fn the_least_recently_used_tail_is_emptied_first() {
        let mut manager = BlockManager::new(4, 2);
        let old = fill(&mut manager, &[1, 2, 3, 4]);
        let new = fill(&mut manager, &[5, 6, 7, 8]);
        manager.release(&old);
        manager.release(&new);
        let taken = manager.allocate().expect("idle blocks can be emptied");
        assert_eq!(taken, old[1], "the end of the older sequence goes first");
        assert_eq!(manager.take_prefix(&[1, 2, 3, 4, 0]).len(), 1);
        assert_eq!(manager.take_prefix(&[5, 6, 7, 8, 0]).len(), 2);
        assert_eq!(manager.allocate(), None, "everything is held now");
    }

    #[test]
    fn a_copy_computed_at_the_same_time_stays_private() {
        let mut manager = BlockManager::new(4, 2);
        let one = fill(&mut manager, &[1, 2]);
        let two = fill(&mut manager, &[1, 2]);
        manager.release(&two);
        assert_eq!(manager.idle(), 0, "the copy is blank after its release");
        manager.release(&one);
        assert_eq!(numbers(&manager.take_prefix(&[1, 2, 3])), one);
    }
}
