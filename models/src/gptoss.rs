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

/// Every how manieth layer looks at everything, where the file does not say.
const DEFAULT_PATTERN: usize = 2;

/// What a file says about its model.
struct GptOssParams {
    config: ModelConfig,
    sizes: Sizes,
    /// Attention of each layer.
    attention: Vec<AttentionParams>,
    experts: ExpertParams,
    rope: RopeParams,
}

impl GptOssParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::with_windows(hyper, &sizes, DEFAULT_PATTERN)?;
        let mut rope = RopeParams::read(hyper, sizes.head_dim, 150_000.0)?;
        if let RopeScaling::Yarn(yarn) = &mut rope.scaling {
            yarn.whole_pairs = false;
        }
        let experts = ExpertParams::read(hyper)?;
        let layers = attention.iter().map(AttentionParams::kv_shape).collect();
        let config = hyper.finish(KvLayout { layers })?;
        Ok(GptOssParams { config, sizes, attention, experts, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let GptOssParams { config, sizes, attention, experts, rope } = GptOssParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention[layer])?;
        let attention = attention.with_sinks(weights)?;
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::ClampedSwiglu)?;
        Block::with_norms(weights, layer, &sizes, BlockNorms::BETWEEN, attention, Network::Experts(experts))
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
