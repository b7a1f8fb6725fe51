//! The layer that says which experts a row passes. It computes where the block does, and its outputs are compared on the
//! host.

use candle_core::Tensor;

use super::{Dispatch, ExpertParams, Linear};
use crate::rows::HostRows;
use crate::{ModelError, Weights};

/// A linear layer to one output for each expert, and what is done with the outputs.
pub(crate) struct Router {
    linear: Linear,
    /// Added to scores where they are compared.
    selection_bias: Option<Vec<f32>>,
    /// Factors of what the experts give.
    scales: Option<Vec<f32>>,
    params: ExpertParams,
}

impl Router {
    /// Takes `ffn_gate_inp` of the block named `prefix`, and `exp_probs_b.bias` and `ffn_down_exps.scale` if it has them.
    pub(super) fn load(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        params: ExpertParams,
    ) -> Result<Self, ModelError> {
        let vector = |name: &str| weights.opt_vector(&format!("{prefix}.{name}"), params.count);
        Ok(Router {
            linear: weights.linear(&format!("{prefix}.ffn_gate_inp"), hidden, params.count)?,
            selection_bias: vector("exp_probs_b.bias")?,
            scales: vector("ffn_down_exps.scale")?,
            params,
        })
    }

    /// The choice for rows in memory.
    pub(super) fn choose_host(&self, x: &HostRows, dispatch: &mut Dispatch) -> Result<(), ModelError> {
        self.choose(&mut self.linear.forward_host(x)?, dispatch);
        Ok(())
    }

    /// The choice for rows on a device.
    pub(super) fn choose_on_device(&self, x: &Tensor, dispatch: &mut Dispatch) -> Result<(), ModelError> {
        let mut logits: Vec<f32> = self.linear.forward_tensor(x)?.flatten_all()?.to_vec1()?;
        self.choose(&mut logits, dispatch);
        Ok(())
    }

    fn choose(&self, logits: &mut [f32], dispatch: &mut Dispatch) {
        let ExpertParams { count, used, routing, .. } = self.params;
        let (bias, scales) = (self.selection_bias.as_deref(), self.scales.as_deref());
        routing.choose(logits, count, used, bias, scales, dispatch);
    }
}
