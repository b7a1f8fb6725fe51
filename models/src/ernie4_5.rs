//! ERNIE 4.5, text only: dense, and with experts in all blocks but the first ones.
//!
//! Blocks like llama's. Experts are chosen by the softmax of the router's outputs with a bias that does not count as they
//! are weighed; where the file has a width for it, there is one more that every row passes.

use crate::hyper::{MAX_LAYERS, MAX_WIDTH, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, GatedMlp, Network, Rope,
    RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Ernie45Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// The architecture that has experts.
const WITH_EXPERTS: &str = "ernie4_5-moe";

/// What a file says about its model.
struct Ernie45Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: Option<ExpertBlocks>,
    rope: RopeParams,
}

/// Experts, and which blocks have them.
#[derive(Debug, Clone, Copy)]
struct ExpertBlocks {
    params: ExpertParams,
    /// The first blocks have none.
    first: usize,
    /// Of the others every so manieth has some.
    step: usize,
}

impl Ernie45Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 500_000.0)?;
        let has_experts = hyper.architecture() == WITH_EXPERTS;
        let experts = if has_experts { Some(ExpertBlocks::read(hyper)?) } else { None };
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Ernie45Params { config: hyper.finish(kv_layout)?, sizes, attention, experts, rope })
    }
}

impl ExpertBlocks {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        // How many experts the shared one was made of says no more than its width.
        hyper.opt_u32("expert_shared_count")?;
        Ok(ExpertBlocks {
            params: ExpertParams {
                shared: hyper.opt_size("expert_shared_feed_forward_length", MAX_WIDTH)?,
                ..ExpertParams::read(hyper)?
            },
            first: hyper.opt_u32("leading_dense_block_count")?.unwrap_or(0) as usize,
            step: hyper.opt_size("interleave_moe_layer_step", MAX_LAYERS)?.unwrap_or(1),
        })
    }

    fn are_in(&self, layer: usize) -> bool {
        layer >= self.first && (layer + 1).is_multiple_of(self.step)
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Ernie45Params { config, sizes, attention, experts, rope } = Ernie45Params::read(hyper)?;
    let network = |layer: usize| {
        let (prefix, hidden, inner) = (format!("blk.{layer}"), sizes.hidden, sizes.feed_forward);
        Ok::<_, ModelError>(match experts.filter(|experts| experts.are_in(layer)) {
            Some(ExpertBlocks { params, .. }) => {
                Network::Experts(Experts::load(weights, &prefix, hidden, params, Activation::Silu)?)
            }
            None => Network::Mlp(GatedMlp::load(weights, &prefix, hidden, inner, Activation::Silu)?),
        })
    };
    let block = |layer: usize| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        Block::new(weights, layer, &sizes, attention, network(layer)?)
    };
    let rope = Rope::new(&rope, None, RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
