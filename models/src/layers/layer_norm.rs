//! Layer normalisation (Ba, Kiros & Hinton, 2016), which encoders have.

use candle_core::{D, Device, Tensor};

use crate::ModelError;
use crate::rows::{HostRows, Rows};

/// `(x - mean(x)) / sqrt(variance(x) + eps) * weight + bias`, over each row.
pub(crate) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Both on the device.
    tensors: [Tensor; 2],
    eps: f64,
}

impl LayerNorm {
    pub(crate) fn new(
        weight: Vec<f32>,
        bias: Vec<f32>,
        eps: f64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let tensors = [Tensor::new(weight.as_slice(), device)?, Tensor::new(bias.as_slice(), device)?];
        Ok(LayerNorm { weight, bias, tensors, eps })
    }

    /// Normalised rows.
    pub(crate) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        let mut x = x.columns(0, self.weight.len())?;
        self.apply(&mut x)?;
        Ok(x)
    }

    /// Normalises each row in place.
    pub(crate) fn apply(&self, x: &mut Rows) -> Result<(), ModelError> {
        match x {
            Rows::Host(x) => self.apply_host(x),
            Rows::Tensor(x) => {
                let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let normed = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
                let [weight, bias] = &self.tensors;
                *x = normed.broadcast_mul(weight)?.broadcast_add(bias)?;
                Ok(())
            }
        }
    }

    /// Normalises each row in memory in place.
    pub(crate) fn apply_host(&self, x: &mut HostRows) -> Result<(), ModelError> {
        let (pool, x) = x.pool_and_values();
        Ok(lantern_kernels::layer_norm(pool, x, &self.weight, &self.bias, self.eps as f32)?)
    }
}
