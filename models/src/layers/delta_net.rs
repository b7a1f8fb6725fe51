//! Linear attention by the gated delta rule, behind a short convolution (Yang et al., "Gated Delta Networks", 2024).

use candle_core::{D, Tensor};
pub(crate) use lantern_kernels::HeadSharing;
use lantern_kernels::{LinearRule, Pool};

use super::mlp::gated;
use super::projections::halves_of_heads;
use super::recurrence::{Recurrence, RecurrenceInputs};
use super::{Activation, Linear, LinearParams, RmsNorm};
use crate::kv_cache::LayerStates;
use crate::older::RowsOf;
use crate::rows::{HostRows, Rows};
use crate::{Compute, ForwardBatch, Hyper, KvCache, ModelError, Weights};

/// One layer's linear attention, from projections to output.
pub(crate) struct DeltaNet {
    qkv: Linear,
    gate: Linear,
    steps: Steps,
    recurrence: Recurrence,
    /// Rate of forgetting of each head of values: minus the exponential that was trained.
    rate: Vec<f32>,
    /// What is added to alpha.
    time_bias: Vec<f32>,
    /// Norm over each head of the results.
    norm: RmsNorm,
    output: Linear,
    params: LinearParams,
}

/// What makes alpha and beta, a number each for every head of values.
enum Steps {
    Separate {
        alpha: Linear,
        beta: Linear,
    },
    /// For each head of keys the betas of its heads of values and then their alphas.
    Fused(Linear),
}

impl DeltaNet {
    /// What the file says about these layers.
    pub(crate) fn read(hyper: &Hyper, sharing: HeadSharing) -> Result<LinearParams, ModelError> {
        LinearParams::read(hyper, LinearRule::Delta, sharing)
    }

