//! Qwen1.5 and Qwen2 with experts: A2.7B, 57B-A14B.
//!
//! Blocks like those of Qwen2, each of whose networks is a choice among many small ones beside one that every row passes,
//! of which the row lets through its own share. The weights of the chosen experts are their shares of all.

use crate::hyper::{MAX_WIDTH, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, Network, Rope, RopePairs,
    RopeParams, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Qwen2MoeParams::read(hyper)?.config),
    load: |h, w| Ok(Box::new(load(h, w)?)),
};

/// What a file says about its model.
struct Qwen2MoeParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: ExpertParams,
    rope: RopeParams,
}

impl Qwen2MoeParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?;
        let shared = hyper.opt_size("expert_shared_feed_forward_length", MAX_WIDTH)?;
        let experts = ExpertParams {
            routing: Routing::SOFTMAX_OF_ALL,
            shared: Some(shared.unwrap_or(sizes.feed_forward)),
            ..ExpertParams::read(hyper)?
        };
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Qwen2MoeParams { config: hyper.finish(kv_layout)?, sizes, attention, experts, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Qwen2MoeParams { config, sizes, attention, experts, rope } = Qwen2MoeParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::Silu)?;
        Block::new(weights, layer, &sizes, attention, Network::Experts(experts))
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
