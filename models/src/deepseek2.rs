//! DeepSeek V2, V3 and R1, and models of their kind: Kimi K2, GigaChat 3, GLM 4.7 Flash.
//!
//! Attention over latent vectors. The first blocks have plain networks, the others experts beside one that every row
//! passes; the file says how they are chosen. Where contexts are stretched with YaRN, scores grow instead of cosines and
//! sines. Blocks behind the last predict further tokens; plain generation does without them. Files whose matrix for keys
//! and values is in one piece are from before 2025 and are refused by the tensor they lack.

use crate::hyper::{MAX_WIDTH, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, GatedMlp, LatentParams,
    Network, Rope, RopePairs, RopeParams, RopeScaling, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(DeepSeek2Params::read(hyper)?.config),
    load: |h, w| Ok(Box::new(load(h, w)?)),
};

/// What a file says about its model.
struct DeepSeek2Params {
    config: ModelConfig,
    sizes: Sizes,
    latent: LatentParams,
    attention: AttentionParams,
    experts: ExpertParams,
    /// Blocks before the first with experts.
    dense_blocks: usize,
    rope: RopeParams,
}

impl DeepSeek2Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        // What the file calls keys and values are the latent vectors.
        let kept = hyper.size("attention.key_length", MAX_WIDTH)?;
        let sizes = hyper.sizes_with_heads(kept)?;
        let (latent, rope, scale) = read_attention(hyper, &sizes)?;
        let attention = latent.attention(scale);
        let experts = ExpertParams::read(hyper)?;
        let experts = ExpertParams {
            routing: Routing::read(hyper, experts.count, Routing::SOFTMAX_OF_ALL)?,
            shared: experts.read_shared(hyper)?,
            ..experts
        };
        let dense_blocks = hyper.opt_u32("leading_dense_block_count")?.unwrap_or(0) as usize;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        let config = hyper.finish(kv_layout)?;
        Ok(DeepSeek2Params { config, sizes, latent, attention, experts, dense_blocks, rope })
    }
}

/// The sizes of attention, its rotary embedding, and the factor of its scores.
fn read_attention(hyper: &Hyper, sizes: &Sizes) -> Result<(LatentParams, RopeParams, f32), ModelError> {
    const KEY: &str = "attention.key_length_mla";
    let size = |key: &str| hyper.size(key, MAX_WIDTH);
    let (vector, key) = (size("attention.kv_lora_rank")?, size(KEY)?);
    let mut rope = RopeParams::read(hyper, key, 10_000.0)?;
    let turned = rope.dims;
    if turned >= key || sizes.head_dim != vector + turned || size("attention.value_length")? != vector {
        let kept = sizes.head_dim;
        let reason = format!("keys of {key} with {turned} turned, latent vectors of {vector}, {kept} kept");
        return Err(hyper.bad(KEY, reason));
    }
    let mut scale = 1.0 / (key as f32).sqrt();
    if let RopeScaling::Yarn(yarn) = &mut rope.scaling
        && let Some(growth) = hyper.opt_f32("rope.scaling.yarn_log_multiplier")?
    {
        // The converter has taken the tenth of YaRN's usual growth into the multiplier.
        let growth = 1.0 + growth * yarn.factor.max(1.0).ln();
        scale *= growth * growth;
        yarn.magnitude = 1.0;
    }
    let latent = LatentParams {
        n_heads: sizes.n_heads,
        still: key - turned,
        turned,
        value: size("attention.value_length_mla")?,
        latent: vector,
        query_latent: hyper.opt_size("attention.q_lora_rank", MAX_WIDTH)?,
        norm_eps: sizes.norm_eps,
    };
    Ok((latent, rope, scale))
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let DeepSeek2Params { config, sizes, latent, attention, experts, dense_blocks, rope } =
        DeepSeek2Params::read(hyper)?;
    let network = |layer: usize| {
        let (prefix, hidden, inner) = (format!("blk.{layer}"), sizes.hidden, sizes.feed_forward);
        Ok::<_, ModelError>(match layer < dense_blocks {
            true => Network::Mlp(GatedMlp::load(weights, &prefix, hidden, inner, Activation::Silu)?),
            false => Network::Experts(Experts::load(weights, &prefix, hidden, experts, Activation::Silu)?),
        })
    };
    let block = |layer: usize| {
        let attention = Attention::load_latent(weights, layer, sizes.hidden, attention, latent)?;
        Block::new(weights, layer, &sizes, attention, network(layer)?)
    };
    weights.ignore_blocks(sizes.n_layers..sizes.n_blocks);
    let rope = Rope::new(&rope, None, RopePairs::Neighbours, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
