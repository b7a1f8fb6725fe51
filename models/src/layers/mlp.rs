//! The gated feed-forward part of a block: `down(activation(gate(x)) * up(x))` (Shazeer, 2020).

use candle_core::Tensor;
pub(crate) use lantern_kernels::Activation;

use super::Linear;
use crate::rows::Rows;
use crate::{ModelError, Weights};

/// A gated feed-forward network.
pub(crate) struct GatedMlp {
    gate: Linear,
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl GatedMlp {
    /// Takes `ffn_gate`, `ffn_up` and `ffn_down` of the block named `prefix`.
    pub(crate) fn load(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        inner: usize,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(GatedMlp {
            gate: weights.linear(&format!("{prefix}.ffn_gate"), hidden, inner)?,
            up: weights.linear(&format!("{prefix}.ffn_up"), hidden, inner)?,
            down: weights.linear(&format!("{prefix}.ffn_down"), inner, hidden)?,
            activation,
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`.
    pub(crate) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        match x {
            Rows::Host(x) => {
                let [mut gate, up] = Linear::forward_each([&self.gate, &self.up], x)?;
                lantern_kernels::gate(x.pool(), self.activation, &mut gate, &up)?;
                Ok(Rows::Host(self.down.forward_host(&gate)?))
            }
            Rows::Tensor(x) => {
                let gate = activate(self.activation, &self.gate.forward_tensor(x)?)?;
                let inner = (gate * self.up.forward_tensor(x)?)?;
                Ok(Rows::Tensor(self.down.forward_tensor(&inner)?))
            }
        }
    }
}

/// The activation, on a device.
pub(super) fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => x.silu()?,
        Activation::GeluTanh => x.gelu()?,
        Activation::Sigmoid => (x.neg()?.exp()? + 1.0)?.recip()?,
    })
}
