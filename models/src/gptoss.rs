//! gpt-oss: 20B and 120B.
//!
//! Pre-norm blocks with biases everywhere. Every other layer, the first among them, looks back over a window. Each query
//! head has a sink: one more score, which takes its share of the weights and has no value. Networks are experts with
//! biases and a clamped gate. Contexts are stretched with YaRN, whose transition the authors' code does not round to
//! whole pairs; files say nothing about that.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockNorms, Decoder, ExpertParams, Experts, Network, Rope,
    RopePairs, RopeParams, RopeScaling,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(GptOssParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// The norm before the experts has a name of its own.
const NORMS: BlockNorms = BlockNorms { network: Some("post_attention_norm"), ..BlockNorms::BEFORE };

/// What a file says about its model.
struct GptOssParams {
    config: ModelConfig,
    sizes: Sizes,
    /// Attention of the even layers, which have a window.
    local: AttentionParams,
    experts: ExpertParams,
    rope: RopeParams,
}

impl GptOssParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let window = hyper.size("attention.sliding_window", u32::MAX as usize)? as u32;
        let local = AttentionParams { window: Some(window), ..AttentionParams::new(&sizes) };
        let mut rope = RopeParams::read(hyper, sizes.head_dim, 150_000.0)?;
        if let RopeScaling::Yarn(yarn) = &mut rope.scaling {
            yarn.whole_pairs = false;
        }
        let experts = ExpertParams::read(hyper)?;
        let layers = (0..sizes.n_layers).map(|layer| attention(local, layer).kv_shape()).collect();
        let config = hyper.finish(KvLayout { layers })?;
        Ok(GptOssParams { config, sizes, local, experts, rope })
    }
}

/// Attention of a layer.
fn attention(local: AttentionParams, layer: usize) -> AttentionParams {
    AttentionParams { window: local.window.filter(|_| layer.is_multiple_of(2)), ..local }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let GptOssParams { config, sizes, local, experts, rope } = GptOssParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention(local, layer))?;
        let attention = attention.with_sinks(weights)?;
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::ClampedSwiglu)?;
        Block::with_norms(weights, layer, &sizes, NORMS, attention, Network::Experts(experts))
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
