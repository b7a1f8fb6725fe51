//! Qwen2 and Qwen2.5, with their Coder and Math variants.
//!
//! Pre-norm blocks like llama's, with biases on queries, keys and values, and a rotary embedding that turns halves.
//! Long contexts are stretched with YaRN where the file asks for it.

use candle_core::Tensor;

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Embedding, GatedMlp, Head, RmsNorm, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{CausalLm, Compute, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Qwen2Params::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Qwen2::load(h, w)?)),
};

/// What a file says about its model.
struct Qwen2Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Qwen2Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams {
            n_heads: sizes.n_heads,
            n_kv_heads: sizes.n_kv_heads,
            head_dim: sizes.head_dim,
            scale: 1.0 / (sizes.head_dim as f32).sqrt(),
            window: None,
            softcap: None,
        };
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        hyper.finish()?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Qwen2Params { config: hyper.config(&sizes, kv_layout)?, sizes, attention, rope })
    }
}

/// A model of the Qwen2 family.
struct Qwen2 {
    config: ModelConfig,
    embedding: Embedding,
    rope: Rope,
    blocks: Vec<Block>,
    head: Head,
    compute: Compute,
}

struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
}

impl Qwen2 {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let params = Qwen2Params::read(hyper)?;
        let Sizes { n_layers, hidden, vocab, norm_eps, .. } = params.sizes;
        Ok(Qwen2 {
            embedding: weights.embedding(vocab, hidden)?,
            rope: Rope::new(&params.rope, None, RopePairs::Halves, weights.compute()),
            blocks: (0..n_layers).map(|i| Block::load(&params, weights, i)).collect::<Result<_, _>>()?,
            head: Head::load(weights, hidden, vocab, norm_eps)?,
            config: params.config,
            compute: weights.compute().clone(),
        })
    }
}

impl Block {
    fn load(params: &Qwen2Params, weights: &Weights, layer: usize) -> Result<Self, ModelError> {
        let Sizes { hidden, feed_forward, norm_eps, .. } = params.sizes;
        let prefix = format!("blk.{layer}");
        Ok(Block {
            attention_norm: weights.rms_norm(&format!("{prefix}.attn_norm"), hidden, norm_eps)?,
            // The biases of queries, keys and values are found beside their weights.
            attention: Attention::load(weights, layer, hidden, params.attention)?,
            mlp_norm: weights.rms_norm(&format!("{prefix}.ffn_norm"), hidden, norm_eps)?,
            mlp: GatedMlp::load(weights, &prefix, hidden, feed_forward, Activation::Silu)?,
        })
    }
}

impl CausalLm for Qwen2 {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Tensor, ModelError> {
        batch.check(&self.config, kv)?;
        let rope = self.rope.at(&batch.positions)?;
        let mut x = self.embedding.forward(&batch.tokens)?;
        for block in &self.blocks {
            let attended =
                block.attention.forward(&block.attention_norm.forward(&x)?, Some(&rope), batch, kv)?;
            x = self.compute.add(&x, &attended)?;
            let fed = block.mlp.forward(&block.mlp_norm.forward(&x)?)?;
            x = self.compute.add(&x, &fed)?;
        }
        self.head.forward(&x, &batch.logit_rows)
    }
}
