//! The plain model that many families are: embedding, the same kind of block over and over with one rotary embedding,
//! or one more for layers with a window, and a head.

use super::next_head::Shared;
use super::{Block, BlockRope, Embedding, Head, NextHead, Rope};
use crate::embedder::Encoder;
use crate::hyper::Sizes;
use crate::rows::Rows;
use crate::{CausalLm, ForwardBatch, KvCache, ModelConfig, ModelError, Predictor, Weights};

/// A stack of blocks.
pub(crate) struct Decoder {
    config: ModelConfig,
    embedding: Embedding,
    rope: Rope,
    local_rope: Option<Rope>,
    blocks: Vec<Block>,
    head: Head,
    next_head: Option<NextHead>,
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
            local_rope: None,
            blocks: (0..sizes.n_layers).map(block).collect::<Result<_, _>>()?,
            head: Head::of_sizes(weights, sizes)?,
            next_head: None,
            config,
        })
    }

    /// Adds the rotary embedding of blocks that ask for [`BlockRope::Local`].
    pub(crate) fn with_local_rope(self, rope: Rope) -> Self {
        Decoder { local_rope: Some(rope), ..self }
    }

    /// Adds a head that predicts further tokens.
    pub(crate) fn with_next_head(self, next_head: Option<NextHead>) -> Self {
        Decoder { next_head, ..self }
    }

    /// Multiplies every token's embedding by `factor`.
    pub(crate) fn with_embedding_scale(self, factor: f32) -> Self {
        Decoder { embedding: self.embedding.scaled(factor), ..self }
    }

    /// Changes what becomes of logits.
    pub(crate) fn with_head(self, change: impl FnOnce(Head) -> Head) -> Self {
        Decoder { head: change(self.head), ..self }
    }

    /// What the blocks make of the rows that are wanted.
    fn states(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError> {
        batch.check(&self.config, kv)?;
        let rope = self.rope.at(batch)?;
        let local_rope = self.local_rope.as_ref().map(|rope| rope.at(batch)).transpose()?;
        let mut x = self.embedding.of_batch(batch)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let rope = match block.rope() {
                BlockRope::Usual => Some(&rope),
                BlockRope::Local => local_rope.as_ref(),
                BlockRope::None => None,
            };
            block.forward(&mut x, rope, batch, kv, self.blocks.get(layer + 1))?;
            batch.add_picture_level(&mut x, &self.config, layer)?;
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
        let x = self.states(batch, kv)?;
        if !batch.keeps_hidden {
            return self.head.forward(x, logits);
        }
        let normed = self.head.normed(x)?;
        kv.keep_hidden(&normed)?;
        self.head.output(normed.select(&batch.logit_rows)?, logits)
    }

    fn predicts(&self) -> Option<Predictor> {
        self.next_head.as_ref().map(|_| Predictor::Head)
    }

    fn predict(
        &self,
        batch: &ForwardBatch,
        hidden: &[u32],
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let Decoder { embedding, rope, head, .. } = self;
        let Some(next_head) = &self.next_head else { return Err(ModelError::no_predictor()) };
        batch.check_next(&self.config, hidden, kv, 1)?;
        next_head.forward(&Shared { embedding, rope, head }, batch, hidden, kv, logits)
    }

    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        self.blocks.iter().try_for_each(|block| block.accept_guesses(batch, kv))
    }
}
