//! What a model is, as far as the engine has to know: sizes and the shape of its key-value cache.

use std::cmp::Reverse;

/// A model's description, readable without loading its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// `general.architecture` of the file.
    pub architecture: String,
    /// `general.name` of the file.
    pub name: Option<String>,
    /// Number of tokens the model gives logits for.
    pub vocab_size: usize,
    /// Context the model was trained for, in tokens.
    pub context_length: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of query heads.
    pub n_heads: usize,
    /// Shape of the key-value cache.
    pub kv_layout: KvLayout,
    /// Number of weights in the file.
    pub n_parameters: u64,
}

/// The key-value cache's shape, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KvLayout {
    /// One entry per layer that keeps keys and values; they are the first blocks of the model.
    pub layers: Vec<LayerKvShape>,
}

/// Keys and values of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerKvShape {
    /// Heads that keys and values have.
    pub n_kv_heads: usize,
    /// Values per head.
    pub head_dim: usize,
    /// How many tokens back the layer looks, itself included; `None` for all of them.
    pub window: Option<u32>,
}

/// How the cache's numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KvType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    #[default]
    F16,
    /// 8-bit integers, 32 of which share a 16-bit scale. Heads must be multiples of 32.
    Q8_0,
    /// 4-bit integers, 32 of which share a 16-bit scale, of heads that are rotated before. Heads must be multiples
    /// of 32.
    Q4_0,
}

impl LayerKvShape {
    /// Numbers in one token's key (and as many in its value).
    pub fn width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }
}

impl KvLayout {
    /// The windows of its layers, each once, the widest first. Layers with the same window are a *group*: they need the
    /// same tokens, and keep them in blocks of the same numbers. Groups are numbered in this order.
    pub fn windows(&self) -> Vec<Option<u32>> {
        let mut windows: Vec<_> = self.layers.iter().map(|layer| layer.window).collect();
        windows.sort_by_key(|&window| (window.is_some(), Reverse(window)));
        windows.dedup();
        windows
    }

    /// Bytes that one token takes in all layers, keys and values together.
    pub fn bytes_per_token(&self, kv_type: KvType) -> usize {
        self.windows().iter().map(|window| self.group_bytes_per_token(*window, kv_type)).sum()
    }

    /// Bytes that one token takes in the layers with this window.
    pub fn group_bytes_per_token(&self, window: Option<u32>, kv_type: KvType) -> usize {
        let group = self.layers.iter().filter(|layer| layer.window == window);
        group.map(|layer| 2 * kv_type.row_bytes(layer.width())).sum()
    }

    /// Whether all its heads can be kept like this.
    pub fn fits(&self, kv_type: KvType) -> bool {
        self.layers.iter().all(|layer| kv_type.fits(layer.head_dim))
    }
}

/// The first position that a token at `position` sees.
pub fn first_seen(window: Option<u32>, position: usize) -> usize {
    window.map_or(0, |window| (position + 1).saturating_sub(window as usize))
}

impl KvType {
    /// Every kind there is. Options and reports go by this list and the names, so a new kind is offered at once.
    pub const ALL: &[KvType] = &[KvType::F32, KvType::F16, KvType::Q8_0, KvType::Q4_0];

    /// Whether tensors on a device can be of this kind.
    pub fn fits_tensors(self) -> bool {
        matches!(self, KvType::F32 | KvType::F16)
    }

    /// The word for it in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
            KvType::Q8_0 => "q8_0",
            KvType::Q4_0 => "q4_0",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<KvType> {
        KvType::ALL.iter().copied().find(|kv_type| kv_type.name() == name)
    }

    /// Bytes of so many numbers.
    pub fn row_bytes(self, numbers: usize) -> usize {
        match self {
            KvType::F32 => 4 * numbers,
            KvType::F16 => 2 * numbers,
            KvType::Q8_0 => numbers + 2 * numbers.div_ceil(32),
            KvType::Q4_0 => numbers.div_ceil(2) + 2 * numbers.div_ceil(32),
        }
    }

    /// Whether heads of so many numbers can be kept like this.
    pub fn fits(self, head_dim: usize) -> bool {
        match self {
            KvType::F32 | KvType::F16 => true,
            KvType::Q8_0 | KvType::Q4_0 => head_dim.is_multiple_of(32),
        }
    }
}
