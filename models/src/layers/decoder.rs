//! The plain model that many families are: embedding, the same kind of block over and over with one rotary embedding,
//! and a head.

use super::{Block, Embedding, Head, Rope};
use crate::hyper::Sizes;
use crate::{CausalLm, ForwardBatch, KvCache, ModelConfig, ModelError, Weights};

/// A stack of blocks.
pub(crate) struct Decoder {
    config: ModelConfig,
    embedding: Embedding,
    rope: Rope,
    blocks: Vec<Block>,
    head: Head,
}

impl Decoder {
    /// Takes the embedding and the head; `block` makes each block.
    pub(crate) fn load(
        weights: &Weights,
        config: ModelConfig,
        sizes: &Sizes,
        rope: Rope,
        block: impl FnMut(usize) -> Result<Block, ModelError>,
    ) -> Result<Self, ModelError> {
        Ok(Decoder {
            embedding: weights.embedding(sizes.vocab, sizes.hidden)?,
            rope,
            blocks: (0..sizes.n_layers).map(block).collect::<Result<_, _>>()?,
            head: Head::load(weights, sizes.hidden, sizes.vocab, sizes.norm_eps)?,
            config,
        })
    }
}

impl CausalLm for Decoder {
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
        self.head.forward(x, logits)
    }
}
