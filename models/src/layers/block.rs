//! The block that most families are made of.

use super::{Activation, Attention, DeltaNet, Experts, GatedConv, GatedMlp, Mamba2, Norm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::Rows;
use crate::{Compute, ForwardBatch, KvCache, ModelError, Weights};

/// Attention, or what stands in its place, and a network, each between the norms it has and added to what it was given;
/// or one of the two alone.
pub(crate) struct Block {
    compute: Compute,
    attention_norm: Option<Norm>,
    mixer: Option<Mixer>,
    post_attention_norm: Option<Norm>,
    network_norm: Option<Norm>,
    network: Option<Network>,
    post_network_norm: Option<Norm>,
    rope: BlockRope,
    /// Factor of what is added.
    residual_scale: Option<f32>,
    is_last: bool,
}

/// What brings in what is known of other tokens.
pub(crate) enum Mixer {
    Attention(Attention),
    DeltaNet(DeltaNet),
    GatedConv(GatedConv),
    Mamba2(Mamba2),
}

/// What follows it.
// There is one for each block, made once: an indirection would save nothing.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Network {
    Mlp(GatedMlp),
    Experts(Experts),
}

/// What a block has that has only one part.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Part {
    Mixer(Mixer),
    Network(Network),
}

/// How a block is told positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockRope {
    /// By the model's rotary embedding.
    Usual,
    /// By the one for layers with a window.
    Local,
    /// Not at all.
    None,
}

/// The names of a block's norms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockNorms {
    pub(crate) attention: Option<&'static str>,
    pub(crate) post_attention: Option<&'static str>,
    pub(crate) network: Option<&'static str>,
    pub(crate) post_network: Option<&'static str>,
}

