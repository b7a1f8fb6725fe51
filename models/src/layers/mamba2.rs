//! The Mamba-2 mixer (Dao & Gu, "Transformers are SSMs", 2024): linear attention behind a short convolution, whose results
//! are gated and normed.

use candle_core::Tensor;
use lantern_kernels::{HeadSharing, LinearRule, Pool};

use super::delta_net::softplus;
use super::mlp::gated;
use super::recurrence::{Recurrence, RecurrenceInputs};
use super::{Activation, Factors, Linear, LinearParams, RmsNorm};
use crate::kv_cache::LayerStates;
use crate::rows::{HostRows, Rows};
use crate::{Compute, ForwardBatch, Hyper, KvCache, ModelError, Weights};

/// One layer's mixer, from its projection to its output.
pub(crate) struct Mamba2 {
    /// To the gate, what the convolution sees, and a time step for each head.
    input: Linear,
    recurrence: Recurrence,
    /// What is added to the time steps.
    time_bias: Vec<f32>,
    /// Rate of forgetting of each head: minus the exponential that was trained.
    rate: Vec<f32>,
    /// How much of its input each head passes on.
    skip: Vec<f32>,
    /// Over each group of heads, without weights.
    norm: RmsNorm,
    /// Weights of the norm of all groups.
    norm_weights: Factors,
    output: Linear,
    params: LinearParams,
}

impl Mamba2 {
    /// What the file says about these layers.
    pub(crate) fn read(hyper: &Hyper) -> Result<LinearParams, ModelError> {
        LinearParams::read(hyper, LinearRule::Sum, HeadSharing::Neighbours)
    }

    /// Takes the keys of a file that has no such layers.
    pub(crate) fn ignore(hyper: &Hyper) {
        LinearParams::ignore(hyper);
    }

    /// Takes `ssm_in`, `ssm_conv1d`, `ssm_dt`, `ssm_a`, `ssm_d`, `ssm_norm` and `ssm_out` of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: LinearParams,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let LinearParams { shape, .. } = params;
        let (inner, heads, groups) = (params.value_width(), shape.n_value_heads, shape.n_key_heads);
        let name = |name: &str| format!("blk.{layer}.{name}");
        let device = weights.split().block(layer).device();
        let norm_weights = weights.values(&name("ssm_norm.weight"), &[inner / groups, groups])?;
        Ok(Mamba2 {
            input: weights.linear(&name("ssm_in"), hidden, inner + shape.qkv_width() + heads)?,
            recurrence: Recurrence::load(weights, layer, params)?,
            time_bias: weights.vector(&name("ssm_dt.bias"), heads)?,
            rate: weights.values(&name("ssm_a"), &[1, heads])?,
            skip: weights.values(&name("ssm_d"), &[1, heads])?,
            norm: RmsNorm::new(vec![1.0; inner / groups], eps, device)?,
            norm_weights: Factors::new(norm_weights, device)?,
            output: weights.linear(&name("ssm_out"), inner, hidden)?,
            params,
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`; the states behind the rows are in the cache afterwards.
    pub(crate) fn forward(
        &self,
        x: &Rows,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Rows, ModelError> {
        let mut states = self.recurrence.states(batch, kv)?;
        match x {
            Rows::Host(x) => Ok(Rows::Host(self.forward_host(x, &mut states)?)),
            Rows::Tensor(x) => Ok(Rows::Tensor(self.forward_tensor(x, &mut states)?)),
        }
    }

    /// Takes the states over the guesses that turned out right.
    pub(crate) fn accept_guesses(
        &self,
        compute: &Compute,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        self.recurrence.accept_guesses(compute, batch, kv)
    }

    fn forward_host(&self, x: &HostRows, states: &mut LayerStates<'_>) -> Result<HostRows, ModelError> {
        let (inner, wide, heads) = self.widths();
        let all = self.input.forward_host(x)?;
        let (mut gate, seen) = (all.columns(0, inner), all.columns(inner, wide));
        let mut times = all.columns(inner + wide, heads);
        let (mut decay, mut mixed, mut out) = (x.room(heads), x.room(wide), x.room(inner));
        self.recur(x.pool(), states, &seen, [&mut times, &mut decay], &mut mixed, &mut out)?;
        lantern_kernels::gate(x.pool(), Activation::Silu, &mut gate, &out)?;
        self.norm.parts_in_place(&mut gate)?;
        self.norm_weights.apply_host(&mut gate)?;
        self.output.forward_host(&gate)
    }

    fn forward_tensor(&self, x: &Tensor, states: &mut LayerStates<'_>) -> Result<Tensor, ModelError> {
        let (inner, wide, heads) = self.widths();
        let all = self.input.forward_tensor(x)?;
        let down = |first, width| all.narrow(1, first, width)?.flatten_all()?.to_vec1::<f32>();
        let (seen, mut times) = (down(inner, wide)?, down(inner + wide, heads)?);
        let rows = x.dim(0)?;
        let (mut decay, mut mixed, mut out) =
            (vec![0.0; times.len()], vec![0.0; seen.len()], vec![0.0; rows * inner]);
        self.recur(&Pool::new(1), states, &seen, [&mut times, &mut decay], &mut mixed, &mut out)?;
        let out = Tensor::from_vec(out, (rows, inner), x.device())?;
        let gated = gated(Activation::Silu, &all.narrow(1, 0, inner)?, &out)?;
        let normed = self.norm_weights.apply_tensor(&self.norm.parts_of_tensor(&gated)?)?;
        self.output.forward_tensor(&normed)
    }

    /// Widths of a gate, of what the convolution sees, and of time steps.
    fn widths(&self) -> (usize, usize, usize) {
        (self.params.value_width(), self.params.shape.qkv_width(), self.params.shape.n_value_heads)
    }

    /// From what the convolution sees to `out`, by way of `mixed`, which is what it gives. Time steps become how much a
    /// token counts.
    fn recur(
        &self,
        pool: &Pool,
        states: &mut LayerStates<'_>,
        seen: &[f32],
        [times, decay]: [&mut [f32]; 2],
        mixed: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let (inner, wide, heads) = self.widths();
        for (times, decay) in times.chunks_exact_mut(heads).zip(decay.chunks_exact_mut(heads)) {
            for (head, (time, decay)) in times.iter_mut().zip(decay).enumerate() {
                *time = softplus(*time + self.time_bias[head]);
                *decay = (self.rate[head] * *time).exp();
            }
        }
        let inputs = RecurrenceInputs { seen, decay, beta: times };
        self.recurrence.forward(pool, states, inputs, mixed, out)?;
        for (out, mixed) in out.chunks_exact_mut(inner).zip(mixed.chunks_exact(wide)) {
            let heads = out.chunks_exact_mut(self.params.shape.value_dim).zip(&self.skip);
            for ((out, skip), input) in heads.zip(mixed.chunks_exact(self.params.shape.value_dim)) {
                out.iter_mut().zip(input).for_each(|(out, input)| *out += skip * input);
            }
        }
        Ok(())
    }
}
