//! Keys and values of all tokens, or the states that they left, in blocks. Which block belongs to whom is the engine's business.

use candle_core::{DType, Device, Tensor};
use half::slice::HalfBitsSliceExt;
use lantern_kernels::{KvDims, KvSide, KvSlice, KvSliceMut, States, load_kv, store_kv};

use crate::{ForwardBatch, KvLayout, KvType, LayerCache, LayerKvShape, ModelError, Reach, Split};

/// The arena of keys and values of all layers, in the order of the kernels (see `lantern_kernels::store_kv`), or in
/// tensors `[n_blocks * block_size, n_kv_heads, head_dim]`. Each group of layers (see [`KvLayout::groups`]) has a
/// number of blocks of its own. States are always in host memory.
///
/// On a CPU its memory is reserved at once and taken page by page as blocks are first written.
pub struct KvCache {
    layout: KvLayout,
    kv_type: KvType,
    block_size: usize,
    groups: Vec<Group>,
    layers: Vec<LayerKv>,
    /// The group of each layer.
    group_of: Vec<usize>,
    /// What the last pass's guesses brought to each layer with a state.
    guessed: Vec<GuessInputs>,
    /// What the last pass made of its rows, where that is kept: `[rows, hidden]`.
    hidden: Vec<f32>,
}

/// Layers that look equally far back.
#[derive(Debug, Clone, Copy)]
struct Group {
    reach: Reach,
    n_blocks: usize,
}

/// What one layer keeps.
enum LayerKv {
    Host {
        k: HostKv,
        v: HostKv,
    },
    Tensors {
        k: Tensor,
        v: Tensor,
    },
    /// `[n_blocks, numbers of a state]`.
    State(Vec<f32>),
}

/// Keys or values in host memory.
///
/// Halves are kept as bits, because only plain integers come zeroed without being touched.
enum HostKv {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Q8_0 { scales: Vec<u16>, quants: Vec<i8> },
    Q4_0 { scales: Vec<u16>, quants: Vec<u8> },
}

impl KvCache {
    /// An empty cache with so many blocks for each group of layers: in host memory for a CPU, in tensors on another
    /// device.
    pub fn new(
        layout: &KvLayout,
        n_blocks: &[usize],
        block_size: usize,
        kv_type: KvType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::with_layers(layout, n_blocks, block_size, kv_type, |_, shape, slots| match device {
            Device::Cpu => Ok(LayerKv::host(shape, slots, kv_type)),
            _ => LayerKv::tensors(shape, slots, kv_type, device),
        })
    }

    /// An empty cache, with so many blocks for each group of layers, that keeps each layer's keys and values where the
    /// layer computes.
    pub fn for_split(
        layout: &KvLayout,
        n_blocks: &[usize],
        block_size: usize,
        kv_type: KvType,
        split: &Split,
    ) -> Result<Self, ModelError> {
        Self::with_layers(layout, n_blocks, block_size, kv_type, |layer, shape, slots| {
            let compute = split.block(layer);
            match compute.has_kernels() {
                true => Ok(LayerKv::host(shape, slots, kv_type)),
                false => LayerKv::tensors(shape, slots, kv_type, compute.device()),
            }
        })
    }

    /// An empty cache in tensors, also on a CPU.
    pub fn in_tensors(
        layout: &KvLayout,
        n_blocks: &[usize],
        block_size: usize,
        kv_type: KvType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::with_layers(layout, n_blocks, block_size, kv_type, |_, shape, slots| {
            LayerKv::tensors(shape, slots, kv_type, device)
        })
    }

