//! Root-mean-square normalisation (Zhang & Sennrich, 2019).

use candle_core::{D, Tensor};
use lantern_kernels::Pool;

use super::math::sum_of_squares;
use crate::ModelError;
use crate::compute::{Compute, for_each_row, with_values};

/// `x / sqrt(mean(x²) + eps) * weight`, over each row of the weight's width.
pub(crate) struct RmsNorm {
    weight: Vec<f32>,
    tensor: Tensor,
    eps: f64,
    compute: Compute,
}

impl RmsNorm {
    pub(crate) fn new(weight: Vec<f32>, eps: f64, compute: &Compute) -> Result<Self, ModelError> {
        let tensor = Tensor::new(weight.as_slice(), compute.device())?;
        Ok(RmsNorm { weight, tensor, eps, compute: compute.clone() })
    }

    /// Normalises the last dimension.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        if let Some(pool) = self.compute.pool() {
            let mut out = with_values(x, |x| Ok(x.to_vec()))?;
            self.rows_in_place(pool, &mut out);
            return Ok(Tensor::from_vec(out, x.dims(), self.compute.device())?);
        }
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = x.broadcast_div(&(mean + self.eps)?.sqrt()?)?;
        Ok(normed.broadcast_mul(&self.tensor)?)
    }

    /// Normalises rows in host memory.
    pub(crate) fn rows_in_place(&self, pool: &Pool, x: &mut [f32]) {
        let width = self.weight.len();
        for_each_row(pool, x, width, |_, row| {
            let mean = sum_of_squares(row) / width as f32;
            let scale = 1.0 / (mean + self.eps as f32).sqrt();
            row.iter_mut().zip(&self.weight).for_each(|(x, w)| *x = *x * scale * w);
        });
    }
}
