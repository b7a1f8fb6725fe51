//! What somebody needs to know of blocks who keeps their content elsewhere, or brings it back.

use lantern_models::{GONE, Reach};

use super::{BlockHash, BlockManager, BlockTable};
use crate::block_pool::Link;

impl BlockManager {
    /// How far back each group of layers keeps tokens.
    pub(crate) fn reaches(&self) -> impl Iterator<Item = Reach> {
        self.groups.iter().map(|group| group.reach)
    }

    /// The blocks of a group that the token behind the first `blocks` of a sequence sees, by their places in it.
    pub(crate) fn seen_behind(&self, group: usize, blocks: usize) -> std::ops::Range<usize> {
        self.groups[group].first_block(blocks * self.block_size, self.block_size)..blocks
    }

    /// The published block of a group that holds the `index`-th of these tokens' blocks, if it is still there.
    pub(crate) fn published(
        &self,
        group: usize,
        tokens: &[u32],
        chain: &[BlockHash],
        index: usize,
    ) -> Option<u32> {
        let size = self.block_size;
        let tokens = tokens.get(index * size..(index + 1) * size)?;
        let parent = index.checked_sub(1).map(|before| chain[before]);
        self.groups[group].pool.find(&Link { hash: *chain.get(index)?, parent, tokens })
    }

    /// Makes the tables of a sequence those of one that goes on behind its first `blocks` blocks: lets go of what the
    /// token there does not see and takes blocks, still to be filled, for what it sees and the sequence does not have.
    /// False when there are not enough; then nothing has changed.
    pub(crate) fn jump(&mut self, tables: &mut [BlockTable], blocks: usize) -> bool {
        let is_missing = |(group, table): (usize, &BlockTable)| {
            let seen = self.seen_behind(group, blocks);
            let missing = seen.end.saturating_sub(seen.start.max(table.blocks.len()));
            self.groups[group].pool.available() < missing
        };
        if tables.iter().enumerate().any(is_missing) {
            return false;
        }
        self.let_go(tables, blocks * self.block_size);
        for (group, table) in self.groups.iter_mut().zip(tables) {
            let first = group.first_block(blocks * self.block_size, self.block_size);
            table.blocks.resize(table.blocks.len().max(first), GONE);
            table.gone = table.gone.max(first);
            let missing = table.blocks.len()..blocks;
            table.blocks.extend(missing.map_while(|_| group.pool.allocate()));
        }
        true
    }
}
