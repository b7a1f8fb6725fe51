//! Qwen3, dense: 0.6B to 32B; and Qwen3-VL, whose pictures turn by their rows and columns and give the first blocks
//! vectors of their own.
//!
//! Pre-norm blocks like Qwen2's, without biases, but with norms over each head of queries and keys before the rotary
//! embedding. The size of a head is the file's and need not fit the model's width.

use crate::embedder::{Embedder, EmbedderFamily, Pooling};
use crate::hyper::Sizes;
use crate::layers::{Activation, Attention, AttentionParams, Block, Decoder, Rope, RopePairs, RopeParams};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Qwen3Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// Qwen3-Embedding: the same blocks, whose texts pass whole.
pub(crate) const EMBEDDER: EmbedderFamily = |hyper, weights| {
    let pooling = Pooling::read(hyper)?;
    let params = Qwen3Params::read(hyper)?;
    let attention = params.attention.in_one_pass(0);
    let kv_layout = KvLayout { layers: vec![attention.kv_shape()] };
    let params = Qwen3Params { attention, config: ModelConfig { kv_layout, ..params.config }, ..params };
    Embedder::new(Box::new(load_with(params, weights)?), pooling, weights)
};

/// What a file says about its model.
struct Qwen3Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Qwen3Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?.with_interleaved_axes(hyper)?;
        let pictures = hyper.picture_levels(sizes.n_layers)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        let config = ModelConfig { pictures, ..hyper.finish(kv_layout)? };
        Ok(Qwen3Params { config, sizes, attention, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    load_with(Qwen3Params::read(hyper)?, weights)
}

fn load_with(params: Qwen3Params, weights: &Weights) -> Result<Decoder, ModelError> {
    let Qwen3Params { config, sizes, attention, rope } = params;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let attention = attention.with_head_norms(weights, sizes.norm_eps)?;
        Block::load(weights, layer, &sizes, attention, Activation::Silu)
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
