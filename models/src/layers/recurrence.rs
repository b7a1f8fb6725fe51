//! Linear attention behind a short convolution: what the gated delta rule and Mamba-2 have in common. It runs on the CPU,
//! wherever the projections around it do.

use lantern_kernels::{LinearInputs, Pool};

use super::conv::Conv;
use super::{Activation, LinearParams};
use crate::kv_cache::{GuessInputs, LayerStates};
use crate::rows::HostRows;
use crate::{Compute, ForwardBatch, KvCache, ModelError, Weights};

/// What the rows of a batch bring: what the convolution sees, what is left of the past and how much a token counts.
#[derive(Clone, Copy)]
pub(super) struct RecurrenceInputs<'a> {
    pub(super) seen: &'a [f32],
    pub(super) decay: &'a [f32],
    pub(super) beta: &'a [f32],
}

/// One layer's convolution and recurrence, and the states they leave.
pub(super) struct Recurrence {
    conv: Conv,
    params: LinearParams,
    layer: usize,
}

impl Recurrence {
    /// Takes `ssm_conv1d` of block `layer`.
    pub(super) fn load(weights: &Weights, layer: usize, params: LinearParams) -> Result<Self, ModelError> {
        let name = format!("blk.{layer}.ssm_conv1d");
        let conv = Conv::load(weights, &name, params.taps, params.shape.qkv_width())?;
        Ok(Recurrence { conv, params, layer })
    }

    /// The layer's states for a batch.
    pub(super) fn states<'a>(
        &self,
        batch: &'a ForwardBatch,
        kv: &'a mut KvCache,
    ) -> Result<LayerStates<'a>, ModelError> {
        kv.states(self.layer, batch)
    }

    /// From its inputs to `out`, by way of `mixed`: what the convolution makes of what it sees.
    pub(super) fn forward(
        &self,
        pool: &Pool,
        states: &mut LayerStates<'_>,
        inputs: RecurrenceInputs<'_>,
        mixed: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        states.remember([inputs.seen, inputs.decay, inputs.beta]);
        self.advance(pool, &mut states.states, inputs, mixed, out)
    }

    /// Takes the states over the guesses that turned out right; see [`crate::CausalLm::accept_guesses`].
    pub(super) fn accept_guesses(
        &self,
        compute: &Compute,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<(), ModelError> {
        let LayerStates { mut states, guessed } = self.states(batch, kv)?;
        let GuessInputs { seen, decay, beta } = guessed;
        let inputs = RecurrenceInputs { seen, decay, beta };
        let (wide, inner) = (self.params.shape.qkv_width(), self.params.value_width());
        let rows = seen.len() / wide;
        match compute.workspace() {
            Some(workspace) => {
                let mut mixed = HostRows::new(workspace, rows, wide);
                let mut out = mixed.room(inner);
                self.advance(workspace.pool(), &mut states, inputs, &mut mixed, &mut out)
            }
            None => {
                let (mut mixed, mut out) = (vec![0.0; rows * wide], vec![0.0; rows * inner]);
                self.advance(&Pool::new(1), &mut states, inputs, &mut mixed, &mut out)
            }
        }
    }

    fn advance(
        &self,
        pool: &Pool,
        states: &mut lantern_kernels::States<'_>,
        inputs: RecurrenceInputs<'_>,
        mixed: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        self.conv.apply(pool, states, inputs.seen, mixed)?;
        lantern_kernels::activate(pool, Activation::Silu, mixed);
        let inputs = LinearInputs { qkv: mixed, decay: inputs.decay, beta: inputs.beta };
        Ok(lantern_kernels::linear_attention(pool, &self.params.shape, states, &inputs, out)?)
    }
}
