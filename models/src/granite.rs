//! Granite 3 and 4, dense, with experts, and with Mamba-2 in the place of attention where a block has no heads of keys.
//!
//! Blocks like llama's with four factors: of embeddings, of what attention and network add, of attention's scores, and a
//! divisor of logits. Models with experts may have one that every row passes. Where the file calls its rotary embedding
//! not tuned, there is none.

use crate::hyper::{MAX_HEADS, MAX_WIDTH, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockRope, Decoder, ExpertParams, Experts, GatedMlp,
    LinearParams, Mamba2, Mixer, Network, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(GraniteParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct GraniteParams {
    config: ModelConfig,
    sizes: Sizes,
    /// Of each block.
    mixers: Vec<MixerParams>,
    experts: Option<ExpertParams>,
    rope: RopeParams,
    block_rope: BlockRope,
    embedding_scale: f32,
    residual_scale: Option<f32>,
    logit_divisor: f32,
}

/// What brings in what is known of other tokens.
enum MixerParams {
    Attention(AttentionParams),
    Mamba2(LinearParams),
}

impl GraniteParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let usual = AttentionParams::new(&sizes);
        let scale = hyper.opt_positive("attention.scale")?.unwrap_or(usual.scale);
        let kv_heads = hyper.layer_numbers("attention.head_count_kv", sizes.n_layers, MAX_HEADS)?;
        let mamba = if kv_heads.contains(&0) { Some(Mamba2::read(hyper)?) } else { None };
        if mamba.is_none() {
            // Granite 4 has one configuration for all its models, and files say what a mixer would be like.
            Mamba2::ignore(hyper);
        }
        let mixer = |&n_kv_heads: &usize| match mamba {
            Some(mamba) if n_kv_heads == 0 => MixerParams::Mamba2(mamba),
            _ => MixerParams::Attention(AttentionParams { n_kv_heads, scale, ..usual }),
        };
        let mixers: Vec<_> = kv_heads.iter().map(mixer).collect();
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let turns = hyper.opt_bool("rope.scaling.finetuned")?.unwrap_or(true);
        let experts = match hyper.opt_u32("expert_count")?.unwrap_or(0) {
            0 => {
                // What every row passes is the network then.
                hyper.ignore("expert_used_count");
                hyper.ignore("expert_shared_feed_forward_length");
                None
            }
            _ => Some(ExpertParams {
                shared: hyper.opt_size("expert_shared_feed_forward_length", MAX_WIDTH)?,
                ..ExpertParams::read_of_width(hyper, sizes.feed_forward)?
            }),
        };
        let kept = |mixer: &MixerParams| match mixer {
            MixerParams::Attention(attention) => attention.kv_shape(),
            MixerParams::Mamba2(mamba) => mamba.state(),
        };
        let kv_layout = KvLayout { layers: mixers.iter().map(kept).collect() };
        Ok(GraniteParams {
            embedding_scale: hyper.opt_positive("embedding_scale")?.unwrap_or(1.0),
            residual_scale: hyper.opt_positive("residual_scale")?,
            logit_divisor: hyper.opt_positive("logit_scale")?.unwrap_or(1.0),
            config: hyper.finish(kv_layout)?,
            block_rope: if turns { BlockRope::Usual } else { BlockRope::None },
            sizes,
            mixers,
            experts,
            rope,
        })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let params = GraniteParams::read(hyper)?;
    let sizes = params.sizes;
    let network = |prefix: &str| {
        let (hidden, inner) = (sizes.hidden, sizes.feed_forward);
        Ok::<_, ModelError>(match params.experts {
            Some(experts) => {
                Network::Experts(Experts::load(weights, prefix, hidden, experts, Activation::Silu)?)
            }
            None => Network::Mlp(GatedMlp::load(weights, prefix, hidden, inner, Activation::Silu)?),
        })
    };
    let mixer = |layer: usize| match params.mixers[layer] {
        MixerParams::Attention(attention) => {
            Attention::load(weights, layer, sizes.hidden, attention).map(Mixer::from)
        }
        MixerParams::Mamba2(mamba) => {
            Mamba2::load(weights, layer, sizes.hidden, mamba, sizes.norm_eps).map(Mixer::from)
        }
    };
    let block = |layer| {
        let block = Block::new(weights, layer, &sizes, mixer(layer)?, network(&format!("blk.{layer}"))?)?;
        Ok(block.with_rope(params.block_rope).with_residual_scale(params.residual_scale))
    };
    let rope = Rope::new(&params.rope, None, RopePairs::Neighbours, weights.split());
    let decoder = Decoder::load(weights, params.config, &sizes, rope, block)?;
    let decoder = decoder.with_embedding_scale(params.embedding_scale);
    Ok(decoder.with_head(|head| head.with_scale(1.0 / params.logit_divisor)))
}
