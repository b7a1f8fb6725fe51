//! The feed-forward part of a block: `down(activation(gate(x)) * up(x))` (Shazeer, 2020), or without a gate
//! `down(activation(up(x)))`.

use candle_core::{D, Tensor};
pub(crate) use lantern_kernels::Activation;
use lantern_kernels::{SWIGLU_ALPHA, SWIGLU_LIMIT};

use super::Linear;
use crate::rows::{HostRows, Rows};
use crate::{ModelError, Weights};

/// A feed-forward network, gated unless its activation is one of networks without gates.
pub(crate) struct GatedMlp {
    gate: Gate,
    down: Linear,
    inner: usize,
    activation: Activation,
    /// See [`GatedMlp::with_sparsity`].
    sparsity: Option<f32>,
}

/// A gate and what it multiplies.
enum Gate {
    Separate {
        gate: Linear,
        up: Linear,
    },
    /// The outputs are those of the gate and then the others.
    Fused(Linear),
    /// No gate.
    None(Linear),
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
        Self::load_named(weights, prefix, "", hidden, inner, activation)
    }

    /// Takes `ffn_gate_shexp`, `ffn_up_shexp` and `ffn_down_shexp`: the expert that every row passes.
    pub(crate) fn load_shared_expert(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        inner: usize,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Self::load_named(weights, prefix, "_shexp", hidden, inner, activation)
    }

    /// Takes `ffn_down`, and `ffn_up` whose outputs are those of the gate and then the others.
    pub(crate) fn load_fused(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        inner: usize,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let gate = Gate::Fused(weights.linear(&format!("{prefix}.ffn_up"), hidden, 2 * inner)?);
        let down = weights.linear(&format!("{prefix}.ffn_down"), inner, hidden)?;
        Ok(GatedMlp { gate, down, inner, activation, sparsity: None })
    }

    fn load_named(
        weights: &Weights,
        prefix: &str,
        kind: &str,
        hidden: usize,
        inner: usize,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let linear =
            |name: &str, inputs, outputs| weights.linear(&format!("{prefix}.{name}{kind}"), inputs, outputs);
        let gate = match has_gates(activation) {
            true => Gate::Separate {
                gate: linear("ffn_gate", hidden, inner)?,
                up: linear("ffn_up", hidden, inner)?,
            },
            false => Gate::None(linear("ffn_up", hidden, inner)?),
        };
        Ok(GatedMlp { gate, down: linear("ffn_down", inner, hidden)?, inner, activation, sparsity: None })
    }

    /// A gate becomes how far it lies above the mean of its row plus so many standard deviations, and at least 0, before
    /// its activation.
    pub(crate) fn with_sparsity(self, deviations: Option<f32>) -> Self {
        GatedMlp { sparsity: deviations, ..self }
    }

    /// `[rows, hidden]` to `[rows, hidden]`.
    pub(crate) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        match x {
            Rows::Host(x) => Ok(Rows::Host(self.forward_host(x)?)),
            Rows::Tensor(x) => Ok(Rows::Tensor(self.forward_tensor(x)?)),
        }
    }

    fn forward_host(&self, x: &HostRows) -> Result<HostRows, ModelError> {
        let inner = match &self.gate {
            Gate::Separate { gate, up } => {
                let [mut gate, up] = Linear::forward_each([gate, up], x)?;
                if let Some(deviations) = self.sparsity {
                    gate.chunks_exact_mut(self.inner).for_each(|row| only_large(row, deviations));
                }
                lantern_kernels::gate(x.pool(), self.activation, &mut gate, &up)?;
                gate
            }
            Gate::Fused(both) => {
                let (halves, mut inner) = (both.forward_host(x)?, x.room(self.inner));
                lantern_kernels::gate_halves(x.pool(), self.activation, &halves, self.inner, &mut inner)?;
                inner
            }
            Gate::None(up) => {
                let mut inner = up.forward_host(x)?;
                lantern_kernels::activate(x.pool(), self.activation, &mut inner);
                inner
            }
        };
        self.down.forward_host(&inner)
    }

    fn forward_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (gate, up) = match &self.gate {
            Gate::Separate { gate, up } => {
                let mut gate = gate.forward_tensor(x)?;
                if let Some(deviations) = self.sparsity {
                    gate = only_large_of_tensor(&gate, deviations)?;
                }
                (gate, up.forward_tensor(x)?)
            }
            Gate::Fused(both) => halves(&both.forward_tensor(x)?, self.inner)?,
            Gate::None(up) => {
                let inner = up.forward_tensor(x)?;
                let ones = inner.ones_like()?;
                (inner, ones)
            }
        };
        self.down.forward_tensor(&gated(self.activation, &gate, &up)?)
    }
}

/// Numbers become how far they lie above their mean plus so many standard deviations, and at least 0.
fn only_large(row: &mut [f32], deviations: f32) {
    let mean = row.iter().sum::<f32>() / row.len() as f32;
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / row.len() as f32;
    let least = mean + deviations * variance.sqrt();
    row.iter_mut().for_each(|x| *x = (*x - least).max(0.0));
}

/// As [`only_large`], for the rows of a tensor.
fn only_large_of_tensor(x: &Tensor, deviations: f32) -> Result<Tensor, ModelError> {
    let apart = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = apart.sqr()?.mean_keepdim(D::Minus1)?.sqrt()?;
    Ok(apart.broadcast_sub(&(deviation * f64::from(deviations))?)?.relu()?)
}

/// Whether networks with this activation have gates.
pub(super) fn has_gates(activation: Activation) -> bool {
    !matches!(activation, Activation::Gelu | Activation::ReluSquared)
}

/// The two halves of rows of `2 * width` numbers, on a device.
pub(super) fn halves(x: &Tensor, width: usize) -> Result<(Tensor, Tensor), ModelError> {
    Ok((x.narrow(1, 0, width)?, x.narrow(1, width, width)?))
}

/// What the gate lets through of `up`, on a device.
pub(super) fn gated(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => (gate.silu()? * up)?,
        Activation::GeluTanh => (gate.gelu()? * up)?,
        Activation::Gelu => (gate.gelu_erf()? * up)?,
        Activation::ReluSquared => (gate.relu()?.sqr()? * up)?,
        Activation::Sigmoid => ((gate.neg()?.exp()? + 1.0)?.recip()? * up)?,
        Activation::ClampedSwiglu => {
            let gate = gate.minimum(f64::from(SWIGLU_LIMIT))?;
            let up = up.clamp(-SWIGLU_LIMIT, SWIGLU_LIMIT)?;
            let slope = ((&gate * -f64::from(SWIGLU_ALPHA))?.exp()? + 1.0)?;
            ((gate / slope)? * (up + 1.0)?)?
        }
    })
}
