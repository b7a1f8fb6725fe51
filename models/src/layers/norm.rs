//! Root-mean-square normalisation (Zhang & Sennrich, 2019), and the choice between it and the older layer normalisation.

use candle_core::{D, Device, Tensor};

use super::LayerNorm;
use crate::ModelError;
use crate::rows::{HostRows, Rows};

/// The norms of a family's blocks and of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// Root mean squares, as nearly all have.
    Rms,
    /// Layer norms.
    Layer,
}

/// A norm over rows, of either kind.
pub(crate) enum Norm {
    Rms(RmsNorm),
    Layer(LayerNorm),
}

impl Norm {
    /// Normalised rows.
    pub(crate) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        match self {
            Norm::Rms(norm) => norm.forward(x),
            Norm::Layer(norm) => norm.forward(x),
        }
    }
}

/// `x / sqrt(mean(x²) + eps) * weight`, over each row of the weight's width.
pub(crate) struct RmsNorm {
    weight: Vec<f32>,
    tensor: Tensor,
    eps: f64,
}

impl RmsNorm {
    pub(crate) fn new(weight: Vec<f32>, eps: f64, device: &Device) -> Result<Self, ModelError> {
        let tensor = Tensor::new(weight.as_slice(), device)?;
        Ok(RmsNorm { weight, tensor, eps })
    }

    /// Normalises each row, or each part of a row that is as wide as the weight.
    pub(crate) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        match x {
            Rows::Host(x) => {
                let mut out = x.room(x.width());
                lantern_kernels::rms_norm(x.pool(), x, &self.weight, self.eps as f32, &mut out)?;
                Ok(Rows::Host(out))
            }
            Rows::Tensor(x) => Ok(Rows::Tensor(self.parts_of_tensor(x)?)),
        }
    }

    /// Normalises each row in place, or each part of a row that is as wide as the weight: a head, for example.
    pub(crate) fn parts_in_place(&self, x: &mut HostRows) -> Result<(), ModelError> {
        let (pool, x) = x.pool_and_values();
        Ok(lantern_kernels::rms_norm_in_place(pool, x, &self.weight, self.eps as f32)?)
    }

    /// Normalises each part of a tensor's rows that is as wide as the weight.
    pub(crate) fn parts_of_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.forward_tensor(&x.reshape(((), self.weight.len()))?)?.reshape(x.shape())?)
    }

    /// Normalises the last dimension.
    pub(crate) fn forward_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = x.broadcast_div(&(mean + self.eps)?.sqrt()?)?;
        Ok(normed.broadcast_mul(&self.tensor)?)
    }
}
