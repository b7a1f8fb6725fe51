//! The plain model that many families are: embedding, the same kind of block over and over with one rotary embedding,
//! and a head.

use super::{Block, Embedding, Head, Rope};
use crate::embedder::Encoder;
use crate::hyper::Sizes;
use crate::rows::Rows;
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

impl Decoder {
    /// What the blocks make of the rows that are wanted.
    fn states(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError> {
        batch.check(&self.config, kv)?;
        let rope = self.rope.at(&batch.positions)?;
        let mut x = self.embedding.forward(&batch.tokens)?;
        for block in &self.blocks {
            block.forward(&mut x, Some(&rope), batch, kv)?;
        }
        Ok(x)
    }
}

impl Encoder for Decoder {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn encode(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError> {
        self.head.normed(self.states(batch, kv)?)
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
        self.head.forward(self.states(batch, kv)?, logits)
    }
}
