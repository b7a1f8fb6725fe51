//! Block types with AVX2 code of their own: where their integers and scales are.
//!
//! Layouts as in `lantern_gguf::blocks`, which says what each byte means. Types without an entry here go through
//! the portable unpacking.

use std::arch::x86_64::*;

use lantern_gguf::GgmlType;

use super::integers::two_rows_at_once;
use super::loads::*;
use super::{Fill, Layout, Scales, entry_points};
use crate::dot::{ROWS, TileFn};

/// The kernels of a type that has some.
pub fn specialised(ty: GgmlType) -> Option<(Fill, TileFn)> {
    Some(match ty {
        GgmlType::Q4_0 => entry_points!(Q4_0),
        GgmlType::Q4_1 => entry_points!(Q4_1),
        GgmlType::Q5_0 => entry_points!(Q5_0),
        GgmlType::Q5_1 => entry_points!(Q5_1),
        GgmlType::Q8_0 => entry_points!(Q8_0),
        GgmlType::Q2K => entry_points!(Q2K),
        GgmlType::Q3K => entry_points!(Q3K),
        GgmlType::Q4K => entry_points!(Q4K),
        GgmlType::Q5K => entry_points!(Q5K),
        GgmlType::Q6K => entry_points!(Q6K),
        GgmlType::IQ4NL => entry_points!(Iq4Nl),
        GgmlType::IQ4XS => entry_points!(Iq4Xs),
        GgmlType::MXFP4 => entry_points!(Mxfp4),
        _ => return None,
    })
}

/// Declares a layout; the bodies of its functions may load from the block they are given.
macro_rules! layout {
    (
        $(#[$doc:meta])* $name:ident: $bytes:literal bytes, $subs:literal parts, $bits:literal bits,
        groups of $group:literal, min $min:literal;
        $(dots($from:ident, $distance:ident, $x:ident) $dots:block)?
        quants<$j:ident>($block:ident) $quants:block
        scales($first:ident, $stride:ident, $to:ident) $scales:block
    ) => {
        $(#[$doc])*
        #[allow(non_camel_case_types)]
        struct $name;

        impl Layout for $name {
            const BYTES: usize = $bytes;
            const SUBS: usize = $subs;
            const BITS: u32 = $bits;
            const GROUP: usize = $group;
            const MIN: bool = $min;

            $(#[inline(always)]
            unsafe fn dots<const J: usize>($from: *const u8, $distance: usize, $x: *const i8) -> [__m256i; 2] {
                // SAFETY: loads stay inside the eight blocks the caller vouches for.
                unsafe { $dots }
            })?

            #[inline(always)]
            unsafe fn quants<const $j: usize>($block: *const u8) -> __m256i {
                // SAFETY: loads stay inside the block, whose bytes the caller vouches for.
                unsafe { $quants }
            }

            #[inline(always)]
            unsafe fn scales($first: *const u8, $stride: usize, $to: &mut Scales) {
                // SAFETY: loads stay inside the eight blocks the caller vouches for.
                unsafe { $scales }
            }
        }
    };
}

layout! {
    /// d, 32 halves.
    Q4_0: 18 bytes, 1 parts, 4 bits, groups of 32, min false;
    dots(first, stride, x) { two_rows_at_once::<4>(first.wrapping_add(2), first, stride, x) }
    quants<J>(block) { halves(block.wrapping_add(2)) }
    scales(first, stride, to) { to.scale[0] = one_half_float(first, stride) }
}

layout! {
    /// d, m, 32 halves.
    Q4_1: 20 bytes, 1 parts, 4 bits, groups of 32, min true;
    dots(first, stride, x) { two_rows_at_once::<4>(first.wrapping_add(4), first, stride, x) }
    quants<J>(block) { halves(block.wrapping_add(4)) }
    scales(first, stride, to) { (to.scale[0], to.min[0]) = two_half_floats(eight_u32(first, stride)) }
}

layout! {
    /// d, fifth bits, 32 halves.
    Q5_0: 22 bytes, 1 parts, 5 bits, groups of 32, min false;
    dots(first, stride, x) { two_rows_at_once::<5>(first.wrapping_add(6), first.wrapping_add(2), stride, x) }
    quants<J>(block) { _mm256_or_si256(halves(block.wrapping_add(6)), fifth_bits(block.wrapping_add(2))) }
    scales(first, stride, to) { to.scale[0] = one_half_float(first, stride) }
}

layout! {
    /// d, m, fifth bits, 32 halves.
    Q5_1: 24 bytes, 1 parts, 5 bits, groups of 32, min true;
    dots(first, stride, x) { two_rows_at_once::<5>(first.wrapping_add(8), first.wrapping_add(4), stride, x) }
    quants<J>(block) { _mm256_or_si256(halves(block.wrapping_add(8)), fifth_bits(block.wrapping_add(4))) }
    scales(first, stride, to) { (to.scale[0], to.min[0]) = two_half_floats(eight_u32(first, stride)) }
}

layout! {
    /// d, 32 signed bytes.
    Q8_0: 34 bytes, 1 parts, 8 bits, groups of 32, min false;
    quants<J>(block) { load(block.wrapping_add(2)) }
    scales(first, stride, to) { to.scale[0] = one_half_float(first, stride) }
}

layout! {
    /// d, 32 indices.
    Iq4Nl: 18 bytes, 1 parts, 8 bits, groups of 32, min false;
    quants<J>(block) {
        let table = _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves(block.wrapping_add(2)))
    }
    scales(first, stride, to) { to.scale[0] = one_half_float(first, stride) }
}

layout! {
    /// d, upper bits of scales, lower bits of scales, 8 times 32 indices.
    Iq4Xs: 136 bytes, 8 parts, 8 bits, groups of 32, min false;
    quants<J>(block) {
        let table = _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves(block.wrapping_add(8 + 16 * J)))
    }
    scales(first, stride, to) {
        let d = one_half_float(first, stride);
        let mut high = _mm256_srli_epi32(eight_u32(first, stride), 16);
        let mut low = eight_u32(first.wrapping_add(4), stride);
        for g in 0..8 {
            let upper = _mm256_slli_epi32(_mm256_and_si256(high, _mm256_set1_epi32(3)), 4);
            let scale = _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi32(15)), upper);
            let scale = _mm256_sub_epi32(scale, _mm256_set1_epi32(32));
            to.scale[g] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(scale));
            high = _mm256_srli_epi32(high, 2);
            low = _mm256_srli_epi32(low, 4);
        }
    }
}

