//! GLM 4 (0414): 9B and 32B.
//!
//! Blocks with norms before and after attention and network, biases on queries, keys and values, and gates and what they
//! multiply from one matrix. The rotary embedding turns neighbours in the first half of each head.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockNorms, Decoder, GatedMlp, Network, Rope, RopePairs,
    RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Glm4Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct Glm4Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Glm4Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Glm4Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Glm4Params { config, sizes, attention, rope } = Glm4Params::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let (prefix, inner) = (format!("blk.{layer}"), sizes.feed_forward);
        let mlp = GatedMlp::load_fused(weights, &prefix, sizes.hidden, inner, Activation::Silu)?;
        Block::with_norms(weights, layer, &sizes, BlockNorms::AROUND, attention, Network::Mlp(mlp))
    };
    weights.ignore_blocks(sizes.n_layers..sizes.n_blocks);
    let rope = Rope::new(&rope, None, RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
