//! More room, or less, in a cache that is in use.

use super::{HostKv, KvCache, LayerKv, not_in_host_memory};
use crate::{LayerCache, ModelError};

impl KvCache {
    /// Gives each group of layers so many blocks. Of the blocks there are, those that are `kept` (by group and number) hold
    /// afterwards what they held before, as far as there are as many; others hold anything.
    ///
    /// Only what is kept is copied, a layer at a time, so that for a while one layer is there twice. Keys and values on a
    /// device stay as they are, which is an error; then nothing has changed.
    pub fn resize(
        &mut self,
        n_blocks: &[usize],
        kept: impl Fn(usize, u32) -> bool,
    ) -> Result<(), ModelError> {
        if n_blocks.len() != self.groups.len() {
            let there: Vec<usize> = self.groups.iter().map(|group| group.n_blocks).collect();
            return Err(ModelError::BadBatch(format!(
                "a cache of {there:?} blocks becomes one of {n_blocks:?}"
            )));
        }
        if self.layers.iter().any(|layer| matches!(layer, LayerKv::Tensors { .. })) {
            return Err(not_in_host_memory());
        }
        let mut layers = self.sized_layers(n_blocks)?;
        for (layer, larger) in layers.iter_mut().enumerate() {
            let group = self.group_of[layer];
            if n_blocks[group] == self.groups[group].n_blocks {
                std::mem::swap(&mut self.layers[layer], larger);
                continue;
            }
            let numbers = self.numbers_of_block(layer);
            let both = self.groups[group].n_blocks.min(n_blocks[group]);
            for block in (0..both).filter(|&block| is_kept(&kept, group, block)) {
                larger.copy_block(&self.layers[layer], block, numbers);
            }
            // What is copied is needed no more, and the next layer may need the room.
            self.layers[layer] = LayerKv::State(Vec::new());
        }
        self.layers = layers;
        self.groups.iter_mut().zip(n_blocks).for_each(|(group, &blocks)| group.n_blocks = blocks);
        Ok(())
    }

    /// Empty layers of another size, whose memory is not touched yet.
    fn sized_layers(&self, n_blocks: &[usize]) -> Result<Vec<LayerKv>, ModelError> {
        let too_large = || ModelError::BadBatch(format!("a cache of {n_blocks:?} blocks"));
        let mut layers = Vec::with_capacity(self.layers.len());
        for (layer, kept) in self.layout.layers.iter().enumerate() {
            let blocks = n_blocks[self.group_of[layer]];
            let slots = blocks.checked_mul(self.block_size).filter(|&n| n <= u32::MAX as usize);
            let numbers = self.numbers_of_block(layer).checked_mul(blocks);
            let numbers = numbers.filter(|&n| n <= isize::MAX as usize / 4).ok_or_else(too_large)?;
            layers.push(match kept {
                LayerCache::Attention(shape) => {
                    LayerKv::host(shape, slots.ok_or_else(too_large)?, self.kv_type)
                }
                LayerCache::State(_) => LayerKv::State(vec![0.0; numbers]),
            });
        }
        Ok(layers)
    }
}

fn is_kept(kept: &impl Fn(usize, u32) -> bool, group: usize, block: usize) -> bool {
    u32::try_from(block).is_ok_and(|block| kept(group, block))
}

impl LayerKv {
    /// Takes a block over from a layer of the same kind.
    fn copy_block(&mut self, from: &LayerKv, block: usize, numbers: usize) {
        match (self, from) {
            (LayerKv::Host { k, v }, LayerKv::Host { k: old_k, v: old_v }) => {
                k.copy_block(old_k, block, numbers);
                v.copy_block(old_v, block, numbers);
            }
            (LayerKv::State(states), LayerKv::State(old)) => {
                let place = block * numbers..(block + 1) * numbers;
                states[place.clone()].copy_from_slice(&old[place]);
            }
            _ => {}
        }
    }
}

impl HostKv {
    fn copy_block(&mut self, from: &HostKv, block: usize, numbers: usize) {
        for (to, from) in self.block_mut(block, numbers).into_iter().zip(from.block(block, numbers)) {
            to.copy_from_slice(from);
        }
    }
}
