//! Ministral 3 and other Mistral models of its kind.
//!
//! Blocks like llama's. Contexts are stretched with YaRN, and queries grow slowly with their position, one step for each
//! length of the unstretched context (Llama 4's temperature).

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, QueryScale, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Mistral3Params::read(hyper)?.config),
    load: |h, w| Ok(Box::new(load(h, w)?)),
};

/// What a file says about its model.
struct Mistral3Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Mistral3Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let slope = hyper.opt_f32("attention.temperature_scale")?.filter(|&slope| slope != 0.0);
        let query_scale = |slope| {
            let step = hyper.size("rope.scaling.original_context_length", u32::MAX as usize)? as u32;
            Ok::<_, ModelError>(QueryScale { slope, step })
        };
        let attention = AttentionParams {
            query_scale: slope.map(query_scale).transpose()?,
            ..AttentionParams::new(&sizes)
        };
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Mistral3Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Mistral3Params { config, sizes, attention, rope } = Mistral3Params::read(hyper)?;
    let block = |layer| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        Block::load(weights, layer, &sizes, attention, Activation::Silu)
    };
    let rope = Rope::new(&rope, None, RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
