//! Nemotron-H and Nemotron 3, dense and with experts.
//!
//! Each block has one part: a Mamba-2 mixer; grouped-query attention, which knows no positions, where there are heads of
//! keys; or a network of squared rectifiers without gates, or experts of that kind, where there is a width. The sigmoids
//! of the router's outputs, with a bias while they are compared, choose and weigh experts.

use crate::hyper::{MAX_HEADS, MAX_WIDTH, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockRope, Decoder, ExpertParams, Experts, GatedMlp,
    LinearParams, Mamba2, Network, Part, Rope, RopePairs, RopeParams, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, LayerCache, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(NemotronHParams::read(hyper)?.config),
    load: |h, w| Ok(Box::new(load(h, w)?)),
};

/// What a file says about its model.
struct NemotronHParams {
    config: ModelConfig,
    sizes: Sizes,
    /// Of each block.
    parts: Vec<PartParams>,
    rope: RopeParams,
}

/// What a file says about a block.
enum PartParams {
    Mamba2(LinearParams),
    Attention(AttentionParams),
    /// A network of this width.
    Mlp(usize),
    Experts(ExpertParams),
}

impl NemotronHParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        // There is no norm but root-mean-square ones, whichever name its small number has.
        hyper.ignore("attention.layer_norm_epsilon");
        let sizes = hyper.sizes()?;
        let usual = AttentionParams::new(&sizes);
        let mamba = Mamba2::read(hyper)?;
        let experts = match hyper.opt_u32("expert_count")?.unwrap_or(0) {
            0 => None,
            _ => Some(read_experts(hyper)?),
        };
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        if hyper.opt_bool("rope.scaling.finetuned")? == Some(true) {
            let reason = "attention that knows positions is not supported in this family".to_owned();
            return Err(hyper.bad("rope.scaling.finetuned", reason));
        }
        let kv_heads = hyper.layer_numbers("attention.head_count_kv", sizes.n_layers, MAX_HEADS)?;
        let widths = hyper.layer_numbers("feed_forward_length", sizes.n_layers, MAX_WIDTH)?;
        let part = |(&n_kv_heads, &width): (&usize, &usize)| match (n_kv_heads, width, experts) {
            (0, 0, _) => PartParams::Mamba2(mamba),
            (0, _, Some(experts)) => PartParams::Experts(experts),
            (0, width, None) => PartParams::Mlp(width),
            _ => PartParams::Attention(AttentionParams { n_kv_heads, ..usual }),
        };
        let parts: Vec<_> = kv_heads.iter().zip(&widths).map(part).collect();
        let kept = |part: &PartParams| match part {
            PartParams::Mamba2(mamba) => mamba.state(),
            PartParams::Attention(attention) => attention.kv_shape(),
            PartParams::Mlp(_) | PartParams::Experts(_) => LayerCache::NOTHING,
        };
        let kv_layout = KvLayout { layers: parts.iter().map(kept).collect() };
        Ok(NemotronHParams { config: hyper.finish(kv_layout)?, sizes, parts, rope })
    }
}

fn read_experts(hyper: &Hyper) -> Result<ExpertParams, ModelError> {
    let experts = ExpertParams::read(hyper)?;
    let shared = hyper.opt_size("expert_shared_feed_forward_length", MAX_WIDTH)?;
    // The width above is that of all of them together.
    hyper.ignore("expert_shared_count");
    Ok(ExpertParams { routing: Routing::read(hyper, experts.count, Routing::SIGMOID)?, shared, ..experts })
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let NemotronHParams { config, sizes, parts, rope } = NemotronHParams::read(hyper)?;
    let (hidden, eps) = (sizes.hidden, sizes.norm_eps);
    let part = |layer: usize| {
        let prefix = format!("blk.{layer}");
        Ok::<_, ModelError>(match parts[layer] {
            PartParams::Mamba2(mamba) => {
                Part::Mixer(Mamba2::load(weights, layer, hidden, mamba, eps)?.into())
            }
            PartParams::Attention(attention) => {
                Part::Mixer(Attention::load(weights, layer, hidden, attention)?.into())
            }
            PartParams::Mlp(width) => {
                let mlp = GatedMlp::load(weights, &prefix, hidden, width, Activation::ReluSquared)?;
                Part::Network(Network::Mlp(mlp))
            }
            PartParams::Experts(experts) => {
                let experts = Experts::load(weights, &prefix, hidden, experts, Activation::ReluSquared)?;
                Part::Network(Network::Experts(experts))
            }
        })
    };
    let block =
        |layer| Ok(Block::of_one_part(weights, layer, &sizes, part(layer)?)?.with_rope(BlockRope::None));
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
