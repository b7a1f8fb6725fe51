//! The llama family: Llama 1 to 3.x, Mistral 7B, SmolLM 1 and 2, TinyLlama, Yi, and others that were converted under
//! the same name.
//!
//! Pre-norm blocks of grouped-query attention and a gated SiLU network. Queries and keys of these files are permuted so
//! that the rotary embedding turns neighbours. Llama 3's stretched frequencies come as the tensor `rope_freqs`.
//! Mixtral's experts and the sliding window of Mistral v0.1 are not implemented; files that ask for them are refused.

use crate::hyper::Sizes;
use crate::layers::{Activation, Attention, AttentionParams, Block, Decoder, Rope, RopePairs, RopeParams};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(LlamaParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct LlamaParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl LlamaParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        hyper.require_zero("expert_count")?;
        hyper.require_zero("expert_used_count")?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(LlamaParams { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let LlamaParams { config, sizes, attention, rope } = LlamaParams::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        Block::load(weights, layer, &sizes, attention, Activation::Silu)
    };
    let divisors = weights.opt_vector("rope_freqs.weight", rope.dims / 2)?;
    let rope = Rope::new(&rope, divisors.as_deref(), RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
