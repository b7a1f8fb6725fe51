//! Linear layers: a weight matrix, possibly quantised, and a bias.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use lantern_gguf::{GgmlType, dequantize};
use lantern_kernels::{Pool, Product, QMatrix};

use crate::rows::{HostRows, Rows};
use crate::{Compute, ModelError};

/// Rows whose outputs a device holds at once on their way to the host: logits of a whole prompt are hundreds of megabytes.
pub(crate) const DEVICE_ROWS: usize = 64;

/// `y = W x + b` for each row.
pub(crate) struct Linear {
    matrix: Arc<QMatrix>,
    bias: Option<Vec<f32>>,
    /// Matrix and bias on a device, for candle.
    tensors: Option<(QMatMul, Option<Tensor>)>,
}

impl Linear {
    /// `bytes` are those that the matrix was made of.
    pub(crate) fn new(
        matrix: Arc<QMatrix>,
        bytes: &[u8],
        bias: Option<Vec<f32>>,
        compute: &Compute,
    ) -> Result<Self, ModelError> {
        let tensors = match compute.has_kernels() {
            true => None,
            false => {
                let device = compute.device();
                let bias = bias.as_ref().map(|values| Tensor::new(values.as_slice(), device)).transpose()?;
                Some((on_device(&matrix, bytes, device)?, bias))
            }
        };
        Ok(Linear { matrix, bias, tensors })
    }

    /// `[rows, inputs]` to `[rows, outputs]`, which replace what is in `out`.
    pub(crate) fn forward_to(&self, x: &Rows, out: &mut Vec<f32>) -> Result<(), ModelError> {
        match x {
            Rows::Host(x) => {
                out.resize(x.rows() * self.matrix.rows(), 0.0);
                lantern_kernels::matmul(x.pool(), &self.matrix, x, x.rows(), out)?;
                self.add_bias(x.pool(), out)
            }
            Rows::Tensor(x) => {
                out.clear();
                let rows = x.dim(0)?;
                for first in (0..rows).step_by(DEVICE_ROWS) {
                    let part = x.narrow(0, first, DEVICE_ROWS.min(rows - first))?;
                    out.extend_from_slice(&self.forward_tensor(&part)?.flatten_all()?.to_vec1::<f32>()?);
                }
                Ok(())
            }
        }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &Rows) -> Result<Rows, ModelError> {
        match x {
            Rows::Host(x) => Ok(Rows::Host(self.forward_host(x)?)),
            Rows::Tensor(x) => Ok(Rows::Tensor(self.forward_tensor(x)?)),
        }
    }

    /// `[rows, inputs]` to `[rows, outputs]`, in memory.
    pub(crate) fn forward_host(&self, x: &HostRows) -> Result<HostRows, ModelError> {
        let [out] = Linear::forward_each([self], x)?;
        Ok(out)
    }

    /// Several layers over the same rows in memory, which are quantised for all of them together.
    pub(crate) fn forward_each<const N: usize>(
        layers: [&Linear; N],
        x: &HostRows,
    ) -> Result<[HostRows; N], ModelError> {
        let mut outs = layers.map(|layer| (layer, x.room(layer.matrix.rows())));
        let mut products = outs.each_mut().map(|(layer, out)| Product { weights: &layer.matrix, out });
        lantern_kernels::matmul_each(x.pool(), x, x.rows(), &mut products)?;
        for (layer, out) in &mut outs {
            layer.add_bias(x.pool(), out)?;
        }
        Ok(outs.map(|(_, out)| out))
    }

    /// `[rows, inputs]` to `[rows, outputs]`, on a device.
    pub(crate) fn forward_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let Some((matrix, bias)) = &self.tensors else {
            return Err(ModelError::BadBatch("a matrix for kernels was given a tensor".to_owned()));
        };
        let y = matrix.forward(&x.contiguous()?)?;
        match bias {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }

    fn add_bias(&self, pool: &Pool, out: &mut [f32]) -> Result<(), ModelError> {
        match &self.bias {
            Some(bias) => Ok(lantern_kernels::add(pool, out, bias)?),
            None => Ok(()),
        }
    }
}

/// A matrix, or one of several, as candle multiplies it.
pub(super) fn on_device(matrix: &QMatrix, bytes: &[u8], device: &Device) -> Result<QMatMul, ModelError> {
    let (ty, rows, cols) = (matrix.ty(), matrix.rows(), matrix.cols());
    let Some(dtype) = candle_type(ty, cols) else {
        return Ok(QMatMul::Tensor(dequantised(ty, rows, cols, bytes, device)?));
    };
    let storage = QStorage::from_data(std::borrow::Cow::Borrowed(bytes), device, dtype)?;
    Ok(QMatMul::from_qtensor(QTensor::new(storage, (rows, cols))?)?)
}

/// candle's name for a block type, if it can multiply rows of `cols` values of it.
pub(crate) fn candle_type(ty: GgmlType, cols: usize) -> Option<GgmlDType> {
    // candle's products of these types take blocks two by two.
    let in_pairs = matches!(ty, GgmlType::Q4_1 | GgmlType::Q5_0 | GgmlType::Q5_1);
    if in_pairs && !cols.is_multiple_of(2 * ty.block_size()) {
        return None;
    }
    Some(match ty {
        GgmlType::F32 => GgmlDType::F32,
        GgmlType::F16 => GgmlDType::F16,
        GgmlType::BF16 => GgmlDType::BF16,
        GgmlType::Q4_0 => GgmlDType::Q4_0,
        GgmlType::Q4_1 => GgmlDType::Q4_1,
        GgmlType::Q5_0 => GgmlDType::Q5_0,
        GgmlType::Q5_1 => GgmlDType::Q5_1,
        GgmlType::Q8_0 => GgmlDType::Q8_0,
        GgmlType::Q2K => GgmlDType::Q2K,
        GgmlType::Q3K => GgmlDType::Q3K,
        GgmlType::Q4K => GgmlDType::Q4K,
        GgmlType::Q5K => GgmlDType::Q5K,
        GgmlType::Q6K => GgmlDType::Q6K,
        _ => return None,
    })
}

/// Values of a type that candle does not know, in full.
fn dequantised(
    ty: GgmlType,
    rows: usize,
    cols: usize,
    bytes: &[u8],
    device: &Device,
) -> Result<Tensor, ModelError> {
    let mut values = vec![0.0; rows * cols];
    dequantize(ty, bytes, &mut values)?;
    Ok(Tensor::from_vec(values, (rows, cols), device)?)
}
