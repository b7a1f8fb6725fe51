//! Token embeddings. The table stays as the file has it; only the rows of a batch are turned into numbers.

use std::sync::Arc;

use candle_core::Tensor;
use lantern_gguf::{GgmlType, TensorBytes, dequantize};

use super::Matrix;
use crate::{Compute, ModelError};

/// The table of token embeddings, in host memory on every device.
pub(crate) struct Embedding {
    /// The kernels' view of the table, shared with a tied output layer.
    matrix: Option<Arc<Matrix>>,
    ty: GgmlType,
    bytes: TensorBytes,
    vocab: usize,
    hidden: usize,
    scale: Option<f32>,
    compute: Compute,
}

impl Embedding {
    pub(crate) fn new(
        matrix: Option<Arc<Matrix>>,
        ty: GgmlType,
        bytes: TensorBytes,
        vocab: usize,
        hidden: usize,
        compute: &Compute,
    ) -> Self {
        Embedding { matrix, ty, bytes, vocab, hidden, scale: None, compute: compute.clone() }
    }

    /// Multiplies every embedding by `scale`.
    pub(crate) fn scaled(self, scale: f32) -> Self {
        Embedding { scale: Some(scale), ..self }
    }

    /// The tokens' embeddings, `[tokens.len(), hidden]`.
    pub(crate) fn forward(&self, tokens: &[u32]) -> Result<Tensor, ModelError> {
        let mut out = vec![0.0; tokens.len() * self.hidden];
        match self.matrix.as_deref() {
            Some(Matrix::Host(matrix)) => lantern_kernels::embed(matrix, tokens, &mut out)?,
            _ => self.read_rows(tokens, &mut out)?,
        }
        if let Some(scale) = self.scale {
            out.iter_mut().for_each(|x| *x *= scale);
        }
        self.compute.tensor(out, self.hidden)
    }

    fn read_rows(&self, tokens: &[u32], out: &mut [f32]) -> Result<(), ModelError> {
        let row_bytes = self.bytes.len() / self.vocab;
        for (&token, row) in tokens.iter().zip(out.chunks_exact_mut(self.hidden)) {
            let start = token as usize * row_bytes;
            dequantize(self.ty, &self.bytes[start..start + row_bytes], row)?;
        }
        Ok(())
    }
}
