//! How many blocks of the KV cache each group of layers gets.
//!
//! Layers that see everything need a block for every position of the context. Layers with a window need, for each
//! sequence that may run, as many as its window touches, and those of one step's tokens. Layers with a state need the one
//! before a step and those that the step leaves. What goes beyond a single sequence lets others run beside it and keeps
//! prefixes for reuse.
//!
//! This module counts blocks and bytes; what there is to spend is decided by the memory plan.

use std::ops::Range;

use lantern_models::{KvLayout, KvType, Reach};

use crate::block_manager::KEPT_STATES;
use crate::memory::BLOCK_SIZE;

/// The cache may hold this many full contexts when memory allows: several sequences, and prefixes to reuse.
const POOL_CONTEXTS: usize = 4;
/// It may hold this many windows for each sequence that may run: its own, and those before prefixes to reuse.
const POOL_WINDOWS: usize = 2;
/// States that a sequence holds during a step: the one before it, and those behind its last token and its last full block.
const STEP_STATES: usize = 3;

/// What decides about the size of a cache, or of the part of one that some of the layers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KvDemand {
    pub(crate) groups: Vec<KvGroup>,
    pub(crate) max_sequences: usize,
    pub(crate) step_tokens: usize,
}

/// Layers that look equally far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KvGroup {
    pub(crate) reach: Reach,
    pub(crate) block_bytes: u64,
}

/// Blocks that a sequence of `context` tokens needs in each group of layers when it has the cache for itself and `rows`
/// positions are written at a time.
pub(crate) fn lone_blocks(layout: &KvLayout, context: usize, rows: usize) -> Vec<usize> {
    let all = context.div_ceil(BLOCK_SIZE);
    let blocks = |reach| match reach {
        Reach::Window(window) => {
            blocks_touched((window as usize).saturating_sub(1).saturating_add(rows)).min(all)
        }
        Reach::State => 1,
        Reach::All => all,
    };
    layout.groups().into_iter().map(blocks).collect()
}

/// Blocks that so many positions beside each other lie in, at most.
fn blocks_touched(positions: usize) -> usize {
    if positions == 0 { 0 } else { (positions - 1).div_ceil(BLOCK_SIZE) + 1 }
}

impl KvGroup {
    /// Blocks for `sequences` sequences: with a window as many as they can hold at any time, without one those of a
    /// single full context, which they share.
    fn blocks(&self, context: usize, sequences: usize, step_tokens: usize) -> usize {
        let all = context.div_ceil(BLOCK_SIZE);
        let window = match self.reach {
            Reach::All => return all,
            Reach::State => return STEP_STATES * sequences,
            Reach::Window(window) => window,
        };
        // Between steps a sequence holds what its next token sees; each one's share of a step begins another block.
        let held = blocks_touched((window as usize).saturating_sub(1)) + 1;
        (sequences * held + step_tokens.div_ceil(BLOCK_SIZE)).min(sequences * all)
    }
}

impl KvDemand {
    /// Of some of the layers; groups are those of all layers, also where none of their layers is among these.
    pub(crate) fn of_layers(
        layout: &KvLayout,
        layers: Range<usize>,
        kv_type: KvType,
        max_sequences: usize,
        step_tokens: usize,
    ) -> Self {
        let some = layout.layers.iter().take(layers.end).skip(layers.start).copied().collect();
        let some = KvLayout { layers: some };
        let bytes = |reach| some.group_block_bytes(reach, kv_type, BLOCK_SIZE) as u64;
        let group = |reach| KvGroup { reach, block_bytes: bytes(reach) };
        let groups = layout.groups().into_iter().map(group).collect();
        Self { groups, max_sequences, step_tokens }
    }

    /// Tokens that the layers of a group have room for when one sequence of `context` tokens is all there is.
    pub(crate) fn least_tokens(&self, reach: Reach, context: usize) -> usize {
        let mut groups = self.groups.iter().zip(self.blocks(context, 1));
        let blocks = groups.find(|(group, _)| group.reach == reach).map(|(_, blocks)| blocks);
        blocks.map_or(context, |blocks| blocks * BLOCK_SIZE)
    }

    /// Bytes of a cache with so many blocks in each group.
    pub(crate) fn bytes(&self, n_blocks: &[usize]) -> u64 {
        let groups = self.groups.iter().zip(n_blocks);
        groups.map(|(group, &blocks)| blocks as u64 * group.block_bytes).sum()
    }

