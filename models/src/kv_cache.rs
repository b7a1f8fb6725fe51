//! Keys and values of all tokens, in blocks. Which block belongs to whom is the engine's business.

use candle_core::{DType, Device, Tensor};
use half::slice::HalfBitsSliceExt;
use lantern_kernels::{KvDims, KvSide, KvSlice, KvSliceMut, load_kv, store_kv};

use crate::{KvLayout, KvType, LayerKvShape, ModelError, Split};

/// The arena of keys and values of all layers, in the order of the kernels (see `lantern_kernels::store_kv`), or in
/// tensors `[n_blocks * block_size, n_kv_heads, head_dim]`. Each group of layers (see [`KvLayout::windows`]) has a
/// number of blocks of its own.
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
}

/// Layers that look equally far back.
#[derive(Debug, Clone, Copy)]
struct Group {
    window: Option<u32>,
    n_blocks: usize,
}

/// One layer's keys and values.
enum LayerKv {
    Host { k: HostKv, v: HostKv },
    Tensors { k: Tensor, v: Tensor },
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
        let windows = layout.windows();
        if windows.len() != n_blocks.len() {
            let (given, groups) = (n_blocks.len(), windows.len());
            return Err(ModelError::BadBatch(format!(
                "{given} numbers of blocks for {groups} groups of layers"
            )));
        }
        let too_large =
            || ModelError::BadBatch(format!("a cache of {n_blocks:?} blocks of {block_size} tokens"));
        let group_of = |shape: &LayerKvShape| windows.iter().take_while(|w| **w != shape.window).count();
        let layer = |(layer, shape): (usize, &LayerKvShape)| {
            // Slots are numbered with 32 bits.
            let slots = n_blocks[group_of(shape)].checked_mul(block_size);
            let slots = slots.filter(|&n| n > 0 && n <= u32::MAX as usize).ok_or_else(too_large)?;
            if !kv_type.fits(shape.head_dim) {
                let reason = format!("its heads have {} numbers, not a multiple of 32", shape.head_dim);
                return Err(ModelError::UnsupportedKvType { kv_type: kv_type.name(), reason });
            }
            let values = slots.checked_mul(shape.width()).filter(|&n| n <= isize::MAX as usize / 4);
            values.ok_or_else(too_large)?;
            make(layer, shape, slots)
        };
        let groups = windows.iter().zip(n_blocks).map(|(&window, &n_blocks)| Group { window, n_blocks });
        Ok(KvCache {
            layers: layout.layers.iter().enumerate().map(layer).collect::<Result<_, _>>()?,
            group_of: layout.layers.iter().map(group_of).collect(),
            groups: groups.collect(),
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

    /// Windows and numbers of blocks of its groups of layers.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (Option<u32>, usize)> {
        self.groups.iter().map(|group| (group.window, group.n_blocks))
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
        let bytes = |(window, n_blocks)| {
            self.layout.group_bytes_per_token(window, self.kv_type) * n_blocks * self.block_size
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
        let dims = self.dims(layer);
        match &mut self.layers[layer] {
            LayerKv::Host { k: keys, v: values } => {
                store_kv(&dims, KvSide::Keys, &mut keys.slice_mut(), slots, k)?;
                store_kv(&dims, KvSide::Values, &mut values.slice_mut(), slots, v)?;
                Ok(())
            }
            LayerKv::Tensors { .. } => Err(not_in_host_memory()),
        }
    }

    fn dims(&self, layer: usize) -> KvDims {
        let LayerKvShape { n_kv_heads, head_dim, .. } = self.layout.layers[layer];
        KvDims { n_kv_heads, head_dim, block_size: self.block_size }
    }

    /// All keys and all values of a layer in host memory.
    pub(crate) fn slices(&self, layer: usize) -> Result<(KvSlice<'_>, KvSlice<'_>), ModelError> {
        match &self.layers[layer] {
            LayerKv::Host { k, v } => Ok((k.slice(), v.slice())),
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
            let tensor = |side, from| {
                let mut rows = Vec::with_capacity(slots.len() * shape.width());
                load_kv(&self.dims(layer), side, from, slots, &mut rows)?;
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

fn not_in_host_memory() -> ModelError {
    ModelError::BadBatch("kernels were given a cache that is not in host memory".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(head_dim: usize) -> KvLayout {
        KvLayout { layers: vec![LayerKvShape { n_kv_heads: 2, head_dim, window: None }; 3] }
    }

    #[test]
    fn rows_come_back_from_where_they_were_written() {
        let rows: Vec<f32> = (0..3 * 128).map(|i| (i as f32 * 0.7).sin()).collect();
        let (slots, device) = ([5, 38, 0], Device::Cpu);
        for (&kv_type, tolerance) in KvType::ALL.iter().zip([0.0, 5e-4, 5e-3, 0.4]) {
            let mut kv = KvCache::new(&layout(64), &[3], 16, kv_type, &device).unwrap();
            let negative: Vec<f32> = rows.iter().map(|number| -number).collect();
            kv.write(1, &slots, &rows, &negative).unwrap();
            let (k, v) = kv.gather(1, &slots, &device).unwrap();
            let back = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for ((k, v), number) in back(k).iter().zip(back(v)).zip(&rows) {
                assert!((k - number).abs() <= tolerance, "{kv_type:?}: {number} became {k}");
                assert_eq!(*k, -v, "{kv_type:?}");
            }
            let (k, _) = kv.gather(1, &[6], &device).unwrap();
            assert!(back(k).iter().all(|number| *number == 0.0), "{kv_type:?}: the next slot is untouched");
            assert!(kv.write(1, &[48], &rows[..128], &rows[..128]).is_err(), "{kv_type:?}");
        }
    }

    #[test]
    fn a_type_that_does_not_fit_is_refused() {
        for (kv_type, strip) in [(KvType::Q8_0, 34), (KvType::Q4_0, 18)] {
            let cache = |head_dim| KvCache::new(&layout(head_dim), &[3], 16, kv_type, &Device::Cpu);
            assert_eq!(cache(80).map(|_| ()).unwrap_err().code(), "unsupported_kv_type");
            assert_eq!(cache(96).unwrap().bytes(), 3 * 2 * 2 * 96 / 32 * strip * 48, "{kv_type:?}");
            let tensors = KvCache::in_tensors(&layout(96), &[3], 16, kv_type, &Device::Cpu);
            assert_eq!(tensors.map(|_| ()).unwrap_err().code(), "unsupported_kv_type");
        }
    }

    #[test]
    fn layers_have_the_blocks_of_their_window() {
        let mut mixed = layout(32);
        mixed.layers[0].window = Some(48);
        mixed.layers[2].window = Some(100);
        assert_eq!(mixed.windows(), [None, Some(100), Some(48)], "the widest first");
        let cache = |n_blocks: &[usize]| KvCache::new(&mixed, n_blocks, 16, KvType::F16, &Device::Cpu);
        let mut kv = cache(&[5, 4, 2]).unwrap();
        assert_eq!([0, 1, 2].map(|layer| kv.group_of(layer)), [2, 0, 1]);
        assert_eq!(kv.bytes(), (5 + 4 + 2) * 16 * 2 * 64 * 2);
        let row = [1.0; 64];
        for (layer, blocks) in [(0, 2), (1, 5), (2, 4)] {
            assert!(
                kv.write(layer, &[blocks * 16 - 1], &row, &row).is_ok(),
                "the last slot of layer {layer}"
            );
            assert!(
                kv.write(layer, &[blocks * 16], &row, &row).is_err(),
                "layer {layer} ends after {blocks}"
            );
        }
        assert!(cache(&[5, 4]).is_err() && cache(&[5, 4, 2, 1]).is_err(), "one number for each group");
        assert!(cache(&[5, 0, 2]).is_err(), "no group is without blocks");
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for &kv_type in KvType::ALL {
            assert_eq!(KvType::from_name(kv_type.name()), Some(kv_type));
        }
    }
}
