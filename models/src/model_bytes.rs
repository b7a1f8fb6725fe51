//! How many bytes the parts of a model take, in the file and on a device, by its header alone.

use lantern_gguf::{GgmlType, GgufFile, TensorInfo};

use crate::layers::{DEVICE_ROWS, SCORES, candle_type};
use crate::placement::{Part, Placement, Site};
use crate::{KvLayout, KvType, LayerCache, LayerKvShape, ModelConfig, Reach};

/// Weights of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeightBytes {
    /// In the file, and as many in host memory.
    pub host: u64,
    /// On a device, where what candle cannot multiply in its own type becomes 32-bit floats.
    pub device: u64,
}

/// One block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockBytes {
    /// Everything but the experts.
    pub shared: WeightBytes,
    /// The matrices of all experts.
    pub experts: WeightBytes,
    /// Keys and values of the tokens it was made for.
    pub kv: u64,
}

/// A whole model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelBytes {
    /// The blocks in order.
    pub blocks: Vec<BlockBytes>,
    /// Final norm and output layer. One that shares the embedding's matrix has a copy of it on a device.
    pub head: WeightBytes,
    /// What computes before the first block; tables of embeddings, which stay in the file, are not part of it.
    pub input: WeightBytes,
    /// The first layer of the cache that blocks without keys of their own look at.
    pub first_shared_cache: Option<usize>,
}

impl ModelBytes {
    /// A file's model, with keys and values of so many tokens in each layer.
    pub fn of(
        file: &GgufFile,
        config: &ModelConfig,
        kv_type: KvType,
        tokens: impl Fn(&LayerCache) -> usize,
    ) -> Self {
        let mut bytes = ModelBytes {
            blocks: vec![BlockBytes::default(); config.n_layers],
            first_shared_cache: first_shared_cache(&config.kv_layout, config.n_layers),
            ..ModelBytes::default()
        };
        // A head behind the blocks goes where the last of them goes.
        let layers = &config.kv_layout.layers;
        let place = |layer: usize| if layer < layers.len() { layer.min(config.n_layers - 1) } else { layer };
        for (index, layer) in layers.iter().enumerate().filter(|(_, layer)| layer.attention().is_some()) {
            // States are kept on the host.
            if let Some(block) = bytes.blocks.get_mut(place(index)) {
                block.kv += (layer.block_bytes(kv_type, 1) * tokens(layer)) as u64;
            }
        }
        for tensor in file.tensors().values() {
            let weights = WeightBytes::of(tensor);
            let part = match Part::of(&tensor.name) {
                Part::Block(layer) => bytes.blocks.get_mut(place(layer)).map(|block| &mut block.shared),
                Part::Experts(layer) => bytes.blocks.get_mut(place(layer)).map(|block| &mut block.experts),
                Part::Head => Some(&mut bytes.head),
                Part::Input if is_table(&tensor.name) => None,
                Part::Input => Some(&mut bytes.input),
            };
            if let Some(part) = part {
                part.add(weights);
            }
        }
        if let (None, Some(table)) = (file.tensor("output.weight"), file.tensor("token_embd.weight")) {
            // The table itself stays where it is for the embedding.
            bytes.head.add(WeightBytes { host: 0, ..WeightBytes::of(table) });
        }
        bytes
    }

    /// Weights, keys and values on the device.
    pub fn on_device(&self, placement: &Placement) -> u64 {
        self.device_weights(placement).device + self.device_kv(placement)
    }

    /// The weights on the device: their bytes there, and the bytes of the file that the host need not hold for them.
    pub fn device_weights(&self, placement: &Placement) -> WeightBytes {
        let mut sum = WeightBytes::default();
        let mut add = |part, weights| {
            if placement.site(part) == Site::Device {
                sum.add(weights);
            }
        };
        add(Part::Input, self.input);
        add(Part::Head, self.head);
        for (layer, block) in self.blocks.iter().enumerate() {
            add(Part::Block(layer), block.shared);
            add(Part::Experts(layer), block.experts);
        }
        sum
    }

    /// Experts that the host holds: bytes of all of them, and of those of the layer that has most.
    pub fn host_experts(&self, placement: &Placement) -> (u64, u64) {
        let blocks = self.blocks.iter().enumerate();
        let on_host = blocks.filter(|(layer, _)| placement.site(Part::Experts(*layer)) == Site::Host);
        let bytes = on_host.map(|(_, block)| block.experts.host);
        bytes.fold((0, 0), |(all, most), bytes| (all + bytes, most.max(bytes)))
    }

    /// Keys and values on the device.
    pub fn device_kv(&self, placement: &Placement) -> u64 {
        let first = placement.n_layers - placement.device_layers;
        self.blocks.iter().skip(first).map(|block| block.kv).sum()
    }

    /// Work space of a step of so many tokens on a device, with a context of so many: activations (about sixteen hidden
    /// vectors per token covers the widest layers seen), the scores of attention four times on their way to weights, one
    /// layer's keys and values as floats and once more in the order of products, and logits of some rows.
    pub fn scratch(config: &ModelConfig, step_tokens: usize, context: usize) -> u64 {
        let widest = config
            .kv_layout
            .layers
            .iter()
            .filter_map(LayerCache::attention)
            .map(LayerKvShape::width)
            .max()
            .unwrap_or(0);
        let activations = step_tokens * config.hidden_size * 16;
        let gathered = 4 * context * widest;
        let logits = DEVICE_ROWS * config.vocab_size;
        ((activations + 4 * SCORES + gathered + logits) * size_of::<f32>()) as u64
    }

    /// Whether any block has experts.
    pub fn has_experts(&self) -> bool {
        self.blocks.iter().any(|block| block.experts.host > 0)
    }

    /// Whether the device may begin with this block: none of its blocks then looks at keys and values on the host, which
    /// would cross for every token of the context in every step.
    pub(crate) fn may_split_before(&self, layer: usize) -> bool {
        self.first_shared_cache.is_none_or(|shared| layer <= shared)
    }
}

impl WeightBytes {
    fn of(tensor: &TensorInfo) -> Self {
        let host = tensor.byte_len().unwrap_or(0);
        let cols = tensor.shape.first().copied().unwrap_or(1) as usize;
        let ty = GgmlType::from_id(tensor.type_id);
        let kept = ty.is_some_and(|ty| ty.is_quantised() && candle_type(ty, cols).is_some());
        let floats = tensor.elements().saturating_mul(size_of::<f32>() as u64);
        WeightBytes { host, device: if kept { host } else { floats } }
    }

    fn add(&mut self, other: WeightBytes) {
        self.host += other.host;
        self.device += other.device;
    }
}

/// Tables that only single rows are read of.
fn is_table(tensor: &str) -> bool {
    matches!(tensor, "token_embd.weight" | "per_layer_token_embd.weight")
}

/// Blocks without keys of their own come last and look at the last layer of the cache that is of their kind: one with a
/// window or one without. Either kind may be among them.
fn first_shared_cache(layout: &KvLayout, n_layers: usize) -> Option<usize> {
    if layout.layers.len() >= n_layers {
        return None;
    }
    let last = |all: bool| layout.layers.iter().rposition(|layer| (layer.reach() == Reach::All) == all);
    last(true).into_iter().chain(last(false)).min()
}