impl BlockNorms {
    /// Norms before attention and network: what most families have.
    pub(crate) const BEFORE: BlockNorms = BlockNorms {
        attention: Some("attn_norm"),
        post_attention: None,
        network: Some("ffn_norm"),
        post_network: None,
    };
    /// The same, where the second is named after what stands before it.
    pub(crate) const BETWEEN: BlockNorms =
        BlockNorms { network: Some("post_attention_norm"), ..BlockNorms::BEFORE };
    /// Norms after them.
    pub(crate) const AFTER: BlockNorms = BlockNorms {
        attention: None,
        post_attention: Some("post_attention_norm"),
        network: None,
        post_network: Some("post_ffw_norm"),
    };
    /// Norms before and after.
    pub(crate) const AROUND: BlockNorms = BlockNorms {
        attention: BlockNorms::BEFORE.attention,
        network: BlockNorms::BEFORE.network,
        ..BlockNorms::AFTER
    };
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
        mixer: impl Into<Mixer>,
        network: Network,
    ) -> Result<Self, ModelError> {
        Block::with_norms(weights, layer, sizes, BlockNorms::BEFORE, mixer, network)
    }

    /// Takes the norms of these names of block `layer`.
    pub(crate) fn with_norms(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        names: BlockNorms,
        mixer: impl Into<Mixer>,
        network: Network,
    ) -> Result<Self, ModelError> {
        let norm = |name: Option<&str>| {
            name.map(|name| weights.norm(&format!("blk.{layer}.{name}"), sizes)).transpose()
        };
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            attention_norm: norm(names.attention)?,
            mixer: Some(mixer.into()),
            post_attention_norm: norm(names.post_attention)?,
            network_norm: norm(names.network)?,
            network: Some(network),
            post_network_norm: norm(names.post_network)?,
            rope: BlockRope::Usual,
            residual_scale: None,
            is_last: layer + 1 >= sizes.n_layers,
        })
    }

    /// Tells it positions in another way.
    pub(crate) fn with_rope(self, rope: BlockRope) -> Self {
        Block { rope, ..self }
    }

    /// How it is told positions.
    pub(crate) fn rope(&self) -> BlockRope {
        self.rope
    }

    /// Takes `attn_norm` of block `layer`, whatever its only part is.
    pub(crate) fn of_one_part(
        weights: &Weights,
        layer: usize,
        sizes: &Sizes,
        part: Part,
    ) -> Result<Self, ModelError> {
        let norm = weights.norm(&format!("blk.{layer}.attn_norm"), sizes)?;
        let (mixer, network, norms) = match part {
            Part::Mixer(mixer) => (Some(mixer), None, [Some(norm), None]),
            Part::Network(network) => (None, Some(network), [None, Some(norm)]),
        };
        let [attention_norm, network_norm] = norms;
        Ok(Block {
            compute: weights.split().block(layer).clone(),
            attention_norm,
            mixer,
            post_attention_norm: None,
            network_norm,
            network,
            post_network_norm: None,
            rope: BlockRope::Usual,
            residual_scale: None,
            is_last: layer + 1 == sizes.n_layers,
        })
    }

    /// Multiplies what attention and network add by `factor`.
    pub(crate) fn with_residual_scale(self, factor: Option<f32>) -> Self {
        Block { residual_scale: factor, ..self }
    }

    /// Changes `x`, `[rows, hidden]`, in place; keys and values of the rows are in the cache afterwards. The last block
    /// leaves the rows whose logits are wanted, unless all are kept. What the block `next` may need from the file is read
    /// meanwhile.
    pub(crate) fn forward(
        &self,
        x: &mut Rows,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        next: Option<&Block>,
    ) -> Result<(), ModelError> {
        x.move_to(&self.compute)?;
        if let Some(mixer) = &self.mixer {
            let mixed = with_norm(&self.attention_norm, x, |x| mixer.forward(x, rope, batch, kv))?;
            self.add(x, mixed, &self.post_attention_norm)?;
        }
        if self.is_last && !batch.keeps_hidden {
            // Nothing looks at the other rows any more.
            *x = x.select(&batch.logit_rows)?;
            if x.is_empty() {
                return Ok(());
            }
        }
        if let Some(next) = next {
            next.foresee(x)?;
        }
        if let Some(network) = &self.network {
            let fed = with_norm(&self.network_norm, x, |x| network.forward(x))?;
            self.add(x, fed, &self.post_network_norm)?;
        }
        Ok(())
    }

    fn foresee(&self, x: &Rows) -> Result<(), ModelError> {
        match &self.network {
            Some(Network::Experts(experts)) if experts.is_worth_foreseeing(x) => {
                with_norm(&self.network_norm, x, |x| experts.foresee(x))
            }
            _ => Ok(()),
        }
    }

    /// Takes a state, if the block has one, over the guesses that turned out right; see
    /// [`crate::CausalLm::accept_guesses`].
    pub(crate) fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        match &self.mixer {
            Some(Mixer::DeltaNet(delta_net)) => delta_net.accept_guesses(&self.compute, batch, kv),
            Some(Mixer::GatedConv(conv)) => conv.accept_guesses(&self.compute, batch, kv),
            Some(Mixer::Mamba2(mamba)) => mamba.accept_guesses(&self.compute, batch, kv),
            Some(Mixer::Attention(_)) | None => Ok(()),
        }
    }

    /// Adds what a part of the block made, behind its norm.
    fn add(&self, x: &mut Rows, made: Rows, norm: &Option<Norm>) -> Result<(), ModelError> {
        let mut made = match norm {
            Some(norm) => norm.forward(&made)?,
            None => made,
        };
        if let Some(factor) = self.residual_scale {
            made.scale(factor)?;
        }
        x.add(made)
    }
}

/// What a part of the block makes of rows behind their norm.
fn with_norm<T>(
    norm: &Option<Norm>,
    x: &Rows,
    part: impl FnOnce(&Rows) -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    match norm {
        Some(norm) => part(&norm.forward(x)?),
        None => part(x),
    }
}

impl Mixer {
    fn forward(
        &self,
        x: &Rows,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Rows, ModelError> {
        match self {
            Mixer::Attention(attention) => attention.forward(x, rope, batch, kv),
            Mixer::DeltaNet(delta_net) => delta_net.forward(x, batch, kv),
            Mixer::GatedConv(conv) => conv.forward(x, batch, kv),
            Mixer::Mamba2(mamba) => mamba.forward(x, batch, kv),
        }
    }
}

impl Network {
    fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        match self {
            Network::Mlp(mlp) => mlp.forward(x),
            Network::Experts(experts) => experts.forward(x, x),
        }
    }
}

impl From<Attention> for Mixer {
    fn from(attention: Attention) -> Self {
        Mixer::Attention(attention)
    }
}

impl From<GatedConv> for Mixer {
    fn from(conv: GatedConv) -> Self {
        Mixer::GatedConv(conv)
    }
}

impl From<Mamba2> for Mixer {
    fn from(mamba: Mamba2) -> Self {
        Mixer::Mamba2(mamba)
    }
}

impl From<DeltaNet> for Mixer {
    fn from(delta_net: DeltaNet) -> Self {
        Mixer::DeltaNet(delta_net)
    }
}
