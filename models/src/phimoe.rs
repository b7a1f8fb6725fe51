//! Phi 3.5 with experts.
//!
//! Blocks like Phi 3's with layer norms, a bias on everything but the experts, and queries, keys and values apart. The two
//! experts of a row are chosen one after the other (SparseMixer). The rotary embedding has two lists of factors.

use super::phi3::read_window;
use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, Network, NormKind, Rope,
    RopePairs, RopeParams, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(PhiMoeParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct PhiMoeParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: ExpertParams,
    rope: RopeParams,
}

impl PhiMoeParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = Sizes { norm_kind: NormKind::Layer, ..hyper.sizes()? };
        let attention = AttentionParams { window: read_window(hyper)?, ..AttentionParams::new(&sizes) };
        let rope = RopeParams::read_long(hyper, sizes.head_dim, 10_000.0)?;
        let experts = ExpertParams {
            routing: Routing::ONE_BY_ONE,
            ..ExpertParams::read_of_width(hyper, sizes.feed_forward)?
        };
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(PhiMoeParams { config: hyper.finish(kv_layout)?, sizes, attention, experts, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let PhiMoeParams { config, sizes, attention, experts, rope } = PhiMoeParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::Silu)?;
        Block::new(weights, layer, &sizes, attention, Network::Experts(experts))
    };
    let rope = Rope::load_long(&rope, config.context_length, RopePairs::Halves, weights)?;
    Decoder::load(weights, config, &sizes, rope, block)
}
