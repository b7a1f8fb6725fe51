//! The llama family: Llama 1 to 3.x, Mistral 7B, Mixtral, SmolLM 1 and 2, TinyLlama, Yi, and others that were converted
//! under the same name.
//!
//! Pre-norm blocks of grouped-query attention and a gated SiLU network. Queries and keys of these files are permuted so
//! that the rotary embedding turns neighbours. Llama 3's stretched frequencies come as the tensor `rope_freqs`.
//! Mixtral's networks are experts. The sliding window of Mistral v0.1 is not in its files; files that ask for one are
//! refused.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, Network, Rope, RopePairs,
    RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(LlamaParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct LlamaParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: Option<ExpertParams>,
    rope: RopeParams,
}

impl LlamaParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let experts = match hyper.opt_u32("expert_count")?.unwrap_or(0) {
            0 => {
                hyper.require_zero("expert_used_count")?;
                None
            }
            _ => Some(ExpertParams::read_of_width(hyper, sizes.feed_forward)?),
        };
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(LlamaParams { config: hyper.finish(kv_layout)?, sizes, attention, experts, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let LlamaParams { config, sizes, attention, experts, rope } = LlamaParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        let Some(experts) = experts else {
            return Block::load(weights, layer, &sizes, attention, Activation::Silu);
        };
        let prefix = format!("blk.{layer}");
        let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::Silu)?;
        Block::new(weights, layer, &sizes, attention, Network::Experts(experts))
    };
    let divisors = weights.opt_vector("rope_freqs.weight", rope.dims / 2)?;
    let rope = Rope::new(&rope, divisors.as_deref(), RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