    /// Blocks that one sequence of `context` tokens passes through, in a cache that has so many: what its windows leave
    /// behind is kept for reuse as long as there are others.
    pub(crate) fn passed(&self, context: usize, n_blocks: &[usize]) -> Vec<usize> {
        let steps = context.div_ceil(self.step_tokens);
        let passed = |group: KvGroup| match group.reach {
            Reach::All | Reach::Window(_) => context.div_ceil(BLOCK_SIZE),
            Reach::State => STEP_STATES + (2 * steps).min(KEPT_STATES),
        };
        self.groups_at(context).zip(n_blocks).map(|(group, &there)| passed(group).min(there)).collect()
    }

    /// Bytes of the cache when one sequence of full length is all it has room for.
    pub(crate) fn least_bytes(&self, context: usize) -> u64 {
        self.bytes(&self.blocks(context, 1))
    }

    /// The longest context, in whole blocks and no longer than `wanted`, of which one sequence fits into `bytes`.
    pub(crate) fn affordable(&self, wanted: usize, bytes: u64) -> usize {
        let mut contexts = (1..=wanted.div_ceil(BLOCK_SIZE)).rev().map(|blocks| blocks * BLOCK_SIZE);
        contexts.find(|&context| self.least_bytes(context) <= bytes).unwrap_or(0)
    }

    /// How far back each group of layers keeps tokens.
    pub(crate) fn reaches(&self, context: usize) -> Vec<Reach> {
        self.groups_at(context).map(|group| group.reach).collect()
    }

    /// Blocks of each group. Beyond one sequence of full length the pool is a convenience: it takes at most `room`
    /// bytes, and where that is less than all that would be of use, the same part of it in every group.
    pub(crate) fn pool(&self, context: usize, room: u64) -> Vec<usize> {
        let least = self.blocks(context, 1);
        let contexts = POOL_CONTEXTS * context.div_ceil(BLOCK_SIZE);
        let most = self.groups_at(context).map(|group| match group.reach {
            Reach::All => contexts,
            Reach::Window(_) => {
                group.blocks(context, POOL_WINDOWS * self.max_sequences, self.step_tokens).min(contexts)
            }
            Reach::State => STEP_STATES * self.max_sequences + KEPT_STATES,
        });
        let most: Vec<_> = most.collect();
        let wish = self.bytes(&most) - self.bytes(&least);
        let part = |blocks: usize| match wish <= room {
            true => blocks,
            false => (blocks as u128 * room as u128 / wish as u128) as usize,
        };
        least.into_iter().zip(most).map(|(least, most)| least + part(most - least)).collect()
    }

    /// How many sequences find room for their windows in so many blocks.
    pub(crate) fn sequences_in(&self, context: usize, n_blocks: &[usize]) -> usize {
        let fits = |sequences: &usize| {
            self.blocks(context, *sequences).iter().zip(n_blocks).all(|(needed, there)| needed <= there)
        };
        (1..=self.max_sequences).take_while(fits).last().unwrap_or(1)
    }

    /// Blocks of each group for so many sequences.
    fn blocks(&self, context: usize, sequences: usize) -> Vec<usize> {
        self.groups_at(context).map(|group| group.blocks(context, sequences, self.step_tokens)).collect()
    }

    /// The groups without those windows that are not worth it: where the context is so short that windows for all
    /// sequences would take more than whole contexts, which sequences share.
    fn groups_at(&self, context: usize) -> impl Iterator<Item = KvGroup> {
        let contexts = POOL_CONTEXTS * context.div_ceil(BLOCK_SIZE);
        let is_short =
            move |group: &KvGroup| group.blocks(context, self.max_sequences, self.step_tokens) >= contexts;
        self.groups.iter().map(move |group| match group.reach {
            Reach::Window(_) if is_short(group) => KvGroup { reach: Reach::All, ..*group },
            _ => *group,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_touch_so_many_blocks() {
        for positions in 1..100 {
            let touched = |first: usize| (first + positions - 1) / BLOCK_SIZE - first / BLOCK_SIZE + 1;
            assert_eq!(Some(blocks_touched(positions)), (0..BLOCK_SIZE).map(touched).max(), "{positions}");
        }
        assert_eq!(blocks_touched(0), 0);
    }
}
