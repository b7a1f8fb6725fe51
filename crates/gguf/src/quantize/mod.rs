//! From numbers to blocks: the inverse of [`crate::blocks`], for writing files.
//!
//! Rounding to the nearest integer is the easy part; which scale the integers are rounded for decides the quality. The
//! types of 32 values take the scale that the largest value asks for. The K types search: several scales are tried for
//! each group, each is improved by least squares, and the one with the smallest weighted error stays (`fit`). Slow
//! beside any kernel, and meant for files that are written once.

mod fit;
mod k_quants;
mod simple;

use half::{bf16, f16};

use crate::{GgmlType, GgufError};

/// Whether [`quantize`] can write this type.
pub const fn can_quantize(ty: GgmlType) -> bool {
    use GgmlType::{BF16, F16, F32, Q4K, Q5_0, Q6K, Q8_0};
    matches!(ty, F32 | F16 | BF16 | Q8_0 | Q6K | Q5_0 | Q4K)
}

/// Writes `values`, whole blocks of type `ty`, to `out`.
///
/// Fails when the lengths do not agree or the type cannot be written. A value that is not finite spoils its block:
/// whoever calls this looks for such values.
pub fn quantize(ty: GgmlType, values: &[f32], out: &mut [u8]) -> Result<(), GgufError> {
    if ty.row_bytes(values.len()) != Some(out.len()) {
        return Err(GgufError::BlockLength { ty, bytes: out.len(), values: values.len() });
    }
    match ty {
        GgmlType::F32 => plain(values, out, f32::to_le_bytes),
        GgmlType::F16 => plain(values, out, |v| f16::from_f32(v).to_le_bytes()),
        GgmlType::BF16 => plain(values, out, |v| bf16::from_f32(v).to_le_bytes()),
        GgmlType::Q8_0 => blocks(values, out, simple::q8_0),
        GgmlType::Q5_0 => blocks(values, out, simple::q5_0),
        GgmlType::Q4K => blocks(values, out, k_quants::q4_k),
        GgmlType::Q6K => blocks(values, out, k_quants::q6_k),
        _ => return Err(GgufError::NoQuantisation { ty }),
    }
    Ok(())
}

/// As [`quantize`], on several threads.
pub fn quantize_on(ty: GgmlType, values: &[f32], out: &mut [u8], threads: usize) -> Result<(), GgufError> {
    let blocks = values.len() / ty.block_size();
    let each = blocks.div_ceil(threads.max(1)).max(1);
    if threads <= 1 || ty.row_bytes(values.len()) != Some(out.len()) {
        return quantize(ty, values, out);
    }
    let parts = values.chunks(each * ty.block_size()).zip(out.chunks_mut(each * ty.block_bytes()));
    std::thread::scope(|scope| {
        let running: Vec<_> =
            parts.map(|(values, out)| scope.spawn(move || quantize(ty, values, out))).collect();
        let panicked = || Err(GgufError::NoQuantisation { ty });
        running.into_iter().try_for_each(|part| part.join().unwrap_or_else(|_| panicked()))
    })
}

fn plain<const N: usize>(values: &[f32], out: &mut [u8], write: impl Fn(f32) -> [u8; N]) {
    for (value, raw) in values.iter().zip(out.as_chunks_mut::<N>().0) {
        *raw = write(*value);
    }
}

fn blocks<const N: usize, const B: usize>(
    values: &[f32],
    out: &mut [u8],
    block: impl Fn(&[f32; N], &mut [u8; B]),
) {
    for (values, out) in values.as_chunks::<N>().0.iter().zip(out.as_chunks_mut::<B>().0) {
        block(values, out);
    }
}

/// A scale as the file keeps it, and what that is worth.
fn half(scale: f32) -> (f32, [u8; 2]) {
    let half = f16::from_f32(scale);
    (half.to_f32(), half.to_le_bytes())
}

/// `1 / scale`, and 0 for a scale of nothing.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

#[cfg(test)]
mod tests;
