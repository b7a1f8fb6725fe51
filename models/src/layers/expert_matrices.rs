//! The same matrix of every expert, and the products of rows that are sorted by expert.

use std::sync::Arc;

use candle_core::quantized::QMatMul;
use candle_core::{Module, Tensor};
use lantern_kernels::{ExpertRows, Pool, QMatrix};

use super::linear::on_device;
use crate::{Compute, ModelError};

/// One matrix of each expert, with a bias if the file has one.
pub(crate) struct ExpertMatrices {
    pub(super) matrix: Arc<QMatrix>,
    /// `[count, outputs]`.
    bias: Option<Vec<f32>>,
    /// Those on a device, for candle.
    tensors: Vec<(QMatMul, Option<Tensor>)>,
}

impl ExpertMatrices {
    /// `bytes` are those that the matrices were made of.
    pub(crate) fn new(
        matrix: Arc<QMatrix>,
        bytes: &[u8],
        bias: Option<Vec<f32>>,
        compute: &Compute,
    ) -> Result<Self, ModelError> {
        let each = bytes.len() / matrix.shape().count;
        let tensors = match compute.has_kernels() {
            true => Vec::new(),
            false => {
                let one = |(expert, bytes)| {
                    let bias = bias.as_deref().map(|bias| of_expert(bias, &matrix, expert));
                    let bias = bias.map(|bias| Tensor::new(bias, compute.device())).transpose()?;
                    Ok((on_device(&matrix, bytes, compute.device())?, bias))
                };
                bytes.chunks_exact(each.max(1)).enumerate().map(one).collect::<Result<_, ModelError>>()?
            }
        };
        Ok(ExpertMatrices { matrix, bias, tensors })
    }

    /// Adds each expert's bias to its rows of `out`, which are sorted by expert.
    pub(super) fn add_bias(
        &self,
        pool: &Pool,
        groups: &[ExpertRows],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let Some(bias) = &self.bias else { return Ok(()) };
        let width = self.matrix.rows();
        for group in groups {
            let rows = &mut out[group.first as usize * width..][..group.len as usize * width];
            lantern_kernels::add(pool, rows, of_expert(bias, &self.matrix, group.expert as usize))?;
        }
        Ok(())
    }

    /// The product with the matrix of a group's expert, on a device.
    pub(crate) fn forward_tensor(&self, group: &ExpertRows, x: &Tensor) -> Result<Tensor, ModelError> {
        let Some((matrix, bias)) = self.tensors.get(group.expert as usize) else {
            return Err(ModelError::BadBatch("matrices for kernels were given a tensor".to_owned()));
        };
        let y = matrix.forward(&x.contiguous()?)?;
        match bias {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }
}

/// The bias of one expert.
fn of_expert<'a>(bias: &'a [f32], matrix: &QMatrix, expert: usize) -> &'a [f32] {
    &bias[expert * matrix.rows()..][..matrix.rows()]
}