layout! {
    /// Power of two, 32 indices; the integers are doubled values plus 16.
    Mxfp4: 17 bytes, 1 parts, 5 bits, groups of 32, min false;
    quants<J>(block) {
        let table = _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4);
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves(block.wrapping_add(1)))
    }
    scales(first, stride, to) {
        let mut exponents = [0i32; ROWS];
        for (r, e) in exponents.iter_mut().enumerate() {
            *e = i32::from(*first.wrapping_add(r * stride));
        }
        let e = _mm256_loadu_si256(exponents.as_ptr().cast());
        let normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
        let subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x0020_0000), e);
        let small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
        to.scale[0] = _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, small));
    }
}

layout! {
    /// Scales and minimums in halves of 16 bytes, 64 bytes of bit pairs, d, dmin.
    Q2K: 84 bytes, 8 parts, 2 bits, groups of 16, min true;
    quants<J>(block) { pairs_of(load(block.wrapping_add(16 + J / 4 * 32)), J % 4) }
    scales(first, stride, to) {
        let (d, dmin) = two_half_floats(eight_u32(first.wrapping_add(80), stride));
        let minus = _mm256_xor_ps(dmin, _mm256_set1_ps(-0.0));
        let fours = four_u32(first, stride);
        for g in 0..16 {
            to.scale[g] = _mm256_mul_ps(d, byte_of(half_of(fours[g / 4], 0), g % 4));
            to.min[g] = _mm256_mul_ps(minus, byte_of(half_of(fours[g / 4], 1), g % 4));
        }
    }
}

layout! {
    /// 32 bytes of third bits, 64 bytes of bit pairs, 12 bytes of scales, d.
    Q3K: 110 bytes, 8 parts, 3 bits, groups of 16, min false;
    quants<J>(block) {
        let bits = load(block);
        let third = match J {
            0 => _mm256_slli_epi16(bits, 2),
            1 => _mm256_slli_epi16(bits, 1),
            2 => bits,
            3 => _mm256_srli_epi16(bits, 1),
            4 => _mm256_srli_epi16(bits, 2),
            5 => _mm256_srli_epi16(bits, 3),
            6 => _mm256_srli_epi16(bits, 4),
            _ => _mm256_srli_epi16(bits, 5),
        };
        let low = pairs_of(load(block.wrapping_add(32 + J / 4 * 32)), J % 4);
        _mm256_or_si256(low, _mm256_and_si256(third, _mm256_set1_epi8(4)))
    }
    scales(first, stride, to) {
        let d = one_half_float(first.wrapping_add(108), stride);
        let (a, b) = (eight_u32(first.wrapping_add(96), stride), eight_u32(first.wrapping_add(100), stride));
        let lower = [half_of(a, 0), half_of(b, 0), half_of(a, 1), half_of(b, 1)];
        let mut upper = eight_u32(first.wrapping_add(104), stride);
        for (i, low) in lower.into_iter().enumerate() {
            let high = _mm256_slli_epi32(_mm256_and_si256(upper, _mm256_set1_epi8(3)), 4);
            let four = _mm256_or_si256(low, high);
            for g in 0..4 {
                let scale = _mm256_sub_ps(byte_of(four, g), _mm256_set1_ps(32.0));
                to.scale[4 * i + g] = _mm256_mul_ps(d, scale);
            }
            upper = _mm256_srli_epi32(upper, 2);
        }
    }
}

