//! Exact values of every block type: the reference other code is compared with.
//!
//! Every quantised type here has one common form, [`Affine`]: small unsigned integers in groups of 16 or 32, each
//! group with a scale and perhaps a minimum. The files beside this one bring a block into that form;
//! [`dequantize`] and the kernels build on it. Block layouts follow ggml's `ggml-common.h`.

mod codebook;
mod grids;
mod iq;
mod k_quants;
mod simple;
mod ternary;

use half::{bf16, f16};

use crate::{GgmlType, GgufError};

/// How the integers of a quantised type become values: `scale · (q − offset) + min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affine {
    /// Values that share a scale: 16 or 32.
    pub group: usize,
    /// Every `q` is below 2 to this power.
    pub bits: u32,
    /// Subtracted from every `q`; 0 when the type has minimums.
    pub offset: u8,
    /// True when each group adds a minimum of its own.
    pub has_min: bool,
}

/// The common form of `ty`; `None` for plain numbers and for types that cannot be read yet.
pub const fn affine(ty: GgmlType) -> Option<Affine> {
    let (group, bits, offset, has_min) = match ty {
        GgmlType::Q4_0 => (32, 4, 8, false),
        GgmlType::Q4_1 => (32, 4, 0, true),
        GgmlType::Q5_0 => (32, 5, 16, false),
        GgmlType::Q5_1 => (32, 5, 0, true),
        GgmlType::Q8_0 => (32, 8, 128, false),
        GgmlType::Q2K => (16, 2, 0, true),
        GgmlType::Q3K => (16, 3, 4, false),
        GgmlType::Q4K => (32, 4, 0, true),
        GgmlType::Q5K => (32, 5, 0, true),
        GgmlType::Q6K => (16, 6, 32, false),
        GgmlType::IQ4NL | GgmlType::IQ4XS => (32, 8, 128, false),
        GgmlType::MXFP4 => (32, 5, 16, false),
        GgmlType::NVFP4 => (16, 5, 16, false),
        GgmlType::IQ2XXS | GgmlType::IQ3XXS => (32, 8, 128, false),
        GgmlType::IQ2XS | GgmlType::IQ2S => (16, 8, 128, false),
        GgmlType::IQ3S | GgmlType::IQ1S => (32, 5, 16, false),
        GgmlType::IQ1M => (16, 5, 16, false),
        GgmlType::TQ1_0 | GgmlType::TQ2_0 | GgmlType::Q1_0 | GgmlType::Q2_0 => (32, 2, 1, false),
        _ => return None,
    };
    Some(Affine { group, bits, offset, has_min })
}

/// The sixteen integers that the four bits of `ty` choose from; `None` where the bits are the integer.
pub const fn codebook(ty: GgmlType) -> Option<&'static [u8; 16]> {
    match ty {
        GgmlType::IQ4NL | GgmlType::IQ4XS => Some(&codebook::IQ4),
        GgmlType::MXFP4 => Some(&codebook::E2M1),
        _ => None,
    }
}

/// The integers, scales and minimums of one block.
///
/// `scales` and `mins` are computed without rounding; entries past the block's own are left alone, and `mins` is
/// untouched for types without minimums.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// The integers, in the order of the values.
    pub q: [u8; 256],
    /// One scale a group.
    pub scales: [f32; 16],
    /// One minimum a group.
    pub mins: [f32; 16],
}

impl Unpacked {
    /// Room for one block of any type.
    pub const fn new() -> Self {
        Unpacked { q: [0; 256], scales: [0.0; 16], mins: [0.0; 16] }
    }

    /// Writes the values of the block to `out`, as many as that has room for.
    pub fn values(&self, form: Affine, out: &mut [f32]) {
        for (g, group) in out.chunks_exact_mut(form.group).enumerate() {
            let (scale, min) = (self.scales[g], self.mins[g]);
            for (value, &q) in group.iter_mut().zip(&self.q[g * form.group..]) {
                let scaled = scale * f32::from(i16::from(q) - i16::from(form.offset));
                *value = if form.has_min { scaled + min } else { scaled };
            }
        }
    }
}

impl Default for Unpacked {
    fn default() -> Self {
        Self::new()
    }
}

