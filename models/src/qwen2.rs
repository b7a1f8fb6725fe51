//! Qwen2 and Qwen2.5, with their Coder and Math variants.
//!
//! Pre-norm blocks like llama's, with biases on queries, keys and values, and a rotary embedding that turns halves.
//! Long contexts are stretched with YaRN where the file asks for it.

use crate::hyper::Sizes;
use crate::layers::{Activation, Attention, AttentionParams, Block, Decoder, Rope, RopePairs, RopeParams};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Qwen2Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct Qwen2Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Qwen2Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Qwen2Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Qwen2Params { config, sizes, attention, rope } = Qwen2Params::read(hyper)?;
    let block = |layer| {
        // The biases of queries, keys and values are found beside their weights.
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        Block::load(weights, layer, &sizes, attention, Activation::Silu)
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
