//! Keys and values of all tokens, in blocks. Which block belongs to whom is the engine's business.

use candle_core::{DType, Device, Tensor};
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use lantern_kernels::KvSlice;

use crate::{KvLayout, KvType, LayerKvShape, ModelError};

/// The arena of keys and values: for each layer `[n_blocks * block_size, n_kv_heads, head_dim]`, twice.
///
/// On a CPU its memory is reserved at once and taken page by page as blocks are first written.
pub struct KvCache {
    layout: KvLayout,
    kv_type: KvType,
    n_blocks: usize,
    block_size: usize,
    layers: Vec<LayerKv>,
}

/// One layer's keys and values.
enum LayerKv {
    F32 {
        k: Vec<f32>,
        v: Vec<f32>,
    },
    /// Halves are kept as bits, because only plain integers come zeroed without being touched.
    F16 {
        k: Vec<u16>,
        v: Vec<u16>,
    },
    Tensors {
        k: Tensor,
        v: Tensor,
    },
}

impl KvCache {
    /// An empty cache: in host memory for a CPU, in tensors on another device.
    pub fn new(
        layout: &KvLayout,
        n_blocks: usize,
        block_size: usize,
        kv_type: KvType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::with_layers(layout, n_blocks, block_size, kv_type, |shape, values| match (device, kv_type) {
            (Device::Cpu, KvType::F32) => Ok(LayerKv::F32 { k: vec![0.0; values], v: vec![0.0; values] }),
            (Device::Cpu, KvType::F16) => Ok(LayerKv::F16 { k: vec![0; values], v: vec![0; values] }),
            _ => LayerKv::tensors(shape, n_blocks * block_size, kv_type, device),
        })
    }

    /// An empty cache in tensors, also on a CPU.
    pub fn in_tensors(
        layout: &KvLayout,
        n_blocks: usize,
        block_size: usize,
        kv_type: KvType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::with_layers(layout, n_blocks, block_size, kv_type, |shape, _| {
            LayerKv::tensors(shape, n_blocks * block_size, kv_type, device)
        })
    }

    fn with_layers(
        layout: &KvLayout,
        n_blocks: usize,
        block_size: usize,
        kv_type: KvType,
        make: impl Fn(&LayerKvShape, usize) -> Result<LayerKv, ModelError>,
    ) -> Result<Self, ModelError> {
        let too_large =
            || ModelError::BadBatch(format!("a cache of {n_blocks} blocks of {block_size} tokens"));
        // Slots are numbered with 32 bits.
        let slots = n_blocks.checked_mul(block_size).filter(|&n| n > 0 && n <= u32::MAX as usize);
        let slots = slots.ok_or_else(too_large)?;
        let layer = |shape: &LayerKvShape| {
            let values = slots.checked_mul(shape.width()).filter(|&n| n <= isize::MAX as usize / 4);
            make(shape, values.ok_or_else(too_large)?)
        };
        let layers = layout.layers.iter().map(layer).collect::<Result<_, _>>()?;
        Ok(KvCache { layout: layout.clone(), kv_type, n_blocks, block_size, layers })
    }

    /// The layout it was made for.
    pub fn layout(&self) -> &KvLayout {
        &self.layout
    }

    /// How numbers are kept.
    pub fn kv_type(&self) -> KvType {
        self.kv_type
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> usize {
        self.n_blocks
    }

    /// Tokens per block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Number of tokens that fit.
    pub fn n_slots(&self) -> usize {
        self.n_blocks * self.block_size
    }

    /// Bytes of the whole arena.
    pub fn bytes(&self) -> usize {
        self.layout.bytes_per_token(self.kv_type) * self.n_slots()
    }

    /// Writes rows of keys and values, `[slots.len(), n_kv_heads * head_dim]` each, to their slots.
    pub(crate) fn write(
        &mut self,
        layer: usize,
        slots: &[u32],
        k: &[f32],
        v: &[f32],
    ) -> Result<(), ModelError> {
        let width = self.layout.layers[layer].width();
        let rows = || slots.iter().map(|&slot| slot as usize * width..(slot as usize + 1) * width);
        match &mut self.layers[layer] {
            LayerKv::F32 { k: keys, v: values } => {
                for (i, place) in rows().enumerate() {
                    keys[place.clone()].copy_from_slice(&k[i * width..(i + 1) * width]);
                    values[place].copy_from_slice(&v[i * width..(i + 1) * width]);
                }
            }
            LayerKv::F16 { k: keys, v: values } => {
                for (i, place) in rows().enumerate() {
                    store_halves(&mut keys[place.clone()], &k[i * width..(i + 1) * width]);
                    store_halves(&mut values[place], &v[i * width..(i + 1) * width]);
                }
            }
            LayerKv::Tensors { .. } => return Err(not_in_host_memory()),
        }
        Ok(())
    }

    /// All keys and all values of a layer in host memory.
    pub(crate) fn slices(&self, layer: usize) -> Result<(KvSlice<'_>, KvSlice<'_>), ModelError> {
        match &self.layers[layer] {
            LayerKv::F32 { k, v } => Ok((KvSlice::F32(k), KvSlice::F32(v))),
            LayerKv::F16 { k, v } => {
                Ok((KvSlice::F16(k.reinterpret_cast::<f16>()), KvSlice::F16(v.reinterpret_cast::<f16>())))
            }
            LayerKv::Tensors { .. } => Err(not_in_host_memory()),
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
        let shape = self.layout.layers[layer];
        let LayerKv::Tensors { k, v } = &self.layers[layer] else {
            let (k, v) = self.slices(layer)?;
            let tensor = |from: KvSlice| {
                let values = gather_values(from, slots, shape.width());
                Tensor::from_vec(values, (slots.len(), shape.n_kv_heads, shape.head_dim), device)
            };
            return Ok((tensor(k)?, tensor(v)?));
        };
        let index = Tensor::new(slots, device)?;
        let take = |from: &Tensor| from.index_select(&index, 0)?.to_dtype(DType::F32);
        Ok((take(k)?, take(v)?))
    }
}

impl LayerKv {
    fn tensors(
        shape: &LayerKvShape,
        slots: usize,
        kv_type: KvType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let dtype = match kv_type {
            KvType::F32 => DType::F32,
            KvType::F16 => DType::F16,
        };
        let zeros = || Tensor::zeros((slots, shape.n_kv_heads, shape.head_dim), dtype, device);
        Ok(LayerKv::Tensors { k: zeros()?, v: zeros()? })
    }
}

fn store_halves(place: &mut [u16], values: &[f32]) {
    place.reinterpret_cast_mut::<f16>().convert_from_f32_slice(values);
}

fn gather_values(from: KvSlice, slots: &[u32], width: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(slots.len() * width);
    for &slot in slots {
        let place = slot as usize * width..(slot as usize + 1) * width;
        match from {
            KvSlice::F32(all) => values.extend(&all[place]),
            KvSlice::F16(all) => values.extend(all[place].iter().map(|half| half.to_f32())),
        }
    }
    values
}

fn not_in_host_memory() -> ModelError {
    ModelError::BadBatch("kernels were given a cache that is not in host memory".to_owned())
}
