//! A weight matrix as the file has it, checked once so that kernels may trust its size.

use lantern_gguf::{GgmlType, TensorBytes, blocks, dequantize};

use crate::KernelError;
use crate::error::check_len;

/// A matrix of `rows × cols` weights, row after row, in the layout of its block type.
#[derive(Debug, Clone)]
pub struct QMatrix {
    ty: GgmlType,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: TensorBytes,
}

impl QMatrix {
    /// Takes `bytes` as a matrix. Fails when the type has no kernel or the bytes do not fill the matrix exactly.
    pub fn new(ty: GgmlType, rows: usize, cols: usize, bytes: TensorBytes) -> Result<Self, KernelError> {
        let plain = matches!(ty, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16);
        if !plain && blocks::affine(ty).is_none() {
            return Err(KernelError::UnsupportedType { ty });
        }
        let wrong = KernelError::WeightSize { ty, rows, cols, bytes: bytes.len() };
        match ty.row_bytes(cols) {
            Some(row_bytes) if row_bytes.checked_mul(rows) == Some(bytes.len()) => {
                Ok(QMatrix { ty, rows, cols, row_bytes, bytes })
            }
            _ => Err(wrong),
        }
    }

    /// Number of rows, which is the number of outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, which is the number of inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The block type.
    pub fn ty(&self) -> GgmlType {
        self.ty
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// All bytes; exactly `rows · row_bytes`.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of one row.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        &self.bytes()[row * self.row_bytes..][..self.row_bytes]
    }
}

/// Writes the values of the rows `ids` to `out`, `[ids.len(), cols]`.
pub fn embed(w: &QMatrix, ids: &[u32], out: &mut [f32]) -> Result<(), KernelError> {
    check_len("the embedding's output", out.len(), ids.len().checked_mul(w.cols))?;
    if w.cols == 0 {
        return Ok(());
    }
    for (&id, values) in ids.iter().zip(out.chunks_exact_mut(w.cols)) {
        let row = id as usize;
        if row >= w.rows {
            return Err(KernelError::Index { what: "token id", index: row, limit: w.rows });
        }
        dequantize(w.ty, w.row(row), values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_types_are_checked() {
        let q8 = |rows, cols, bytes| QMatrix::new(GgmlType::Q8_0, rows, cols, vec![0; bytes].into());
        assert!(q8(2, 64, 136).is_ok());
        assert_eq!(q8(2, 64, 135).unwrap_err().code(), "bad_tensor");
        assert_eq!(q8(2, 65, 136).unwrap_err().code(), "bad_tensor");
        assert_eq!(q8(usize::MAX, 64, 136).unwrap_err().code(), "bad_tensor");
        let odd = QMatrix::new(GgmlType::IQ1S, 1, 256, vec![0; 50].into());
        assert_eq!(odd.unwrap_err().code(), "unsupported_tensor_type");
    }

    #[test]
    fn embedding_takes_rows_in_any_order() {
        let values: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let w = QMatrix::new(GgmlType::F32, 3, 2, values.into()).unwrap();
        let mut out = [0.0; 6];
        embed(&w, &[2, 0, 2], &mut out).unwrap();
        assert_eq!(out, [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        let error = embed(&w, &[3], &mut out[..2]).unwrap_err();
        assert_eq!(error, KernelError::Index { what: "token id", index: 3, limit: 3 });
    }
}
