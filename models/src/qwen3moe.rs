//! Qwen3 with experts: 30B-A3B, 235B-A22B, and Coder.
//!
//! Blocks like those of Qwen3, each of whose networks is a choice among many small ones. The weights of the chosen
//! experts sum to 1; the files have no key for that.

use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Block, Embedding, ExpertParams, Experts, Head, Network, Rope,
    RopePairs, RopeParams,
};
use crate::registry::Family;
use crate::{CausalLm, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

pub(crate) const FAMILY: Family = Family {
    config: |hyper| Ok(Qwen3MoeParams::read(hyper)?.config),
    load: |h, w| Ok(Box::new(Qwen3Moe::load(h, w)?)),
};

/// What a file says about its model.
struct Qwen3MoeParams {
    config: ModelConfig,
    sizes: Sizes,
    attention: AttentionParams,
    experts: ExpertParams,
    rope: RopeParams,
}

impl Qwen3MoeParams {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        let sizes = hyper.sizes()?;
        let attention = AttentionParams::new(&sizes);
        let rope = RopeParams::read(hyper, sizes.head_dim, 1_000_000.0)?;
        let experts = ExpertParams::read(hyper)?;
        let kv_layout = KvLayout { layers: vec![attention.kv_shape(); sizes.n_layers] };
        Ok(Qwen3MoeParams { config: hyper.finish(kv_layout)?, sizes, attention, experts, rope })
    }
}

/// A model of the Qwen3 family with experts.
struct Qwen3Moe {
    config: ModelConfig,
    embedding: Embedding,
    rope: Rope,
    blocks: Vec<Block>,
    head: Head,
}

impl Qwen3Moe {
    fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let Qwen3MoeParams { config, sizes, attention, experts, rope } = Qwen3MoeParams::read(hyper)?;
        let block = |layer| {
            let attention = Attention::load(weights, layer, sizes.hidden, attention)?;
            let attention = attention.with_head_norms(weights, sizes.norm_eps)?;
            let prefix = format!("blk.{layer}");
            let experts = Experts::load(weights, &prefix, sizes.hidden, experts, Activation::Silu)?;
            Block::new(weights, layer, &sizes, attention, Network::Experts(experts))
        };
        Ok(Qwen3Moe {
            embedding: weights.embedding(sizes.vocab, sizes.hidden)?,
            rope: Rope::new(&rope, None, RopePairs::Halves, weights.compute()),
            blocks: (0..sizes.n_layers).map(block).collect::<Result<_, _>>()?,
            head: Head::load(weights, sizes.hidden, sizes.vocab, sizes.norm_eps)?,
            config,
        })
    }
}

impl CausalLm for Qwen3Moe {
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
