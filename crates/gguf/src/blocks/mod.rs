//! Exact values of every block type: the reference other code is compared with.

use crate::{GgmlType, GgufError};

/// Writes the values of `bytes`, whole blocks of type `ty`, to `out`.
///
/// Scalar and exact. Fails when the lengths do not agree or the type has no values of its own.
pub fn dequantize(ty: GgmlType, bytes: &[u8], out: &mut [f32]) -> Result<(), GgufError> {
    let expected = ty.row_bytes(out.len());
    if expected != Some(bytes.len()) {
        return Err(GgufError::BlockLength { ty, bytes: bytes.len(), values: out.len() });
    }
    Err(GgufError::NoDequantisation { ty })
}
