//! GLM 4.5 and 4.6, Air and full size.
//!
//! Pre-norm blocks with biases on queries, keys and values; the larger ones norm each head of queries and keys. The first
//! blocks have plain networks, the others experts beside one that every row passes: the sigmoids of the router's outputs,
//! with a bias while they are compared, choose and weigh them. Half of each head is turned. The file's last block
//! predicts further tokens; plain generation does without it.

use crate::hyper::{MAX_LAYERS, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockNorms, Decoder, ExpertParams, Experts, GatedMlp,
    Network, Rope, RopePairs, RopeParams, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Glm4MoeParams::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct Glm4MoeParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: ExpertParams,
    /// Blocks before the first with experts.
    dense_blocks: usize,
    rope: RopeParams,
}

impl Glm4MoeParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let experts = ExpertParams::read(hyper)?;
        let experts = ExpertParams {
            routing: Routing::read(hyper, experts.count, Routing::SIGMOID)?,
            shared: experts.read_shared(hyper)?,
            ..experts
        };
        let dense_blocks = hyper.opt_u32("leading_dense_block_count")?.unwrap_or(0) as usize;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        let config = hyper.finish(kv_layout)?;
        Ok(Glm4MoeParams {
            config,
            sizes,
            attention,
            experts,
            dense_blocks: dense_blocks.min(MAX_LAYERS),
            rope,
        })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Glm4MoeParams { config, sizes, attention, experts, dense_blocks, rope } = Glm4MoeParams::read(hyper)?;
    let network = |layer: usize| {
        let (prefix, hidden, inner) = (format!("blk.{layer}"), sizes.hidden, sizes.feed_forward);
        Ok::<_, ModelError>(match layer < dense_blocks {
            true => Network::Mlp(GatedMlp::load(weights, &prefix, hidden, inner, Activation::Silu)?),
            false => Network::Experts(Experts::load(weights, &prefix, hidden, experts, Activation::Silu)?),
        })
    };
    let block = |layer: usize| {
        let mut attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        if weights.has(&format!("blk.{layer}.attn_q_norm.weight")) {
            attention = attention.with_head_norms(weights, sizes.norm_eps)?;
        }
        Block::with_norms(weights, layer, &sizes, BlockNorms::BETWEEN, attention, network(layer)?)
    };
    weights.ignore_blocks(sizes.n_layers..sizes.n_blocks);
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
