//! The expert that every row passes, beside those that the router chooses.

use super::{Activation, GatedMlp, Linear};
use crate::rows::Rows;
use crate::{ModelError, Weights};

/// A gated network, of which each row may let through its own share.
pub(crate) struct SharedExpert {
    mlp: GatedMlp,
    /// To one output, whose sigmoid is the share.
    share: Option<Linear>,
}

impl SharedExpert {
    /// Takes `ffn_gate_shexp`, `ffn_up_shexp` and `ffn_down_shexp` of the block named `prefix`, and
    /// `ffn_gate_inp_shexp` if it has one.
    pub(super) fn load(
        weights: &Weights,
        prefix: &str,
        hidden: usize,
        inner: usize,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        let share = format!("{prefix}.ffn_gate_inp_shexp");
        let has_share = weights.has(&format!("{share}.weight"));
        Ok(SharedExpert {
            mlp: GatedMlp::load_shared_expert(weights, prefix, hidden, inner, activation)?,
            share: if has_share { Some(weights.linear(&share, hidden, 1)?) } else { None },
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`.
    pub(super) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        let given = self.mlp.forward(x)?;
        let Some(share) = &self.share else { return Ok(given) };
        match (share.forward(x)?, given) {
            (Rows::Host(mut shares), Rows::Host(mut given)) => {
                shares.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
                let (pool, values) = given.pool_and_values();
                lantern_kernels::scale_rows(pool, values, &shares)?;
                Ok(Rows::Host(given))
            }
            (Rows::Tensor(shares), Rows::Tensor(given)) => {
                let shares = (shares.neg()?.exp()? + 1.0)?.recip()?;
                Ok(Rows::Tensor(given.broadcast_mul(&shares)?))
            }
            _ => Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
        }
    }
}
