//! Blocks out of the cache as bytes, and back: for whoever keeps them somewhere else in the meantime.
//!
//! The bytes of a block are those of its layers in their order, keys before values, each as it lies in memory. They mean
//! something to a cache whose [`KvCache::byte_format`] is the same, and to no other.

use bytemuck::{Pod, cast_slice, cast_slice_mut, pod_read_unaligned};
use candle_core::{DType, Tensor, WithDType};
use half::f16;
use lantern_kernels::isa;

use super::{HostKv, KvCache, LayerKv};
use crate::{LayerCache, ModelError};

impl KvCache {
    /// What the bytes of a block mean: how numbers are kept, where each layer keeps them, and what computed them.
    pub fn byte_format(&self) -> String {
        let order = if cfg!(target_endian = "little") { "little" } else { "big" };
        let (kv_type, size) = (self.kv_type.name(), self.block_size);
        let mut words = format!("{kv_type} {order} {} blocks of {size}", isa().name());
        for (layer, kept) in self.layers.iter().zip(&self.layout.layers) {
            let place = match layer {
                LayerKv::Tensors { k, .. } => format!("{:?}", k.device().location()),
                LayerKv::Host { .. } | LayerKv::State(_) => "host".to_owned(),
            };
            words += &match kept {
                LayerCache::Attention(shape) => {
                    format!("; {place} {}x{} {:?}", shape.n_kv_heads, shape.head_dim, shape.window)
                }
                LayerCache::State(numbers) => format!("; {place} state {numbers}"),
            };
        }
        words
    }

    /// Bytes of one block of a group of layers.
    pub fn block_bytes(&self, group: usize) -> usize {
        let group = self.groups.get(group);
        group.map_or(0, |group| self.layout.group_block_bytes(group.reach, self.kv_type, self.block_size))
    }

    /// Appends a block's bytes.
    pub fn export_block(&self, group: usize, block: u32, to: &mut Vec<u8>) -> Result<(), ModelError> {
        let block = self.checked_block(group, block)?;
        for layer in (0..self.layers.len()).filter(|&layer| self.group_of[layer] == group) {
            let numbers = self.numbers_of_block(layer);
            match &self.layers[layer] {
                LayerKv::Host { k, v } => [k, v].iter().for_each(|side| {
                    side.block(block, numbers).iter().for_each(|bytes| to.extend_from_slice(bytes));
                }),
                LayerKv::Tensors { k, v } => {
                    for side in [k, v] {
                        export_tensor(side, block * self.block_size, self.block_size, to)?;
                    }
                }
                LayerKv::State(states) => to.extend_from_slice(part(states, block, numbers)),
            }
        }
        Ok(())
    }

    /// Replaces a block by what [`KvCache::export_block`] gave, `block_bytes` of it.
    pub fn import_block(&mut self, group: usize, block: u32, from: &[u8]) -> Result<(), ModelError> {
        let block = self.checked_block(group, block)?;
        if from.len() != self.block_bytes(group) {
            let (given, needed) = (from.len(), self.block_bytes(group));
            return Err(ModelError::BadBatch(format!("{given} bytes for a block of {needed}")));
        }
        let mut rest = from;
        for layer in (0..self.layers.len()).filter(|&layer| self.group_of[layer] == group) {
            let numbers = self.numbers_of_block(layer);
            match &mut self.layers[layer] {
                LayerKv::Host { k, v } => [k, v].into_iter().for_each(|side| {
                    side.block_mut(block, numbers).into_iter().for_each(|to| take(&mut rest, to));
                }),
                LayerKv::Tensors { k, v } => {
                    for side in [k, v] {
                        import_tensor(side, block * self.block_size, self.block_size, &mut rest)?;
                    }
                }
                LayerKv::State(states) => take(&mut rest, part_mut(states, block, numbers)),
            }
        }
        Ok(())
    }