    /// Takes `attn_qkv` and `attn_gate` or `ssm_in`, `ssm_alpha` and `ssm_beta` or `ssm_ba`, `ssm_conv1d`, `ssm_a`, `ssm_dt`, `ssm_norm`
    /// and `ssm_out` of block `layer`.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: LinearParams,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let LinearParams { shape, .. } = params;
        let (wide, heads, values) = (shape.qkv_width(), shape.n_value_heads, params.value_width());
        let name = |name: &str| format!("blk.{layer}.{name}");
        let linear = |part: &str, inputs, outputs| weights.linear(&name(part), inputs, outputs);
        let steps = match weights.has(&name("ssm_ba.weight")) {
            true => Steps::Fused(linear("ssm_ba", hidden, 2 * heads)?),
            false => Steps::Separate {
                alpha: linear("ssm_alpha", hidden, heads)?,
                beta: linear("ssm_beta", hidden, heads)?,
            },
        };
        let (qkv, gate) = match weights.has(&name("ssm_in.weight")) {
            true => from_one_matrix(weights, &name("ssm_in"), hidden, &params)?,
            false => (linear("attn_qkv", hidden, wide)?, linear("attn_gate", hidden, values)?),
        };
        Ok(DeltaNet {
            qkv,
            gate,
            steps,
            recurrence: Recurrence::load(weights, layer, params)?,
            rate: weights.vector(&name("ssm_a"), heads)?,
            time_bias: weights.vector(&name("ssm_dt.bias"), heads)?,
            norm: weights.rms_norm(&name("ssm_norm"), shape.value_dim, eps)?,
            output: linear("ssm_out", values, hidden)?,
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
        let (qkv, mut gate, mut alpha, mut beta);
        match &self.steps {
            Steps::Separate { alpha: a, beta: b } => {
                [qkv, gate, alpha, beta] = Linear::forward_each([&self.qkv, &self.gate, a, b], x)?;
            }
            Steps::Fused(both) => {
                let each = self.params.shape.n_value_heads / self.params.shape.n_key_heads;
                let steps;
                [qkv, gate, steps] = Linear::forward_each([&self.qkv, &self.gate, both], x)?;
                [beta, alpha] = halves_of_heads(&steps, each);
            }
        }
        let (mut mixed, mut out) = (x.room(qkv.width()), x.room(gate.width()));
        self.recur(x.pool(), states, &qkv, [&mut alpha, &mut beta], &mut mixed, &mut out)?;
        self.norm.parts_in_place(&mut out)?;
        lantern_kernels::gate(x.pool(), Activation::Silu, &mut gate, &out)?;
        self.output.forward_host(&gate)
    }

    fn forward_tensor(&self, x: &Tensor, states: &mut LayerStates<'_>) -> Result<Tensor, ModelError> {
        let down = |layer: &Linear| Ok::<_, ModelError>(layer.forward_tensor(x)?.flatten_all()?.to_vec1()?);
        let (rows, heads) = (x.dim(0)?, self.params.shape.n_value_heads);
        let qkv: Vec<f32> = down(&self.qkv)?;
        let (mut alpha, mut beta): (Vec<f32>, Vec<f32>) = match &self.steps {
            Steps::Separate { alpha, beta } => (down(alpha)?, down(beta)?),
            Steps::Fused(both) => {
                let each = heads / self.params.shape.n_key_heads;
                let both = both.forward_tensor(x)?.reshape((rows, (), 2 * each))?;
                let half = |first| both.narrow(2, first, each)?.flatten_all()?.to_vec1();
                (half(each)?, half(0)?)
            }
        };
        let (mut mixed, mut out) = (vec![0.0; qkv.len()], vec![0.0; rows * self.params.value_width()]);
        self.recur(&Pool::new(1), states, &qkv, [&mut alpha, &mut beta], &mut mixed, &mut out)?;
        let out = Tensor::from_vec(out, (rows, heads, self.params.shape.value_dim), x.device())?;
        let normed = self.norm.forward_tensor(&out)?.flatten(1, D::Minus1)?;
        let gate = self.gate.forward_tensor(x)?;
        self.output.forward_tensor(&gated(Activation::Silu, &gate, &normed)?)
    }

    /// From projections to `out`, by way of `mixed`: what the convolution makes of `qkv`. Alpha and beta become what is
    /// left of the past and how much is corrected.
    fn recur(
        &self,
        pool: &Pool,
        states: &mut LayerStates<'_>,
        qkv: &[f32],
        [alpha, beta]: [&mut [f32]; 2],
        mixed: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        lantern_kernels::activate(pool, Activation::Sigmoid, beta);
        for row in alpha.chunks_exact_mut(self.rate.len()) {
            for ((alpha, rate), bias) in row.iter_mut().zip(&self.rate).zip(&self.time_bias) {
                *alpha = (rate * softplus(*alpha + bias)).exp();
            }
        }
        let inputs = RecurrenceInputs { seen: qkv, decay: alpha, beta };
        self.recurrence.forward(pool, states, inputs, mixed, out)
    }
}

/// What makes queries, keys and values, and what makes gates, of files from older converters: their one matrix has the four
/// of each head of keys beside each other.
fn from_one_matrix(
    weights: &Weights,
    name: &str,
    hidden: usize,
    params: &LinearParams,
) -> Result<(Linear, Linear), ModelError> {
    let LinearParams { shape, .. } = params;
    let values = shape.n_value_heads / shape.n_key_heads * shape.value_dim;
    let widths = [shape.key_dim, shape.key_dim, values, values];
    let of_head: usize = widths.iter().sum();
    let rows = |part: usize| {
        let first: usize = widths[..part].iter().sum();
        (0..shape.n_key_heads)
            .flat_map(move |head| head * of_head + first..head * of_head + first + widths[part])
    };
    let linear = |rows: Vec<usize>| {
        weights.linear_of(&RowsOf { name, inputs: hidden, outputs: shape.n_key_heads * of_head, rows: &rows })
    };
    Ok((linear((0..3).flat_map(rows).collect())?, linear(rows(3).collect())?))
}

/// `ln(1 + eˣ)`, which is `x` itself where `eˣ` is past what a float tells from its sum with 1.
pub(super) fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}
