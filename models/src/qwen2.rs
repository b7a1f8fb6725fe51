//! Qwen2 and Qwen2.5, with their Coder and Math variants.
//!
//! Pre-norm blocks like llama's, with biases on queries, keys and values, and a rotary embedding that turns halves.
//! Long contexts are stretched with YaRN where the file asks for it.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Embedding, Head, Rope, RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{CausalLm, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

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
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 10_000.0)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Qwen2Params { config: hyper.finish(kv_layout)?, sizes, attention, rope })
    }
}

/// A model of the Qwen2 family.
struct Qwen2 {
    config: ModelConfig,
    embedding: Embedding,
    rope: Rope,
    blocks: Vec<Block>,
    head: Head,
}

impl Qwen2 {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let Qwen2Params { config, sizes, attention, rope } = Qwen2Params::read(hyper)?;
        let block = |layer| {
            // The biases of queries, keys and values are found beside their weights.
            let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
            Block::load(weights, layer, &sizes, attention, Activation::Silu)
        };
        Ok(Qwen2 {
            embedding: weights.embedding(sizes.vocab, sizes.hidden)?,
            rope: Rope::new(&rope, None, RopePairs::Halves, weights.compute()),
            blocks: (0..sizes.n_layers).map(block).collect::<Result<_, _>>()?,
            head: Head::load(weights, sizes.hidden, sizes.vocab, sizes.norm_eps)?,
            config,
        })
    }
}

impl CausalLm for Qwen2 {
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
