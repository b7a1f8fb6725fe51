//! What becomes of blocks beside holding them: there may be more of them, some go later than others, and some go when memory is
//! short.

use std::sync::Arc;

use lantern_models::GONE;

use super::{BlockManager, BlockTable, Group};
use crate::block_pool::Owner;

impl BlockManager {
    /// Whether nobody holds a block that would go if each group had as many as here.
    pub(crate) fn can_resize(&self, n_blocks: &[usize]) -> bool {
        self.groups.iter().zip(n_blocks).all(|(group, &count)| group.pool.can_shrink(count))
    }

    /// Gives each group as many blocks as here: adds blank ones, or takes the last away with what they keep.
    pub(crate) fn resize(&mut self, n_blocks: &[usize]) {
        self.groups.iter_mut().zip(n_blocks).for_each(|(group, &count)| group.pool.resize(count));
    }

    /// Groups of layers.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Whether nobody holds some block in which something was written.
    pub(crate) fn has_slack(&self) -> bool {
        self.groups.iter().any(|group| group.pool.idle() + group.pool.used_blank() > 0)
    }

    /// Empties blocks that nobody holds, the least recently used first, until so many bytes are no longer of use; of each
    /// group the same part, because a prefix needs its blocks in all of them.
    pub(crate) fn drop_idle(&mut self, bytes: u64, block_bytes: &[u64]) {
        let idle =
            || self.groups.iter().zip(block_bytes).map(|(group, bytes)| (group.pool.idle() as u64, bytes));
        let all: u64 = idle().map(|(idle, bytes)| idle * bytes).sum();
        let part = |idle: u64| match bytes < all {
            true => (u128::from(idle) * u128::from(bytes)).div_ceil(u128::from(all)),
            false => idle.into(),
        };
        let counts: Vec<_> = idle().map(|(idle, _)| part(idle)).collect();
        for (group, count) in self.groups.iter_mut().zip(counts) {
            group.pool.drop_idle(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }

    /// Blank blocks of each group in which something was written, in rising order; they count as never used then.
    pub(crate) fn take_used_blank(&mut self) -> Vec<Vec<u32>> {
        self.groups.iter_mut().map(|group| group.pool.take_used_blank()).collect()
    }

    /// Whether a block of a group is held or keeps a prefix, so that what it holds may be read again.
    pub(crate) fn has_content(&self, group: usize, block: u32) -> bool {
        self.groups.get(group).is_some_and(|group| group.pool.has_content(block))
    }

    /// Makes an owner's prefixes the last to go, or lets them go like others.
    pub(crate) fn pin(&mut self, name: &Arc<str>, is_pinned: bool) {
        match is_pinned {
            true => self.pins.insert(name.clone()),
            false => self.pins.remove(name),
        };
        self.groups.iter_mut().for_each(|group| group.pool.pin(Owner { name, is_pinned }));
    }

    /// Whether all layers see everything, so that a sequence can be left at any block.
    pub(crate) fn keeps_all(&self) -> bool {
        self.groups.iter().all(Group::keeps_all)
    }

    /// Makes what a token at `position`, which begins a block, sees of windows and states the last of theirs to go.
    pub(crate) fn mark(&mut self, tables: &[BlockTable], position: usize) {
        let (size, end) = (self.block_size, position / self.block_size);
        for (group, table) in self.groups.iter_mut().zip(tables).filter(|(group, _)| !group.keeps_all()) {
            let seen = group.first_block(position, size)..end.min(table.blocks.len());
            let blocks = table.blocks.get(seen).unwrap_or_default();
            blocks.iter().filter(|block| **block != GONE).for_each(|&block| group.pool.mark(block));
        }
    }
}
