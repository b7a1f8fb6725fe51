//! OLMoE: 1B-7B.
//!
//! Blocks like Qwen3's with experts, but queries and keys are normed over all heads together, and the weights of the
//! chosen experts are their shares of all.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, Network, Rope, RopePairs,
    RopeParams, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(OlmoeParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct OlmoeParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: ExpertParams,
    rope: RopeParams,
}

impl OlmoeParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let experts = ExpertParams {
            routing: Routing::SOFTMAX_OF_ALL,
            ..ExpertParams::read_of_width(hyper, sizes.feed_forward)?
        };
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(OlmoeParams { config: hyper.finish(kv_layout)?, sizes, attention, experts, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let OlmoeParams { config, sizes, attention, experts, rope } = OlmoeParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let attention = attention.with_row_norms(weights, sizes.norm_eps)?;
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::Silu)?;
        Block::new(weights, layer, &sizes, attention, Network::Experts(experts))
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
