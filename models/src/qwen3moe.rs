//! Qwen3 with experts: 30B-A3B, 235B-A22B, Coder, and VL.
//!
//! Blocks like those of Qwen3, each of whose networks is a choice among many small ones. The weights of the chosen
//! experts sum to 1; the files have no key for that.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, Network, Rope, RopePairs,
    RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Qwen3MoeParams::read(hyper)?.config),
    load: |h, w| Ok(Box::new(load(h, w)?)),
};

/// What a file says about its model.
struct Qwen3MoeParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: ExpertParams,
    rope: RopeParams,
}

impl Qwen3MoeParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?.with_interleaved_axes(hyper)?;
        let pictures = hyper.picture_levels(sizes.n_layers)?;
        let experts = ExpertParams::read(hyper)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        let config = ModelConfig { pictures, ..hyper.finish(kv_layout)? };
        Ok(Qwen3MoeParams { config, sizes, attention, experts, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Qwen3MoeParams { config, sizes, attention, experts, rope } = Qwen3MoeParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let attention = attention.with_head_norms(weights, sizes.norm_eps)?;
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::Silu)?;
        Block::new(weights, layer, &sizes, attention, Network::Experts(experts))
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
