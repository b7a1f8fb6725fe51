//! The block that most families are made of.

use super::{Activation, Attention, GatedMlp, RmsNorm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::Rows;
use crate::{ForwardBatch, KvCache, ModelError, Weights};

/// Attention and a gated network, each behind a norm and added to what it was given.
pub(crate) struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
    is_last: bool,
}

impl Block {
    /// Takes `attn_norm`, `ffn_norm` and the network of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        attention: Attention,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let Sizes { hidden, feed_forward, norm_eps, .. } = *sizes;
        let prefix = format!("blk.{layer}");
        Ok(Block {
            attention_norm: weights.rms_norm(&format!("{prefix}.attn_norm"), hidden, norm_eps)?,
            attention,
            mlp_norm: weights.rms_norm(&format!("{prefix}.ffn_norm"), hidden, norm_eps)?,
            mlp: GatedMlp::load(weights, &prefix, hidden, feed_forward, activation)?,
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
        let attended = self.attention.forward(&self.attention_norm.forward(x)?, rope, batch, kv)?;
        x.add(attended)?;
        if self.is_last {
            // Nothing looks at the other rows any more.
            *x = x.select(&batch.logit_rows)?;
            if x.is_empty() {
                return Ok(());
            }
        }
        let fed = self.mlp.forward(&self.mlp_norm.forward(x)?)?;
        x.add(fed)
    }
}
