//! The gated feed-forward part of a block: `down(activation(gate(x)) * up(x))` (Shazeer, 2020).

use candle_core::Tensor;

use super::Linear;
use super::math::{gelu_tanh, silu};
use crate::compute::{Compute, for_each_row, with_values};
use crate::{ModelError, Weights};

/// The gate's activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x / (1 + e^-x)`.
    Silu,
    /// GELU in its tanh form.
    GeluTanh,
}

/// A gated feed-forward network.
pub(crate) struct GatedMlp {
    gate: Linear,
    up: Linear,
    down: Linear,
    activation: Activation,
    inner: usize,
    outer: usize,
    compute: Compute,
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
            inner,
            outer: hidden,
            compute: weights.compute().clone(),
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let Some(pool) = self.compute.pool() else {
            let gate = self.gate.forward(x)?;
            let gate = match self.activation {
                Activation::Silu => gate.silu()?,
                Activation::GeluTanh => gate.gelu()?,
            };
            return self.down.forward(&(gate * self.up.forward(x)?)?);
        };
        let out = with_values(x, |x| {
            let [mut gate, up] = Linear::rows_each([&self.gate, &self.up], x)?;
            for_each_row(pool, &mut gate, self.inner, |row, gate| {
                let up = &up[row * self.inner..(row + 1) * self.inner];
                match self.activation {
                    Activation::Silu => gate.iter_mut().zip(up).for_each(|(g, u)| *g = silu(*g) * u),
                    Activation::GeluTanh => gate.iter_mut().zip(up).for_each(|(g, u)| *g = gelu_tanh(*g) * u),
                }
            });
            self.down.rows(&gate)
        })?;
        self.compute.tensor(out, self.outer)
    }
}