    fn checked_block(&self, group: usize, block: u32) -> Result<usize, ModelError> {
        let n_blocks = self.groups.get(group).map_or(0, |group| group.n_blocks);
        match (block as usize) < n_blocks {
            true => Ok(block as usize),
            false => Err(ModelError::BadBatch(format!("block {block} of {n_blocks} in group {group}"))),
        }
    }

    /// Numbers in a block of a layer's keys, in one of its values, or in its state.
    pub(super) fn numbers_of_block(&self, layer: usize) -> usize {
        match &self.layout.layers[layer] {
            LayerCache::Attention(shape) => shape.width() * self.block_size,
            LayerCache::State(numbers) => *numbers,
        }
    }
}

impl HostKv {
    /// The memory of a block of so many numbers: scales, if there are any, and numbers.
    pub(super) fn block(&self, block: usize, numbers: usize) -> [&[u8]; 2] {
        match self {
            HostKv::F32(all) => [&[], part(all, block, numbers)],
            HostKv::F16(all) => [&[], part(all, block, numbers)],
            HostKv::Q8_0 { scales, quants } => {
                [part(scales, block, numbers / 32), part(quants, block, numbers)]
            }
            HostKv::Q4_0 { scales, quants } => {
                [part(scales, block, numbers / 32), part(quants, block, numbers / 2)]
            }
        }
    }

    pub(super) fn block_mut(&mut self, block: usize, numbers: usize) -> [&mut [u8]; 2] {
        match self {
            HostKv::F32(all) => [&mut [], part_mut(all, block, numbers)],
            HostKv::F16(all) => [&mut [], part_mut(all, block, numbers)],
            HostKv::Q8_0 { scales, quants } => {
                [part_mut(scales, block, numbers / 32), part_mut(quants, block, numbers)]
            }
            HostKv::Q4_0 { scales, quants } => {
                [part_mut(scales, block, numbers / 32), part_mut(quants, block, numbers / 2)]
            }
        }
    }
}

fn part<T: Pod>(all: &[T], block: usize, len: usize) -> &[u8] {
    cast_slice(&all[block * len..][..len])
}

fn part_mut<T: Pod>(all: &mut [T], block: usize, len: usize) -> &mut [u8] {
    cast_slice_mut(&mut all[block * len..][..len])
}

/// Fills `to` from the beginning of `rest`, which is long enough: the length of the whole was checked.
fn take(rest: &mut &[u8], to: &mut [u8]) {
    let (taken, behind) = rest.split_at(to.len());
    to.copy_from_slice(taken);
    *rest = behind;
}

fn export_tensor(from: &Tensor, first: usize, rows: usize, to: &mut Vec<u8>) -> Result<(), ModelError> {
    let rows = from.narrow(0, first, rows)?.flatten_all()?;
    match rows.dtype() {
        DType::F16 => to.extend_from_slice(cast_slice(&rows.to_vec1::<f16>()?)),
        _ => to.extend_from_slice(cast_slice(&rows.to_vec1::<f32>()?)),
    }
    Ok(())
}

fn import_tensor(to: &Tensor, first: usize, rows: usize, rest: &mut &[u8]) -> Result<(), ModelError> {
    match to.dtype() {
        DType::F16 => set_rows::<f16>(to, first, rows, rest),
        _ => set_rows::<f32>(to, first, rows, rest),
    }
}

fn set_rows<T: Pod + WithDType>(
    to: &Tensor,
    first: usize,
    rows: usize,
    rest: &mut &[u8],
) -> Result<(), ModelError> {
    let (_, heads, width) = to.dims3()?;
    let (taken, behind) = rest.split_at(rows * heads * width * size_of::<T>());
    *rest = behind;
    let numbers: Vec<T> = taken.chunks_exact(size_of::<T>()).map(pod_read_unaligned).collect();
    let numbers = Tensor::from_vec(numbers, (rows, heads, width), to.device())?;
    Ok(to.slice_set(&numbers, 0, first)?)
}
