//! LFM2, dense and with experts.
//!
//! Most blocks have a gated short convolution; those with heads of keys have grouped-query attention with norms over each
//! head. Models with experts have plain networks in their first blocks; behind them the sigmoids of the router's outputs,
//! with a bias while they are compared, choose and weigh experts.

use crate::hyper::{MAX_HEADS, Sizes};
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Decoder, ExpertParams, Experts, GatedConv, GatedMlp,
    Mixer, Network, Rope, RopePairs, RopeParams, Routing,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Lfm2Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// What a file says about its model.
struct Lfm2Params {
    config: ModelConfig,
    sizes: Sizes,
    /// Of each block; `None` for a convolution.
    attention: Vec<Option<AttentionParams>>,
    /// Tokens that a convolution sees.
    taps: usize,
    rope: RopeParams,
    experts: Option<ExpertParams>,
    /// Blocks before the first with experts.
    dense_blocks: usize,
}

impl Lfm2Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let window =
            hyper.opt_size("attention.sliding_window", u32::MAX as usize)?.map(|window| window as u32);
        let usual = AttentionParams { window, ..AttentionParams::new(&sizes) };
        let kv_heads = hyper.layer_numbers("attention.head_count_kv", sizes.n_layers, MAX_HEADS)?;
        let of_layer =
            |&n_kv_heads: &usize| (n_kv_heads > 0).then_some(AttentionParams { n_kv_heads, ..usual });
        let attention: Vec<_> = kv_heads.iter().map(of_layer).collect();
        let taps = GatedConv::read_taps(hyper)?;
        let kept = |attention: &Option<AttentionParams>| {
            attention.map_or(GatedConv::state(taps, sizes.hidden), |attention| attention.kv_shape())
        };
        let kv_layout = KvLayout { layers: attention.iter().map(kept).collect() };
        let experts = match hyper.opt_u32("expert_count")?.unwrap_or(0) {
            0 => None,
            _ => {
                let experts = ExpertParams::read(hyper)?;
                let routing = Routing::read(hyper, experts.count, Routing::SIGMOID)?;
                Some(ExpertParams { routing, ..experts })
            }
        };
        let dense_blocks = hyper.opt_u32("leading_dense_block_count")?.unwrap_or(0) as usize;
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?;
        let config = hyper.finish(kv_layout)?;
        Ok(Lfm2Params { config, sizes, attention, taps, rope, experts, dense_blocks })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Lfm2Params { config, sizes, attention, taps, rope, experts, dense_blocks } = Lfm2Params::read(hyper)?;
    let mixer = |layer: usize| {
        let Some(attention) = attention[layer] else {
            return Ok(Mixer::from(GatedConv::load(weights, layer, sizes.hidden, taps)?));
        };
        let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
        Ok::<_, ModelError>(attention.with_head_norms(weights, sizes.norm_eps)?.into())
    };
    let network = |layer: usize| {
        let (prefix, hidden, inner) = (format!("blk.{layer}"), sizes.hidden, sizes.feed_forward);
        Ok::<_, ModelError>(match experts.filter(|_| layer >= dense_blocks) {
            Some(experts) => {
                Network::Experts(Experts::load(weights, &prefix, hidden, experts, Activation::Silu)?)
            }
            None => Network::Mlp(GatedMlp::load(weights, &prefix, hidden, inner, Activation::Silu)?),
        })
    };
    let block = |layer| Block::new(weights, layer, &sizes, mixer(layer)?, network(layer)?);
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    Decoder::load(weights, config, &sizes, rope, block)
}
