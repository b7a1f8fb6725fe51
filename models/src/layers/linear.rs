//! Linear layers: a weight matrix, possibly quantised, and a bias.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use lantern_gguf::{GgmlType, TensorBytes, dequantize};
use lantern_kernels::{Arena, KernelError, MatrixShape, Product, QMatrix};

use crate::ModelError;
use crate::compute::{Compute, with_values};

/// A weight matrix, shared between the layers that use it.
pub(crate) enum Matrix {
    /// In host memory, for kernels.
    Host(QMatrix),
    /// On a device, for candle.
    Tensor(QMatMul),
}

impl Matrix {
    /// Takes the bytes of tensor `name` as a matrix of `rows` outputs and `cols` inputs.
    pub(crate) fn new(
        name: &str,
        ty: GgmlType,
        rows: usize,
        cols: usize,
        bytes: TensorBytes,
        compute: &Compute,
        arena: &Arena,
    ) -> Result<Self, ModelError> {
        if let Some(pool) = compute.pool() {
            return match QMatrix::new(ty, MatrixShape::one(rows, cols), bytes, arena, pool) {
                Ok(matrix) => Ok(Matrix::Host(matrix)),
                Err(KernelError::UnsupportedType { ty }) => {
                    Err(ModelError::UnsupportedTensorType { tensor: name.to_owned(), ty: ty.name() })
                }
                Err(error) => Err(error.into()),
            };
        }
        let device = compute.device();
        let Some(dtype) = candle_type(ty, cols) else {
            return Ok(Matrix::Tensor(QMatMul::Tensor(dequantised(ty, rows, cols, &bytes, device)?)));
        };
        let storage = QStorage::from_data(std::borrow::Cow::Borrowed(&bytes), device, dtype)?;
        Ok(Matrix::Tensor(QMatMul::from_qtensor(QTensor::new(storage, (rows, cols))?)?))
    }
}

/// `y = W x + b` for each row.
pub(crate) struct Linear {
    matrix: Arc<Matrix>,
    bias: Option<Bias>,
    compute: Compute,
}

struct Bias {
    values: Vec<f32>,
    tensor: Tensor,
}

impl Linear {
    pub(crate) fn new(
        matrix: Arc<Matrix>,
        bias: Option<Vec<f32>>,
        compute: &Compute,
    ) -> Result<Self, ModelError> {
        let bias = match bias {
            Some(values) => {
                let tensor = Tensor::new(values.as_slice(), compute.device())?;
                Some(Bias { values, tensor })
            }
            None => None,
        };
        Ok(Linear { matrix, bias, compute: compute.clone() })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match &*self.matrix {
            Matrix::Host(matrix) => {
                let out = with_values(x, |x| self.rows(x))?;
                self.compute.tensor(out, matrix.rows())
            }
            Matrix::Tensor(matrix) => {
                let y = matrix.forward(&x.contiguous()?)?;
                match &self.bias {
                    Some(bias) => Ok(y.broadcast_add(&bias.tensor)?),
                    None => Ok(y),
                }
            }
        }
    }

    /// The same over slices in host memory: `x` holds whole rows.
    pub(crate) fn rows(&self, x: &[f32]) -> Result<Vec<f32>, ModelError> {
        let [out] = Linear::rows_each([self], x)?;
        Ok(out)
    }

    /// Several layers over the same rows, which are quantised for all of them together.
    pub(crate) fn rows_each<const N: usize>(
        layers: [&Linear; N],
        x: &[f32],
    ) -> Result<[Vec<f32>; N], ModelError> {
        let mut outs = [const { Vec::new() }; N];
        let mut products = Vec::with_capacity(N);
        let mut rows = 0;
        for (layer, out) in layers.iter().zip(&mut outs) {
            let weights = layer.host()?;
            rows = x.len() / weights.cols();
            *out = vec![0.0; rows * weights.rows()];
            products.push(Product { weights, out });
        }
        if let Some(pool) = layers.first().and_then(|layer| layer.compute.pool()) {
            lantern_kernels::matmul_each(pool, x, rows, &mut products)?;
        }
        for (layer, out) in layers.iter().zip(&mut outs) {
            layer.add_bias(out);
        }
        Ok(outs)
    }

    fn host(&self) -> Result<&QMatrix, ModelError> {
        match &*self.matrix {
            Matrix::Host(matrix) => Ok(matrix),
            Matrix::Tensor(_) => {
                Err(ModelError::BadBatch("a matrix on a device was asked for rows in memory".to_owned()))
            }
        }
    }

    fn add_bias(&self, out: &mut [f32]) {
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(bias.values.len()) {
                row.iter_mut().zip(&bias.values).for_each(|(y, b)| *y += b);
            }
        }
    }
}

/// candle's name for a block type, if it can multiply rows of `cols` values of it.
fn candle_type(ty: GgmlType, cols: usize) -> Option<GgmlDType> {
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
