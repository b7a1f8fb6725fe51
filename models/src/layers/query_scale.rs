//! Queries that grow with their position, so that attention stays sharp over long contexts (Llama 4, Ministral 3).

use candle_core::Tensor;

use crate::ModelError;
use crate::rows::HostRows;

/// Queries at `position` are multiplied by `1 + slope * ln(1 + floor(position / step))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QueryScale {
    /// How fast they grow.
    pub(crate) slope: f32,
    /// Positions that share a factor.
    pub(crate) step: u32,
}

impl QueryScale {
    fn factor(&self, position: u32) -> f32 {
        1.0 + self.slope * ((position / self.step) as f32).ln_1p()
    }

    /// Scales the queries of rows at these positions.
    pub(super) fn apply_host(&self, queries: &mut HostRows, positions: &[u32]) -> Result<(), ModelError> {
        let mut factors = queries.room(1);
        for (factor, &position) in factors.iter_mut().zip(positions) {
            *factor = self.factor(position);
        }
        let (pool, values) = queries.pool_and_values();
        Ok(lantern_kernels::scale_rows(pool, values, &factors)?)
    }

    /// Scales the queries `[rows, …]` at these positions.
    pub(super) fn apply_tensor(&self, queries: &Tensor, positions: &[u32]) -> Result<Tensor, ModelError> {
        let factors: Vec<f32> = positions.iter().map(|&position| self.factor(position)).collect();
        let factors = Tensor::from_vec(factors, (positions.len(), 1, 1), queries.device())?;
        Ok(queries.broadcast_mul(&factors)?)
    }
}
