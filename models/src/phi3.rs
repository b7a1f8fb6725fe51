//! Phi 3, 3.5 and 4 (mini and 14B).
//!
//! Blocks like llama's, with queries, keys and values from one matrix, and gates and what they multiply from another. The
//! models for 128 thousand tokens have two lists of factors for their rotary embedding, one for contexts up to the
//! original length and one for longer ones. Where the file has a window, all layers have it.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, GatedMlp, Network, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Phi3Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct Phi3Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Phi3Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams { window: read_window(hyper)?, ..AttentionParams::new(&sizes) };
        let rope = RopeParams::read_long(hyper, sizes.head_dim, 10_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Phi3Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// The window of all layers. Zero stands for none, and so does one that no context leaves.
pub(crate) fn read_window(hyper: &Hyper) -> Result<Option<u32>, ModelError> {
    let trained = hyper.size("context_length", usize::MAX)?;
    let window = hyper.opt_u32("attention.sliding_window")?.unwrap_or(0);
    Ok(Some(window).filter(|&window| window > 0 && (window as usize) < trained))
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Phi3Params { config, sizes, attention, rope } = Phi3Params::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let (prefix, inner) = (format!("blk.{layer}"), sizes.feed_forward);
        let mlp = GatedMlp::load_fused(weights, &prefix, sizes.hidden, inner, Activation::Silu)?;
        Block::new(weights, layer, &sizes, attention, Network::Mlp(mlp))
    };
    let rope = Rope::load_long(&rope, config.context_length, RopePairs::Halves, weights)?;
    Decoder::load(weights, config, &sizes, rope, block)
}
