//! One block in AVX2's registers: the same numbers as the portable code.

// Arrays are walked by loops, because closures would not become part of the kernel.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::{BLOCK, Block, ROUND, scales};

/// Blocks in AVX2's registers.
pub(super) struct Avx2;

impl Block for Avx2 {
    #[inline(always)]
    unsafe fn quantize(x: &[f32; BLOCK], q: &mut [i8; BLOCK]) -> (f32, [i32; 2]) {
        // SAFETY: loads and the store stay inside the arrays, and the caller has the instruction set.
        unsafe {
            let mut numbers = [_mm256_setzero_ps(); 4];
            for i in 0..4 {
                numbers[i] = _mm256_loadu_ps(x.as_ptr().wrapping_add(8 * i));
            }
            let (scale, inverse) = scales(f32::from_bits(top(numbers).cast_unsigned()));
            let (inverse, round) = (_mm256_set1_ps(inverse), _mm256_set1_ps(ROUND));
            let mut values = [_mm256_setzero_si256(); 4];
            for i in 0..4 {
                let bits = _mm256_castps_si256(_mm256_add_ps(_mm256_mul_ps(numbers[i], inverse), round));
                // The integer is the low byte; moved up and down again it has its sign.
                values[i] = _mm256_srai_epi32(_mm256_slli_epi32(bits, 24), 24);
            }
            let first = _mm256_packs_epi32(values[0], values[1]);
            let second = _mm256_packs_epi32(values[2], values[3]);
            // Packing goes by 128 bits, which leaves fours in the order 0 2 4 6 1 3 5 7.
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order);
            _mm256_storeu_si256(q.as_mut_ptr().cast(), bytes);
            let one = _mm256_set1_epi16(1);
            let fours = _mm256_hadd_epi32(_mm256_madd_epi16(first, one), _mm256_madd_epi16(second, one));
            let fours = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
            let sums = _mm_hadd_epi32(fours, fours);
            (scale, [_mm_extract_epi32(sums, 0), _mm_extract_epi32(sums, 1)])
        }
    }
}

/// The bits of the largest magnitude: magnitudes compare as their bits do.
#[inline(always)]
unsafe fn top(x: [__m256; 4]) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        let mut eight = _mm256_setzero_si256();
        for i in 0..4 {
            let magnitude = _mm256_and_si256(_mm256_castps_si256(x[i]), _mm256_set1_epi32(i32::MAX));
            eight = _mm256_max_epi32(eight, magnitude);
        }
        let four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
        let two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
        _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 1)))
    }
}