/// Brings one block into the common form.
///
/// # Panics
/// When `block` is shorter than a block of `ty`, or `ty` has no [`affine`] form.
pub fn unpack(ty: GgmlType, block: &[u8], to: &mut Unpacked) {
    match ty {
        GgmlType::Q4_0 => simple::q4_0(block, to),
        GgmlType::Q4_1 => simple::q4_1(block, to),
        GgmlType::Q5_0 => simple::q5_0(block, to),
        GgmlType::Q5_1 => simple::q5_1(block, to),
        GgmlType::Q8_0 => simple::q8_0(block, to),
        GgmlType::Q2K => k_quants::q2_k(block, to),
        GgmlType::Q3K => k_quants::q3_k(block, to),
        GgmlType::Q4K => k_quants::q4_k(block, to),
        GgmlType::Q5K => k_quants::q5_k(block, to),
        GgmlType::Q6K => k_quants::q6_k(block, to),
        GgmlType::IQ4NL => codebook::iq4_nl(block, to),
        GgmlType::IQ4XS => codebook::iq4_xs(block, to),
        GgmlType::MXFP4 => codebook::mxfp4(block, to),
        GgmlType::NVFP4 => codebook::nvfp4(block, to),
        GgmlType::IQ2XXS => iq::iq2_xxs(block, to),
        GgmlType::IQ2XS => iq::iq2_xs(block, to),
        GgmlType::IQ2S => iq::iq2_s(block, to),
        GgmlType::IQ3XXS => iq::iq3_xxs(block, to),
        GgmlType::IQ3S => iq::iq3_s(block, to),
        GgmlType::IQ1S => iq::iq1_s(block, to),
        GgmlType::IQ1M => iq::iq1_m(block, to),
        GgmlType::TQ1_0 => ternary::tq1_0(block, to),
        GgmlType::TQ2_0 => ternary::tq2_0(block, to),
        GgmlType::Q1_0 => ternary::q1_0(block, to),
        GgmlType::Q2_0 => ternary::q2_0(block, to),
        other => unreachable!("{other} has no affine form; callers ask `affine` first"),
    }
}

/// Writes the values of `bytes`, whole blocks of type `ty`, to `out`.
///
/// Scalar and exact. Fails when the lengths do not agree or the type cannot be read yet.
pub fn dequantize(ty: GgmlType, bytes: &[u8], out: &mut [f32]) -> Result<(), GgufError> {
    if ty.row_bytes(out.len()) != Some(bytes.len()) {
        return Err(GgufError::BlockLength { ty, bytes: bytes.len(), values: out.len() });
    }
    match ty {
        GgmlType::F32 => plain(bytes, out, f32::from_le_bytes),
        GgmlType::F16 => plain(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
        GgmlType::BF16 => plain(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        _ => {
            let form = affine(ty).ok_or(GgufError::NoDequantisation { ty })?;
            blocks(ty, form, bytes, out);
        }
    }
    Ok(())
}

fn plain<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
    for (value, raw) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *value = read(*raw);
    }
}

fn blocks(ty: GgmlType, form: Affine, bytes: &[u8], out: &mut [f32]) {
    let mut unpacked = Unpacked::new();
    for (block, values) in bytes.chunks_exact(ty.block_bytes()).zip(out.chunks_exact_mut(ty.block_size())) {
        unpack(ty, block, &mut unpacked);
        unpacked.values(form, values);
    }
}

/// The little-endian half float at `at`.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Splits 16 bytes into 32 integers: the low halves first, then the high ones.
fn nibbles(packed: &[u8], q: &mut [u8]) {
    for (i, &byte) in packed[..16].iter().enumerate() {
        q[i] = byte & 15;
        q[i + 16] = byte >> 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_are_refused() {
        let error = dequantize(GgmlType::Q4_0, &[0; 17], &mut [0.0; 32]).unwrap_err();
        assert_eq!(error, GgufError::BlockLength { ty: GgmlType::Q4_0, bytes: 17, values: 32 });
        assert_eq!(error.code(), "bad_tensor");
    }

    #[test]
    fn types_without_values_are_named() {
        for ty in [GgmlType::Q8K, GgmlType::Q8_1, GgmlType::I8] {
            let bytes = vec![0; ty.block_bytes()];
            let error = dequantize(ty, &bytes, &mut vec![0.0; ty.block_size()]).unwrap_err();
            assert_eq!(error, GgufError::NoDequantisation { ty });
            assert_eq!(error.code(), "unsupported_tensor_type");
        }
    }

    #[test]
    fn plain_numbers_keep_their_value() {
        let mut out = [0.0; 2];
        dequantize(GgmlType::F32, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], &mut out).unwrap();
        assert_eq!(out, [1.0, -2.0]);
        dequantize(GgmlType::F16, &[0, 0x3c, 0, 0xc0], &mut out).unwrap();
        assert_eq!(out, [1.0, -2.0]);
        dequantize(GgmlType::BF16, &[0x80, 0x3f, 0, 0xc0], &mut out).unwrap();
        assert_eq!(out, [1.0, -2.0]);
    }

    #[test]
    fn every_integer_stays_below_its_bits() {
        for &ty in GgmlType::ALL {
            let Some(form) = affine(ty) else { continue };
            let mut unpacked = Unpacked::new();
            for fill in [0x00, 0x5a, 0xa5, 0xff] {
                unpack(ty, &vec![fill; ty.block_bytes()], &mut unpacked);
                let top = unpacked.q[..ty.block_size()].iter().copied().max().unwrap_or(0);
                assert!(u32::from(top) < 1 << form.bits, "{ty}: {top} needs more than {} bits", form.bits);
            }
            assert!(
                form.offset == 0 || !form.has_min,
                "{ty}: kernels expect an offset or minimums, not both"
            );
        }
    }
}
