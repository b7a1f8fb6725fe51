//! A factor for each column.

use candle_core::{Device, Tensor};

use crate::ModelError;
use crate::rows::{HostRows, Rows};

/// Factors of the columns of rows.
pub(crate) struct Factors {
    host: Vec<f32>,
    device: Tensor,
}

impl Factors {
    pub(crate) fn new(factors: Vec<f32>, device: &Device) -> Result<Self, ModelError> {
        Ok(Factors { device: Tensor::new(factors.as_slice(), device)?, host: factors })
    }

    /// Multiplies each column with its factor.
    pub(crate) fn apply(&self, x: &mut Rows) -> Result<(), ModelError> {
        match x {
            Rows::Host(x) => self.apply_host(x)?,
            Rows::Tensor(x) => *x = self.apply_tensor(x)?,
        }
        Ok(())
    }

    pub(super) fn apply_host(&self, x: &mut HostRows) -> Result<(), ModelError> {
        let (pool, x) = x.pool_and_values();
        Ok(lantern_kernels::multiply(pool, x, &self.host)?)
    }

    pub(super) fn apply_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(x.broadcast_mul(&self.device)?)
    }
}
