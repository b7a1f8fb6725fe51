//! Gemma 2: 2B, 9B and 27B.
//!
//! Blocks with norms before and after attention and network, and a gated GELU network. Scores and logits are squeezed by
//! a cap. Every other layer, the first among them, looks back over a window. Embeddings are scaled by the root of the
//! width. The converter has added the 1 of Gemma's norms to their weights already.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, BlockNorms, Decoder, GatedMlp, Network, Rope, RopePairs,
    RopeParams,
};
use crate::registry::Family;
use crate::{Hyper, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family =
    Family { config: |hyper| Ok(Gemma2Params::read(hyper)?.config), load: |h, w| Ok(Box::new(load(h, w)?)) };

/// Every how manieth layer looks at everything, where the file does not say.
const DEFAULT_PATTERN: usize = 2;
/// The number of layers by which the 27B model is known: its queries are scaled by the width of the model.
const LAYERS_OF_27B: usize = 46;
/// Caps of scores and logits where the file does not say.
const SCORE_CAP: f32 = 50.0;
const LOGIT_CAP: f32 = 30.0;

/// What a file says about its model.
struct Gemma2Params {
    config: ModelConfig,
    sizes: Sizes,
    /// Attention of each layer.
    attention: Vec<AttentionParams>,
    rope: RopeParams,
    logit_cap: Option<f32>,
}

impl Gemma2Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let scaled_by = match sizes.n_layers {
            LAYERS_OF_27B => sizes.hidden / sizes.n_heads,
            _ => sizes.head_dim,
        };
        let cap = |key: &str, default: f32| {
            let cap = hyper.opt_f32(key)?.unwrap_or(default);
            Ok::<_, ModelError>(Some(cap).filter(|&cap| cap > 0.0))
        };
        let softcap = cap("attn_logit_softcapping", SCORE_CAP)?;
        let scale = 1.0 / (scaled_by as f32).sqrt();
        let mut attention = AttentionParams::with_windows(hyper, &sizes, DEFAULT_PATTERN)?;
        attention.iter_mut().for_each(|layer| *layer = AttentionParams { scale, softcap, ..*layer });
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let logit_cap = cap("final_logit_softcapping", LOGIT_CAP)?;
        let layers = attention.iter().map(AttentionParams::kv_shape).collect();
        let config = hyper.finish(KvLayout { layers })?;
        Ok(Gemma2Params { config, sizes, attention, rope, logit_cap })
    }
}

/// The model.
fn load(hyper: &Hyper, weights: &Weights) -> Result<Decoder, ModelError> {
    let Gemma2Params { config, sizes, attention, rope, logit_cap } = Gemma2Params::read(hyper)?;
    let block = |layer: usize| {
        let attention = Attention::load(weights, layer, sizes.hidden, attention[layer])?;
        let (prefix, inner) = (format!("blk.{layer}"), sizes.feed_forward);
        let mlp = GatedMlp::load(weights, &prefix, sizes.hidden, inner, Activation::GeluTanh)?;
        Block::with_norms(weights, layer, &sizes, BlockNorms::AROUND, attention, Network::Mlp(mlp))
    };
    let rope = Rope::new(&rope, None, RopePairs::Halves, weights.split());
    let decoder = Decoder::load(weights, config, &sizes, rope, block)?;
    let decoder = decoder.with_embedding_scale((sizes.hidden as f32).sqrt());
    Ok(decoder.with_head(|head| head.with_softcap(logit_cap)))
}