layout! {
    /// d, dmin, scales; 128 bytes of halves.
    Q4K: 144 bytes, 8 parts, 4 bits, groups of 32, min true;
    quants<J>(block) { half_of(load(block.wrapping_add(16 + J / 2 * 32)), J % 2) }
    scales(first, stride, to) { six_bit_scales(first, stride, to) }
}

layout! {
    /// d, dmin, scales; 32 bytes of fifth bits; 128 bytes of halves.
    Q5K: 176 bytes, 8 parts, 5 bits, groups of 32, min true;
    quants<J>(block) {
        let low = half_of(load(block.wrapping_add(48 + J / 2 * 32)), J % 2);
        let bits = load(block.wrapping_add(16));
        let fifth = match J {
            0 => _mm256_slli_epi16(bits, 4),
            1 => _mm256_slli_epi16(bits, 3),
            2 => _mm256_slli_epi16(bits, 2),
            3 => _mm256_slli_epi16(bits, 1),
            4 => bits,
            5 => _mm256_srli_epi16(bits, 1),
            6 => _mm256_srli_epi16(bits, 2),
            _ => _mm256_srli_epi16(bits, 3),
        };
        _mm256_or_si256(low, _mm256_and_si256(fifth, _mm256_set1_epi8(16)))
    }
    scales(first, stride, to) { six_bit_scales(first, stride, to) }
}

layout! {
    /// 128 bytes of halves, 64 bytes of upper bit pairs, 16 signed scales, d.
    Q6K: 210 bytes, 8 parts, 6 bits, groups of 16, min false;
    quants<J>(block) {
        let low = half_of(load(block.wrapping_add(J / 4 * 64 + J % 2 * 32)), J / 2 % 2);
        let pairs = load(block.wrapping_add(128 + J / 4 * 32));
        let high = match J % 4 {
            0 => _mm256_slli_epi16(pairs, 4),
            1 => _mm256_slli_epi16(pairs, 2),
            2 => pairs,
            _ => _mm256_srli_epi16(pairs, 2),
        };
        _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(0x30)))
    }
    scales(first, stride, to) {
        let d = one_half_float(first.wrapping_add(208), stride);
        let fours = four_u32(first.wrapping_add(192), stride);
        for g in 0..16 {
            // The scale's byte moves to the top, so that shifting it back brings its sign along.
            let four = fours[g / 4];
            let top = match g % 4 {
                0 => _mm256_slli_epi32(four, 24),
                1 => _mm256_slli_epi32(four, 16),
                2 => _mm256_slli_epi32(four, 8),
                _ => four,
            };
            to.scale[g] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_srai_epi32(top, 24)));
        }
    }
}

/// The header of Q4_K and Q5_K: d, dmin, then eight scales and minimums of six bits in twelve bytes.
#[inline(always)]
unsafe fn six_bit_scales(first: *const u8, stride: usize, to: &mut Scales) {
    // SAFETY: the header is 16 bytes long.
    unsafe {
        let [floats, a, b, c] = four_u32(first, stride);
        let (d, dmin) = two_half_floats(floats);
        let six = _mm256_set1_epi8(0x3f);
        let scales = [_mm256_and_si256(a, six), six_bits(c, a)];
        let mins = [_mm256_and_si256(b, six), six_bits(_mm256_srli_epi32(c, 4), b)];
        let minus = _mm256_xor_ps(dmin, _mm256_set1_ps(-0.0));
        for g in 0..8 {
            to.scale[g] = _mm256_mul_ps(d, byte_of(scales[g / 4], g % 4));
            to.min[g] = _mm256_mul_ps(minus, byte_of(mins[g / 4], g % 4));
        }
    }
}

/// In each byte, the lower half of `low` and above it the highest two bits of `high`.
#[inline(always)]
unsafe fn six_bits(low: __m256i, high: __m256i) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe {
        let high = _mm256_and_si256(_mm256_srli_epi32(high, 2), _mm256_set1_epi8(0x30));
        _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(0x0f)), high)
    }
}
