//! The block that most families are made of.

use super::{Activation, Attention, Experts, GatedMlp, RmsNorm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::Rows;
use crate::{Compute, ForwardBatch, KvCache, ModelError, Weights};

/// Attention and a network, each behind a norm and added to what it was given.
pub(crate) struct Block {
    compute: Compute,
    attention_norm: RmsNorm,
    attention: Attention,
    network_norm: RmsNorm,
    network: Network,
    is_last: bool,
}

/// What follows attention.
pub(crate) enum Network {
    Mlp(GatedMlp),
    Experts(Experts),
}

impl Block {
    /// Takes `attn_norm`, `ffn_norm` and the gated network of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        attention: Attention,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let prefix = format!("blk.{layer}");
        let mlp = GatedMlp::load(weights, &prefix, sizes.hidden, sizes.feed_forward, activation)?;
        Block::new(weights, layer, sizes, attention, Network::Mlp(mlp))
    }

    /// Takes `attn_norm` and `ffn_norm` of block `layer`.
    pub(crate) fn new(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        attention: Attention,
        network: Network,
    ) -> Result<Self, ModelError> {
        let norm =
            |name: &str| weights.rms_norm(&format!("blk.{layer}.{name}"), sizes.hidden, sizes.norm_eps);
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            attention_norm: norm("attn_norm")?,
            attention,
            network_norm: norm("ffn_norm")?,
            network,
            is_last: layer + 1 == sizes.n_layers,
        })
    }

    /// Changes `x`, `[rows, hidden]`, in place; keys and values of the rows are in the cache afterwards. The last block
    /// leaves the rows whose logits are wanted.
    pub(crate) fn forward(
        &self,
        x: &mut Rows,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        x.move_to(&self.compute)?;
        let attended = self.attention.forward(&self.attention_norm.forward(x)?, rope, batch, kv)?;
        x.add(attended)?;
        if self.is_last {
            // Nothing looks at the other rows any more.
            *x = x.select(&batch.logit_rows)?;
            if x.is_empty() {
                return Ok(());
            }
        }
        let normed = self.network_norm.forward(x)?;
        x.add(match &self.network {
            Network::Mlp(mlp) => mlp.forward(&normed)?,
            Network::Experts(experts) => experts.forward(&normed, &normed)?,
        })
    }
}