    fn with_layers(
        layout: &KvLayout,
        n_blocks: &[usize],
        block_size: usize,
        kv_type: KvType,
        make: impl Fn(usize, &LayerKvShape, usize) -> Result<LayerKv, ModelError>,
    ) -> Result<Self, ModelError> {
        let groups = layout.groups();
        if groups.len() != n_blocks.len() {
            let (given, groups) = (n_blocks.len(), groups.len());
            return Err(ModelError::BadBatch(format!(
                "{given} numbers of blocks for {groups} groups of layers"
            )));
        }
        let too_large =
            || ModelError::BadBatch(format!("a cache of {n_blocks:?} blocks of {block_size} tokens"));
        let group_of =
            |layer: &LayerCache| groups.iter().take_while(|group| **group != layer.reach()).count();
        let layer = |(layer, kept): (usize, &LayerCache)| {
            // Slots are numbered with 32 bits.
            let n_blocks = n_blocks[group_of(kept)];
            let slots = n_blocks.checked_mul(block_size);
            let slots = slots.filter(|&n| n > 0 && n <= u32::MAX as usize).ok_or_else(too_large)?;
            let shape = match kept {
                LayerCache::Attention(shape) => shape,
                LayerCache::State(numbers) => {
                    let all = n_blocks.checked_mul(*numbers).filter(|&n| n <= isize::MAX as usize / 4);
                    return Ok(LayerKv::State(vec![0.0; all.ok_or_else(too_large)?]));
                }
            };
            if !kv_type.fits(shape.head_dim) {
                let reason = format!("its heads have {} numbers, not a multiple of 32", shape.head_dim);
                return Err(ModelError::UnsupportedKvType { kv_type: kv_type.name(), reason });
            }
            let values = slots.checked_mul(shape.width()).filter(|&n| n <= isize::MAX as usize / 4);
            values.ok_or_else(too_large)?;
            make(layer, shape, slots)
        };
        Ok(KvCache {
            layers: layout.layers.iter().enumerate().map(layer).collect::<Result<_, _>>()?,
            group_of: layout.layers.iter().map(group_of).collect(),
            guessed: layout.layers.iter().map(|_| GuessInputs::default()).collect(),
            hidden: Vec::new(),
            groups: groups
                .iter()
                .zip(n_blocks)
                .map(|(&reach, &n_blocks)| Group { reach, n_blocks })
                .collect(),
            layout: layout.clone(),
            kv_type,
            block_size,
        })
    }

    /// The layout it was made for.
    pub fn layout(&self) -> &KvLayout {
        &self.layout
    }

    /// How numbers are kept.
    pub fn kv_type(&self) -> KvType {
        self.kv_type
    }

    /// How far its groups of layers look back, and their numbers of blocks.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (Reach, usize)> {
        self.groups.iter().map(|group| (group.reach, group.n_blocks))
    }

    /// The group of a layer.
    pub(crate) fn group_of(&self, layer: usize) -> usize {
        self.group_of[layer]
    }

    /// Tokens per block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Bytes of the whole arena.
    pub fn bytes(&self) -> usize {
        let bytes = |(reach, n_blocks)| {
            self.layout.group_block_bytes(reach, self.kv_type, self.block_size) * n_blocks
        };
        self.groups().map(bytes).sum()
    }

    /// Writes rows of keys and values, `[slots.len(), n_kv_heads * head_dim]` each, to their slots.
    pub(crate) fn write(
        &mut self,
        layer: usize,
        slots: &[u32],
        k: &[f32],
        v: &[f32],
    ) -> Result<(), ModelError> {
        let dims = self.dims(layer)?;
        match &mut self.layers[layer] {
            LayerKv::Host { k: keys, v: values } => {
                store_kv(&dims, KvSide::Keys, &mut keys.slice_mut(), slots, k)?;
                store_kv(&dims, KvSide::Values, &mut values.slice_mut(), slots, v)?;
                Ok(())
            }
            _ => Err(not_in_host_memory()),
        }
    }

    fn shape(&self, layer: usize) -> Result<LayerKvShape, ModelError> {
        self.layout.layers[layer].attention().copied().ok_or_else(no_keys_and_values)
    }

    fn dims(&self, layer: usize) -> Result<KvDims, ModelError> {
        let LayerKvShape { n_kv_heads, head_dim, .. } = self.shape(layer)?;
        Ok(KvDims { n_kv_heads, head_dim, block_size: self.block_size })
    }

    /// The states of a layer, for the sequences of a batch.
    pub(crate) fn states<'a>(
        &'a mut self,
        layer: usize,
        batch: &'a ForwardBatch,
    ) -> Result<LayerStates<'a>, ModelError> {
        let (LayerKv::State(numbers), LayerCache::State(stride)) =
            (&mut self.layers[layer], self.layout.layers[layer])
        else {
            return Err(ModelError::BadBatch("a layer of attention has no state".to_owned()));
        };
        let block_tables = &batch.groups[self.group_of[layer]].block_tables;
        let states = States { numbers, stride, seqs: &batch.seqs, block_tables, block_size: self.block_size };
        Ok(LayerStates { states, guessed: &mut self.guessed[layer] })
    }

    /// All keys and all values of a layer in host memory.
    pub(crate) fn slices(&self, layer: usize) -> Result<(KvSlice<'_>, KvSlice<'_>), ModelError> {
        match &self.layers[layer] {
            LayerKv::Host { k, v } => Ok((k.slice(), v.slice())),
            _ => Err(not_in_host_memory()),
        }
    }

    /// Like [`Self::write`], for tensors `[rows, n_kv_heads, head_dim]` on the cache's device.
    pub(crate) fn write_tensors(
        &mut self,
        layer: usize,
        slots: &[u32],
        k: &Tensor,
        v: &Tensor,
    ) -> Result<(), ModelError> {
        let LayerKv::Tensors { k: keys, v: values } = &self.layers[layer] else {
            return self.write(
                layer,
                slots,
                &k.flatten_all()?.to_vec1::<f32>()?,
                &v.flatten_all()?.to_vec1::<f32>()?,
            );
        };
        let index = Tensor::new(slots, k.device())?.reshape(((), 1, 1))?.expand(k.dims())?.contiguous()?;
        keys.scatter_set(&index, &k.to_dtype(keys.dtype())?.contiguous()?, 0)?;
        values.scatter_set(&index, &v.to_dtype(values.dtype())?.contiguous()?, 0)?;
        Ok(())
    }

    /// Keys and values of some slots as f32 tensors `[slots.len(), n_kv_heads, head_dim]`.
    pub(crate) fn gather(
        &self,
        layer: usize,
        slots: &[u32],
        device: &Device,
    ) -> Result<(Tensor, Tensor), ModelError> {
        let shape = self.shape(layer)?;
        let LayerKv::Tensors { k, v } = &self.layers[layer] else {
            let (k, v) = self.slices(layer)?;
            let tensor = |side, from| {
                let mut rows = Vec::with_capacity(slots.len() * shape.width());
                load_kv(&self.dims(layer)?, side, from, slots, &mut rows)?;
                let size = (slots.len(), shape.n_kv_heads, shape.head_dim);
                Ok::<_, ModelError>(Tensor::from_vec(rows, size, device)?)
            };
            return Ok((tensor(KvSide::Keys, k)?, tensor(KvSide::Values, v)?));
        };
        let index = Tensor::new(slots, device)?;
        let take = |from: &Tensor| from.index_select(&index, 0)?.to_dtype(DType::F32);
        Ok((take(k)?, take(v)?))
    }
}

