//! BERT and what is built like it: MiniLM, BGE, E5, GTE; Nomic's, with rotary embeddings and gates.
//!
//! Norms follow attention and network, over the sum of both sides. Positions are vectors that are added to those of the
//! tokens, or a rotary embedding. All tokens are of the first of the types that the models know.

use crate::embedder::{Embedder, EmbedderFamily, Encoder, Pooling};
use crate::hyper::Sizes;
use crate::layers::{
    Activation, Attention, AttentionParams, Embedding, GatedMlp, LayerNorm, Rope, RopePairs, RopeParams,
    RopeTable,
};
use crate::rows::Rows;
use crate::{Compute, ForwardBatch, Hyper, KvCache, KvLayout, ModelConfig, ModelError, Weights};

/// Positions are vectors; the network has no gate.
pub(crate) const BERT: EmbedderFamily = |hyper, weights| load(hyper, weights, None);

/// Positions are turns; the network has a gate.
pub(crate) const NOMIC_BERT: EmbedderFamily = |hyper, weights| {
    let head_dim = hyper.sizes()?.head_dim;
    load(hyper, weights, Some(RopeParams::read(hyper, head_dim, 10_000.0)?))
};

fn load(hyper: &Hyper, weights: &Weights, rope: Option<RopeParams>) -> Result<Embedder, ModelError> {
    let pooling = Pooling::read(hyper)?;
    let sizes = hyper.sizes()?;
    if hyper.opt_bool("attention.causal")?.unwrap_or(false) {
        return Err(hyper.bad("attention.causal", "it is true; encoders look in both directions".to_owned()));
    }
    let attention = AttentionParams::new(&sizes).in_one_pass(u32::MAX);
    let config = hyper.finish(KvLayout { layers: vec![attention.kv_shape()] })?;
    let bert = Bert::load(weights, config, &sizes, attention, rope)?;
    Embedder::new(Box::new(bert), pooling, weights)
}

struct Bert {
    config: ModelConfig,
    tokens: Embedding,
    types: Option<Embedding>,
    positions: Option<Embedding>,
    norm: LayerNorm,
    rope: Option<Rope>,
    blocks: Vec<Block>,
}

struct Block {
    compute: Compute,
    attention: Attention,
    attention_norm: LayerNorm,
    network: GatedMlp,
    network_norm: LayerNorm,
}

impl Bert {
    fn load(
        weights: &Weights,
        config: ModelConfig,
        sizes: &Sizes,
        attention: AttentionParams,
        rope: Option<RopeParams>,
    ) -> Result<Self, ModelError> {
        let hidden = sizes.hidden;
        // Rotary embeddings and gates came together.
        let activation = if rope.is_some() { Activation::Silu } else { Activation::Gelu };
        let positions = match &rope {
            None => Some(weights.table("position_embd", config.context_length, hidden)?),
            Some(_) => None,
        };
        let types = weights.has("token_types.weight");
        let types = types
            .then(|| weights.table("token_types", weights.vectors_in("token_types"), hidden))
            .transpose()?;
        let blocks = 0..sizes.n_layers;
        let block = |layer| Block::load(weights, layer, sizes, attention, activation);
        Ok(Bert {
            tokens: weights.table("token_embd", sizes.vocab, hidden)?,
            types,
            positions,
            norm: weights.layer_norm("token_embd_norm", hidden, sizes.norm_eps)?,
            rope: rope.map(|rope| Rope::new(&rope, None, RopePairs::Halves, weights.split())),
            blocks: blocks.map(block).collect::<Result<_, _>>()?,
            config,
        })
    }
}

impl Encoder for Bert {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn encode(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError> {
        batch.check(&self.config, kv)?;
        let mut x = self.tokens.forward(&batch.tokens)?;
        if let Some(types) = &self.types {
            x.add(types.forward(&vec![0; batch.rows()])?)?;
        }
        if let Some(positions) = &self.positions {
            x.add(positions.forward(&batch.positions)?)?;
        }
        self.norm.apply(&mut x)?;
        let rope = self.rope.as_ref().map(|rope| rope.at(batch)).transpose()?;
        for block in &self.blocks {
            block.forward(&mut x, rope.as_ref(), batch, kv)?;
        }
        x.select(&batch.logit_rows)
    }
}

impl Block {
    fn load(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        attention: AttentionParams,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let Sizes { hidden, feed_forward, norm_eps, .. } = *sizes;
        let prefix = format!("blk.{layer}");
        let norm = |name: &str| weights.layer_norm(&format!("{prefix}.{name}"), hidden, norm_eps);
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            attention: Attention::load(weights, layer, hidden, attention)?,
            attention_norm: norm("attn_output_norm")?,
            network: GatedMlp::load(weights, &prefix, hidden, feed_forward, activation)?,
            network_norm: norm("layer_output_norm")?,
        })
    }

    fn forward(
        &self,
        x: &mut Rows,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        x.move_to(&self.compute)?;
        x.add(self.attention.forward(x, rope, batch, kv)?)?;
        self.attention_norm.apply(x)?;
        x.add(self.network.forward(x)?)?;
        self.network_norm.apply(x)
    }
}
