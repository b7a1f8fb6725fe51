//! Qwen 3.5.
//!
//! Three of four blocks have linear attention by the gated delta rule; every fourth has grouped-query attention whose
//! results pass a gate that comes with the queries. A quarter of each head is turned. The file's last block may be one
//! that predicts further tokens ([`NextHead`]); its keys and values are the cache's last layer.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockNorms, Decoder, DeltaNet, GatedMlp, HeadSharing,
    LinearParams, Mixer, Network, NextHead, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Qwen35Params::read(hyper, SHARING)?.config),
    load: |h, w| Ok(Box::new(load(h, w)?)),
};

/// Its files have the heads of values in the order that makes them every so manieth.
pub(crate) const SHARING: HeadSharing = HeadSharing::Strided;
/// Blocks from one of full attention to the next, where the file does not list them.
const INTERVAL: usize = 4;

/// What a file says about its model, with experts or without.
pub(crate) struct Qwen35Params {
    pub(crate) config: ModelConfig,
    pub(crate) sizes: Sizes,
    attention: AttentionParams,
    delta_net: LinearParams,
    rope: RopeParams,
    /// Which blocks have linear attention.
    is_linear: Vec<bool>,
    /// Whether there is a head for further tokens.
    predicts: bool,
}

impl Qwen35Params {
    /// `sharing` says which heads of linear attention belong together.
    pub(crate) fn read(hyper: &Hyper, sharing: HeadSharing) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let delta_net = DeltaNet::read(hyper, sharing)?;
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000_000.0)?.with_interleaved_axes(hyper)?;
        let interval = hyper.opt_size("full_attention_interval", sizes.n_layers)?.unwrap_or(INTERVAL);
        let listed = hyper.opt_layer_flags("attention.recurrent_layers", sizes.n_blocks)?;
        let is_linear: Vec<bool> = (0..sizes.n_layers)
            .map(|layer| listed.as_ref().map_or((layer + 1) % interval != 0, |listed| listed[layer]))
            .collect();
        let kept = |&is_linear: &bool| if is_linear { delta_net.state() } else { attention.kv_shape() };
        let predicts = hyper.predicts(&sizes);
        let head = predicts.then(|| attention.kv_shape());
        let kv_layout = KvLayout { layers: is_linear.iter().map(kept).chain(head).collect() };
        let config = hyper.finish(kv_layout)?;
        Ok(Qwen35Params { config, sizes, attention, delta_net, rope, is_linear, predicts })
    }

    /// The model, whose networks are made by `network`.
    pub(crate) fn load(
        self,
        weights: &Weights,
        network: impl Fn(usize) -> Result<Network, ModelError>,
    ) -> Result<Decoder, ModelError> {
        let Qwen35Params { config, sizes, attention, delta_net, rope, is_linear, predicts } = self;
        let mixer = |layer: usize| {
            // The head's block, behind the others, has attention.
            if is_linear.get(layer) == Some(&true) {
                return Ok(Mixer::from(DeltaNet::load(
                    weights,
                    layer,
                    sizes.hidden,
                    delta_net,
                    sizes.norm_eps,
                )?));
            }
            let attention = Attention::load_gated(weights, layer, sizes.hidden, attention)?;
            Ok::<_, ModelError>(attention.with_head_norms(weights, sizes.norm_eps)?.into())
        };
        let block = |layer| {
            Block::with_norms(weights, layer, &sizes, BlockNorms::BETWEEN, mixer(layer)?, network(layer)?)
        };
        let next_head = match predicts {
            true => Some(NextHead::load(weights, &sizes, block(sizes.n_layers)?)?),
            false => None,
        };
        weights.ignore_blocks(sizes.n_layers + usize::from(predicts)..sizes.n_blocks);
        let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
        Ok(Decoder::load(weights, config, &sizes, rope, block)?.with_next_head(next_head))
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let params = Qwen35Params::read(hyper, SHARING)?;
    let (hidden, inner) = (params.sizes.hidden, params.sizes.feed_forward);
    params.load(weights, |layer| {
        let mlp = GatedMlp::load(weights, &format!("blk.{layer}"), hidden, inner, Activation::Silu)?;
        Ok(Network::Mlp(mlp))
    })
}
