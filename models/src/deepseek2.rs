//! DeepSeek V2, V3 and R1, and models of their kind: Kimi K2, GigaChat 3, GLM 4.7 Flash.
//!
//! Attention over latent vectors. The first blocks have plain networks, the others experts beside one that every row
//! passes; the file says how they are chosen. Where contexts are stretched with YaRN, scores grow instead of cosines and
//! sines. Blocks behind the last predict further tokens; plain generation does without them. Files from before 2025 have
//! one matrix for keys and values, which is taken apart, and call keys and values what a head's are.

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
        let heads = HeadSizes::read(hyper)?;
        let sizes = hyper.sizes_with_heads(heads.key)?;
        let (latent, rope, scale) = read_attention(hyper, &sizes, &heads)?;
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

const KEY: &str = "attention.key_length";
const KEY_OF_HEAD: &str = "attention.key_length_mla";

/// Numbers of a head's key and value, and of a latent vector.
struct HeadSizes {
    key: usize,
    value: usize,
    latent: usize,
    /// What newer files call keys and values: what is kept for all heads.
    kept: Option<(usize, usize)>,
}

impl HeadSizes {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let size = |key: &str| hyper.size(key, MAX_WIDTH);
        let (key, value) = (size(KEY)?, size("attention.value_length")?);
        let latent = size("attention.kv_lora_rank")?;
        Ok(match hyper.opt_size(KEY_OF_HEAD, MAX_WIDTH)? {
            None => HeadSizes { key, value, latent, kept: None },
            Some(of_head) => HeadSizes {
                key: of_head,
                value: size("attention.value_length_mla")?,
                latent,
                kept: Some((key, value)),
            },
        })
    }

    /// Refuses what does not fit `turned` numbers of a key that are turned.
    fn check(&self, hyper: &Hyper, turned: usize) -> Result<(), ModelError> {
        let HeadSizes { key, latent, kept, .. } = *self;
        if turned < key && kept.is_none_or(|kept| kept == (latent + turned, latent)) {
            return Ok(());
        }
        let reason = format!("keys of {key} with {turned} turned, latent vectors of {latent}, {kept:?} kept");
        Err(hyper.bad(if kept.is_some() { KEY_OF_HEAD } else { KEY }, reason))
    }
}

/// The sizes of attention, its rotary embedding, and the factor of its scores.
fn read_attention(
    hyper: &Hyper,
    sizes: &Sizes,
    heads: &HeadSizes,
) -> Result<(LatentParams, RopeParams, f32), ModelError> {
    let HeadSizes { key, value, latent, .. } = *heads;
    let mut rope = RopeParams::read(hyper, key, 10_000.0)?;
    let turned = rope.dims;
    heads.check(hyper, turned)?;
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
        value,
        latent,
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
