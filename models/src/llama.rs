//! The llama family: Llama 1 to 3.x, Mistral 7B, SmolLM 1 and 2, TinyLlama, Yi, and others that were converted under
//! the same name.
//!
//! Pre-norm blocks of grouped-query attention and a gated SiLU network. Queries and keys of these files are permuted so
//! that the rotary embedding turns neighbours. Llama 3's stretched frequencies come as the tensor `rope_freqs`.
//! Mixtral's experts and the sliding window of Mistral v0.1 are not implemented; files that ask for them are refused.

use candle_core::Tensor;

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Embedding, GatedMlp, Head, RmsNorm, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{CausalLm, Compute, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(LlamaParams::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Llama::load(h, w)?)),
};

/// What a file says about its model.
struct LlamaParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl LlamaParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        hyper.require_zero("expert_count")?;
        hyper.require_zero("expert_used_count")?;
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
        Ok(LlamaParams { config: hyper.config(&sizes, kv_layout)?, sizes, attention, rope })
    }
}

/// A model of the llama family.
struct Llama {
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

impl Llama {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let params = LlamaParams::read(hyper)?;
        let Sizes { n_layers, hidden, vocab, norm_eps, .. } = params.sizes;
        let divisors = weights.opt_vector("rope_freqs.weight", params.rope.dims / 2)?;
        Ok(Llama {
            embedding: weights.embedding(vocab, hidden)?,
            rope: Rope::new(&params.rope, divisors.as_deref(), RopePairs::Neighbours, weights.compute()),
            blocks: (0..n_layers).map(|i| Block::load(&params, weights, i)).collect::<Result<_, _>>()?,
            head: Head::load(weights, hidden, vocab, norm_eps)?,
            config: params.config,
            compute: weights.compute().clone(),
        })
    }
}

impl Block {
    fn load(params: &LlamaParams, weights: &Weights, layer: usize) -> Result<Self, ModelError> {
        let Sizes { hidden, feed_forward, norm_eps, .. } = params.sizes;
        let prefix = format!("blk.{layer}");
        Ok(Block {
            attention_norm: weights.rms_norm(&format!("{prefix}.attn_norm"), hidden, norm_eps)?,
            attention: Attention::load(weights, layer, hidden, params.attention)?,
            mlp_norm: weights.rms_norm(&format!("{prefix}.ffn_norm"), hidden, norm_eps)?,
            mlp: GatedMlp::load(weights, &prefix, hidden, feed_forward, Activation::Silu)?,
        })
    }
}

impl CausalLm for Llama {
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
