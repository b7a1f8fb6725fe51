//! Per-layer embeddings: every token brings a small vector for each block, which the block lets through a gate.
//!
//! The table is most of such a model's file. It stays there, and only the vectors of a batch's tokens are read.

use super::mlp::gated;
use super::{Activation, Embedding, Linear, RmsNorm};
use crate::rows::Rows;
use crate::{Compute, ModelError, Weights};

/// Makes the vectors of all blocks, from the tokens and from what the first block is given.
pub(crate) struct PerLayerInputs {
    table: Embedding,
    projection: Linear,
    /// Over the vector of each block.
    norm: RmsNorm,
    /// Factor of what is projected.
    scale: f32,
}

impl PerLayerInputs {
    /// Takes `per_layer_token_embd`, `per_layer_model_proj` and `per_layer_proj_norm`: vectors of `width` numbers for
    /// each of `n_layers` blocks.
    pub(crate) fn load(
        weights: &Weights,
        (vocab, hidden): (usize, usize),
        (n_layers, width): (usize, usize),
        eps: f64,
    ) -> Result<Self, ModelError> {
        let table = weights.table("per_layer_token_embd", vocab, n_layers * width)?;
        Ok(PerLayerInputs {
            table: table.scaled((width as f32).sqrt()),
            projection: weights.linear("per_layer_model_proj", hidden, n_layers * width)?,
            norm: weights.rms_norm("per_layer_proj_norm", width, eps)?,
            scale: 1.0 / (hidden as f32).sqrt(),
        })
    }

    /// `[tokens.len(), n_layers * width]`, for `x`, the tokens' embeddings.
    pub(crate) fn forward(&self, tokens: &[u32], x: &Rows) -> Result<Rows, ModelError> {
        let mut projected = self.projection.forward(x)?;
        projected.scale(self.scale)?;
        let mut inputs = self.norm.forward(&projected)?;
        inputs.add(self.table.forward(tokens)?)?;
        inputs.scale(std::f32::consts::FRAC_1_SQRT_2)?;
        Ok(inputs)
    }
}

/// One block's gate: `norm(proj(gelu(gate(x)) * input))`.
pub(crate) struct PerLayerGate {
    compute: Compute,
    gate: Linear,
    projection: Linear,
    norm: RmsNorm,
    layer: usize,
    width: usize,
}

impl PerLayerGate {
    /// Takes `inp_gate`, `proj` and `post_norm` of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        width: usize,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let prefix = format!("blk.{layer}");
        Ok(PerLayerGate {
            compute: weights.split().block(layer).clone(),
            gate: weights.linear(&format!("{prefix}.inp_gate"), hidden, width)?,
            projection: weights.linear(&format!("{prefix}.proj"), width, hidden)?,
            norm: weights.rms_norm(&format!("{prefix}.post_norm"), hidden, eps)?,
            layer,
            width,
        })
    }

    /// What is added to `x`, for the `inputs` of all blocks.
    pub(crate) fn forward(&self, x: &Rows, inputs: &Rows) -> Result<Rows, ModelError> {
        let input = inputs.columns(self.layer * self.width, self.width)?.on(&self.compute)?;
        let passed = match (self.gate.forward(x)?, input) {
            (Rows::Host(mut gate), Rows::Host(input)) => {
                lantern_kernels::gate(input.pool(), Activation::GeluTanh, &mut gate, &input)?;
                Rows::Host(gate)
            }
            (Rows::Tensor(gate), Rows::Tensor(input)) => {
                Rows::Tensor(gated(Activation::GeluTanh, &gate, &input)?)
            }
            _ => return Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
        };
        self.norm.forward(&self.projection.forward(&passed)?)
    }
}
