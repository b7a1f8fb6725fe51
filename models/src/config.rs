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
    /// How it takes pictures.
    pub pictures: PictureInput,
    /// Shape of the key-value cache.
    pub kv_layout: KvLayout,
    /// Number of weights in the file.
    pub n_parameters: u64,
}

/// How a model takes pictures among its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PictureInput {
    /// How many of the first blocks are given a vector of their own for each part of a picture.
    pub levels: usize,
    /// Whether the parts of a picture see each other in both directions.
    pub together: bool,
}

/// The cache's shape, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KvLayout {
    /// One entry per layer that keeps something; they are the first blocks of the model. Behind those of all its blocks there may
    /// be that of a head which predicts further tokens.
    pub layers: Vec<LayerCache>,
}

/// What one layer keeps of the tokens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerCache {
    /// Keys and values of each.
    Attention(LayerKvShape),
    /// A state that each of them changed, of so many 32-bit floats.
    State(usize),
}

/// How far back a layer looks. Layers of a model that look equally far back are a *group*: they need the same blocks, and
/// keep them under the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// To the beginning.
    All,
    /// So many tokens, the token itself included.
    Window(u32),
    /// To the state behind the token before. A block holds the state behind the last token that was computed in it, so
    /// most blocks of a sequence may be [`crate::GONE`]; one that was kept is a point from which to go on.
    State,
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

impl LayerCache {
    /// That of a layer that looks at nothing but the token.
    pub const NOTHING: LayerCache = LayerCache::State(0);

    /// How far back the layer looks.
    pub fn reach(&self) -> Reach {
        match self {
            LayerCache::Attention(LayerKvShape { window: None, .. }) => Reach::All,
            LayerCache::Attention(LayerKvShape { window: Some(window), .. }) => Reach::Window(*window),
            LayerCache::State(_) => Reach::State,
        }
    }

    /// Keys and values, in a layer of attention.
    pub fn attention(&self) -> Option<&LayerKvShape> {
        match self {
            LayerCache::Attention(shape) => Some(shape),
            LayerCache::State(_) => None,
        }
    }

    /// Bytes of a block of `block_size` tokens.
    pub fn block_bytes(&self, kv_type: KvType, block_size: usize) -> usize {
        match self {
            LayerCache::Attention(shape) => 2 * kv_type.row_bytes(shape.width()) * block_size,
            LayerCache::State(numbers) => numbers * size_of::<f32>(),
        }
    }
}

impl Reach {
    /// Of the window, or without one.
    pub fn of_window(window: Option<u32>) -> Self {
        window.map_or(Reach::All, Reach::Window)
    }

    /// The first position of which a token at `position` sees something.
    pub fn first_seen(self, position: usize) -> usize {
        match self {
            Reach::All => 0,
            Reach::Window(window) => (position + 1).saturating_sub(window as usize),
            Reach::State => position.saturating_sub(1),
        }
    }
}

impl KvLayout {
    /// How far back its layers look, each distance once, the furthest first: its groups, which are numbered in this order.
    pub fn groups(&self) -> Vec<Reach> {
        let mut groups: Vec<_> = self.layers.iter().map(LayerCache::reach).collect();
        groups.sort_by_key(|reach| match reach {
            Reach::All => (0, Reverse(0)),
            Reach::Window(window) => (1, Reverse(*window)),
            Reach::State => (2, Reverse(0)),
        });
        groups.dedup();
        groups
    }

    /// Bytes that one token takes in all layers, keys and values together; states do not grow with tokens.
    pub fn bytes_per_token(&self, kv_type: KvType) -> usize {
        let attention = self.layers.iter().filter(|layer| layer.attention().is_some());
        attention.map(|layer| layer.block_bytes(kv_type, 1)).sum()
    }

    /// Bytes of the states of one sequence, in all layers that have one.
    pub fn state_bytes(&self) -> usize {
        self.group_block_bytes(Reach::State, KvType::F32, 1)
    }

    /// Bytes of a block of `block_size` tokens in all layers of a group.
    pub fn group_block_bytes(&self, group: Reach, kv_type: KvType, block_size: usize) -> usize {
        let layers = self.layers.iter().filter(|layer| layer.reach() == group);
        layers.map(|layer| layer.block_bytes(kv_type, block_size)).sum()
    }

    /// Whether all its heads can be kept like this.
    pub fn fits(&self, kv_type: KvType) -> bool {
        self.layers.iter().filter_map(LayerCache::attention).all(|shape| kv_type.fits(shape.head_dim))
    }
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