impl LayerKv {
    fn host(shape: &LayerKvShape, slots: usize, kv_type: KvType) -> Self {
        let zeros = || HostKv::zeros(kv_type, slots * shape.width());
        LayerKv::Host { k: zeros(), v: zeros() }
    }

    fn tensors(
        shape: &LayerKvShape,
        slots: usize,
        kv_type: KvType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let dtype = match kv_type {
            KvType::F32 => DType::F32,
            KvType::F16 => DType::F16,
            KvType::Q8_0 | KvType::Q4_0 => {
                let reason = "this device's tensors have no such type".to_owned();
                return Err(ModelError::UnsupportedKvType { kv_type: kv_type.name(), reason });
            }
        };
        let zeros = || Tensor::zeros((slots, shape.n_kv_heads, shape.head_dim), dtype, device);
        Ok(LayerKv::Tensors { k: zeros()?, v: zeros()? })
    }
}

impl HostKv {
    fn zeros(kv_type: KvType, numbers: usize) -> Self {
        match kv_type {
            KvType::F32 => HostKv::F32(vec![0.0; numbers]),
            KvType::F16 => HostKv::F16(vec![0; numbers]),
            KvType::Q8_0 => HostKv::Q8_0 { scales: vec![0; numbers / 32], quants: vec![0; numbers] },
            KvType::Q4_0 => HostKv::Q4_0 { scales: vec![0; numbers / 32], quants: vec![0; numbers / 2] },
        }
    }

    fn slice(&self) -> KvSlice<'_> {
        match self {
            HostKv::F32(numbers) => KvSlice::F32(numbers),
            HostKv::F16(bits) => KvSlice::F16(bits.reinterpret_cast()),
            HostKv::Q8_0 { scales, quants } => KvSlice::Q8_0 { scales: scales.reinterpret_cast(), quants },
            HostKv::Q4_0 { scales, quants } => KvSlice::Q4_0 { scales: scales.reinterpret_cast(), quants },
        }
    }

    fn slice_mut(&mut self) -> KvSliceMut<'_> {
        match self {
            HostKv::F32(numbers) => KvSliceMut::F32(numbers),
            HostKv::F16(bits) => KvSliceMut::F16(bits.reinterpret_cast_mut()),
            HostKv::Q8_0 { scales, quants } => {
                KvSliceMut::Q8_0 { scales: scales.reinterpret_cast_mut(), quants }
            }
            HostKv::Q4_0 { scales, quants } => {
                KvSliceMut::Q4_0 { scales: scales.reinterpret_cast_mut(), quants }
            }
        }
    }
}

fn no_keys_and_values() -> ModelError {
    ModelError::BadBatch("a layer with a state has no keys and values".to_owned())
}

fn not_in_host_memory() -> ModelError {
    ModelError::BadBatch("kernels were given a cache that is not in host memory".to_owned())
}

mod give_back;
mod guessed;
mod resize;
mod transfer;

pub(crate) use guessed::{GuessInputs, LayerStates};

#[cfg(test)]
mod tests;
