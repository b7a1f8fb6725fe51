//! SmolLM 3.
//!
//! Blocks like llama's; every fourth is told no positions at all. The files have no key for that.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockRope, Decoder, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(SmolLm3Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// Every how manieth block has no rotary embedding.
const WITHOUT_ROPE: usize = 4;

/// What a file says about its model.
struct SmolLm3Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl SmolLm3Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 5_000_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(SmolLm3Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let SmolLm3Params { config, sizes, attention, rope } = SmolLm3Params::read(hyper)?;
    let block = |layer: usize| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let block = Block::load(weights, layer, &sizes, attention, Activation::Silu)?;
        let without = (layer + 1).is_multiple_of(WITHOUT_ROPE);
        Ok(block.with_rope(if without { BlockRope::None } else { BlockRope::Usual }))
    };
    let rope = Rope::new(&rope, None, RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
