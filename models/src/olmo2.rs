//! OLMo 2, and OLMo 3, whose files have the same name.
//!
//! Norms come after attention and network instead of before, and queries and keys are normed over all heads together.
//! OLMo 3 has a window in three of four layers; only the others are stretched with YaRN.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockNorms, BlockRope, Decoder, GatedMlp, Network, Rope,
    RopePairs, RopeParams, RopeScaling,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Olmo2Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// Every how manieth layer looks at everything, where there is a window and the file does not say.
const DEFAULT_PATTERN: usize = 4;

/// What a file says about its model.
struct Olmo2Params {
    config: ModelConfig,
    sizes: Sizes,
    /// Attention of each layer.
    attention: Vec<AttentionParams>,
    rope: RopeParams,
    /// Of layers with a window.
    local_rope: RopeParams,
}

impl Olmo2Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = match hyper.opt_u32("attention.sliding_window")?.unwrap_or(0) {
            0 => vec![AttentionParams::new(&sizes); sizes.n_layers],
            _ => AttentionParams::with_windows(hyper, &sizes, DEFAULT_PATTERN)?,
        };
        let rope = RopeParams::read(hyper, sizes.head_dim, 500_000.0)?;
        let base = hyper.opt_positive("rope.freq_base_swa")?.unwrap_or(rope.base);
        let local_rope = RopeParams { base, scaling: RopeScaling::None, ..rope.clone() };
        let layers = attention.iter().map(AttentionParams::kv_shape).collect();
        Ok(Olmo2Params { config: hyper.finish(KvLayout { layers })?, sizes, attention, rope, local_rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Olmo2Params { config, sizes, attention, rope, local_rope } = Olmo2Params::read(hyper)?;
    let block = |layer: usize| {
        let (params, prefix) = (attention[layer], format!("blk.{layer}"));
        let attention = Attention::load(weights, layer, sizes.hidden, params)?;
        let attention = attention.with_row_norms(weights, sizes.norm_eps)?;
        let mlp = GatedMlp::load(weights, &prefix, sizes.hidden, sizes.feed_forward, Activation::Silu)?;
        let network = Network::Mlp(mlp);
        let block = Block::with_norms(weights, layer, &sizes, BlockNorms::AFTER, attention, network)?;
        Ok(block.with_rope(if params.window.is_some() { BlockRope::Local } else { BlockRope::Usual }))
    };
    let turned = |rope: &RopeParams| Rope::new(rope, None, RopePairs::Halves, weights.split());
    Ok(Decoder::load(weights, config, &sizes, turned(&rope), block)?.with_local_rope(turned(&local_rope)))
}
