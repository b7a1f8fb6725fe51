//! The block that most families are made of.

use super::{Activation, Attention, DeltaNet, Experts, GatedMlp, RmsNorm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::Rows;
use crate::{Compute, ForwardBatch, KvCache, ModelError, Weights};

/// Attention, or what stands in its place, and a network, each behind a norm and added to what it was given.
pub(crate) struct Block {
    compute: Compute,
    mixer_norm: RmsNorm,
    mixer: Mixer,
    network_norm: RmsNorm,
    network: Network,
    is_last: bool,
}

/// What brings in what other tokens know.
pub(crate) enum Mixer {
    Attention(Attention),
    DeltaNet(DeltaNet),
}

/// What follows it.
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

    /// Takes `attn_norm` of block `layer` and the norm before its network: `ffn_norm`, which some families call
    /// `post_attention_norm`.
    pub(crate) fn new(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        mixer: impl Into<Mixer>,
        network: Network,
    ) -> Result<Self, ModelError> {
        let has_own = weights.has(&format!("blk.{layer}.ffn_norm.weight"));
        let network_norm = if has_own { "ffn_norm" } else { "post_attention_norm" };
        let norm =
            |name: &str| weights.rms_norm(&format!("blk.{layer}.{name}"), sizes.hidden, sizes.norm_eps);
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            mixer_norm: norm("attn_norm")?,
            mixer: mixer.into(),
            network_norm: norm(network_norm)?,
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
        let normed = self.mixer_norm.forward(x)?;
        x.add(match &self.mixer {
            Mixer::Attention(attention) => attention.forward(&normed, rope, batch, kv)?,
            Mixer::DeltaNet(delta_net) => delta_net.forward(&normed, batch, kv)?,
        })?;
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

impl From<Attention> for Mixer {
    fn from(attention: Attention) -> Self {
        Mixer::Attention(attention)
    }
}

impl From<DeltaNet> for Mixer {
    fn from(delta_net: DeltaNet) -> Self {
        Mixer::DeltaNet(delta_net)
    }
}
