//! The memory of blocks that hold nothing of use, back to the system.

use bytemuck::{Pod, cast_slice_mut};
use lantern_kernels::give_back;

use super::{HostKv, KvCache, LayerKv};

impl KvCache {
    /// Gives the pages of blocks of a group back to the system, as far as they are in host memory and lie in those blocks
    /// alone: neighbours should be given together. What these blocks hold afterwards is anything. `blocks` rise.
    pub fn give_back(&mut self, group: usize, blocks: &[u32]) {
        let n_blocks = self.groups.get(group).map_or(0, |group| group.n_blocks);
        for layer in (0..self.layers.len()).filter(|&layer| self.group_of[layer] == group) {
            let numbers = self.numbers_of_block(layer);
            for run in blocks.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
                let first = run.first().map_or(0, |&block| block as usize);
                if first + run.len() > n_blocks {
                    break;
                }
                let (start, len) = (first * numbers, run.len() * numbers);
                match &mut self.layers[layer] {
                    LayerKv::Host { k, v } => [k, v].into_iter().for_each(|side| side.give_back(start, len)),
                    LayerKv::State(states) => part(states, start, len),
                    LayerKv::Tensors { .. } => {}
                }
            }
        }
    }
}

impl HostKv {
    /// Of `len` numbers from `start` on.
    fn give_back(&mut self, start: usize, len: usize) {
        match self {
            HostKv::F32(all) => part(all, start, len),
            HostKv::F16(all) => part(all, start, len),
            HostKv::Q8_0 { scales, quants } => {
                part(scales, start / 32, len / 32);
                part(quants, start, len);
            }
            HostKv::Q4_0 { scales, quants } => {
                part(scales, start / 32, len / 32);
                part(quants, start / 2, len / 2);
            }
        }
    }
}

fn part<T: Pod>(all: &mut [T], start: usize, len: usize) {
    give_back(cast_slice_mut(&mut all[start..start + len]));
}
