//! Qwen3, dense: 0.6B to 32B.
//!
//! Pre-norm blocks like Qwen2's, without biases, but with norms over each head of queries and keys before the rotary
//! embedding. The size of a head is the file's and need not fit the model's width.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Embedding, Head, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{CausalLm, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Qwen3Params::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Qwen3::load(h, w)?)),
};

/// What a file says about its model.
struct Qwen3Params {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    rope: RopeParams,
}

impl Qwen3Params {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Qwen3Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// A model of the Qwen3 family.
struct Qwen3 {
    config: ModelConfig,
    embedding: Embedding,
    rope: Rope,
    blocks: Vec<Block>,
    head: Head,
}

impl Qwen3 {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let Qwen3Params { config, sizes, attention, rope } = Qwen3Params::read(hyper)?;
        let block = |layer| {
            let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
            let attention = attention.with_head_norms(weights, sizes.norm_eps)?;
            Block::load(weights, layer, &sizes, attention, Activation::Silu)
        };
        Ok(Qwen3 {
            embedding: weights.embedding(sizes.vocab, sizes.hidden)?,
            rope: Rope::new(&rope, None, RopePairs::Halves, weights.compute()),
            blocks: (0..sizes.n_layers).map(block).collect::<Result<_, _>>()?,
            head: Head::load(weights, sizes.hidden, sizes.vocab, sizes.norm_eps)?,
            config,
        })
    }
}

impl CausalLm for Qwen3 {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        batch.check(&self.config, kv)?;
        let rope = self.rope.at(&batch.positions)?;
        let mut x = self.embedding.forward(&batch.tokens)?;
        for block in &self.blocks {
            block.forward(&mut x, Some(&rope), batch, kv)?;
        }
        self.head.forward(&x, logits)
    }
}
