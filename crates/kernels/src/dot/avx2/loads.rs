//! Small pieces of the layouts: bytes to integers, and the same place of eight rows to one register.
//!
//! Every function wants AVX2 and F16C, and readable bytes as its comment says.

use std::arch::x86_64::*;

#[inline(always)]
pub unsafe fn load(from: *const u8) -> __m256i {
    // SAFETY: 32 readable bytes by the callers' offsets.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// The lower (`which` 0) or upper halves of 32 bytes.
#[inline(always)]
pub unsafe fn half_of(bytes: __m256i, which: usize) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe {
        let bytes = if which == 0 { bytes } else { _mm256_srli_epi16(bytes, 4) };
        _mm256_and_si256(bytes, _mm256_set1_epi8(15))
    }
}

/// The bit pairs at place `which` of 32 bytes.
#[inline(always)]
pub unsafe fn pairs_of(bytes: __m256i, which: usize) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe {
        let bytes = match which {
            0 => bytes,
            1 => _mm256_srli_epi16(bytes, 2),
            2 => _mm256_srli_epi16(bytes, 4),
            _ => _mm256_srli_epi16(bytes, 6),
        };
        _mm256_and_si256(bytes, _mm256_set1_epi8(3))
    }
}

/// 32 integers from 16 bytes: lower halves first.
#[inline(always)]
pub unsafe fn halves(from: *const u8) -> __m256i {
    // SAFETY: 16 readable bytes by the callers' offsets.
    unsafe {
        let twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast()));
        let shifted = _mm256_srlv_epi32(twice, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
        _mm256_and_si256(shifted, _mm256_set1_epi8(15))
    }
}

/// 16 for each of 32 bits that is set, else 0.
#[inline(always)]
pub unsafe fn fifth_bits(from: *const u8) -> __m256i {
    // SAFETY: 4 readable bytes by the callers' offsets.
    unsafe {
        let bits = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
        let spread =
            _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
        let mask = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let bytes = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), mask);
        _mm256_and_si256(_mm256_cmpeq_epi8(bytes, mask), _mm256_set1_epi8(16))
    }
}

/// The half floats at the same place in eight rows.
#[inline(always)]
pub unsafe fn one_half_float(from: *const u8, stride: usize) -> __m256 {
    // SAFETY: 2 readable bytes in each row by the callers' offsets.
    unsafe {
        let mut eight = _mm_cvtsi32_si128(half_in_row(from, stride, 0));
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 1), 1);
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 2), 2);
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 3), 3);
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 4), 4);
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 5), 5);
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 6), 6);
        eight = _mm_insert_epi16(eight, half_in_row(from, stride, 7), 7);
        _mm256_cvtph_ps(eight)
    }
}

#[inline(always)]
unsafe fn half_in_row(from: *const u8, stride: usize, row: usize) -> i32 {
    // SAFETY: 2 readable bytes in each row by the callers' offsets.
    unsafe { i32::from(from.wrapping_add(row * stride).cast::<u16>().read_unaligned()) }
}

/// The 32-bit words at the same place in eight rows.
#[inline(always)]
pub unsafe fn eight_u32(from: *const u8, stride: usize) -> __m256i {
    // SAFETY: 4 readable bytes in each row by the callers' offsets.
    unsafe {
        let mut fours = [_mm_setzero_si128(); 2];
        for (i, four) in fours.iter_mut().enumerate() {
            *four = _mm_cvtsi32_si128(word_in_row(from, stride, 4 * i));
            *four = _mm_insert_epi32(*four, word_in_row(from, stride, 4 * i + 1), 1);
            *four = _mm_insert_epi32(*four, word_in_row(from, stride, 4 * i + 2), 2);
            *four = _mm_insert_epi32(*four, word_in_row(from, stride, 4 * i + 3), 3);
        }
        _mm256_set_m128i(fours[1], fours[0])
    }
}

#[inline(always)]
unsafe fn word_in_row(from: *const u8, stride: usize, row: usize) -> i32 {
    // SAFETY: 4 readable bytes in each row by the callers' offsets.
    unsafe { from.wrapping_add(row * stride).cast::<i32>().read_unaligned() }
}

/// The floats in the lower and in the upper half of each lane.
#[inline(always)]
pub unsafe fn two_half_floats(pairs: __m256i) -> (__m256, __m256) {
    // SAFETY: register arithmetic only.
    unsafe {
        let low = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
        let both = _mm256_packus_epi32(low, _mm256_srli_epi32(pairs, 16));
        let both = _mm256_permute4x64_epi64(both, 0b11_01_10_00);
        (_mm256_cvtph_ps(_mm256_castsi256_si128(both)), _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1)))
    }
}

/// Four 32-bit words in a row, from the same place in eight rows.
#[inline(always)]
pub unsafe fn four_u32(from: *const u8, stride: usize) -> [__m256i; 4] {
    // SAFETY: 16 readable bytes in each row by the callers' offsets.
    unsafe {
        let mut rows = [_mm256_setzero_si256(); 4];
        for (r, row) in rows.iter_mut().enumerate() {
            let at = from.wrapping_add(r * stride);
            let low = _mm256_castsi128_si256(_mm_loadu_si128(at.cast()));
            let high = _mm_loadu_si128(at.wrapping_add(4 * stride).cast());
            *row = _mm256_inserti128_si256(low, high, 1);
        }
        let [a, b, c, d] = rows;
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}

/// One byte of each lane as a float.
#[inline(always)]
pub unsafe fn byte_of(lanes: __m256i, which: usize) -> __m256 {
    // SAFETY: register arithmetic only.
    unsafe {
        let moved = match which {
            0 => lanes,
            1 => _mm256_srli_epi32(lanes, 8),
            2 => _mm256_srli_epi32(lanes, 16),
            _ => _mm256_srli_epi32(lanes, 24),
        };
        _mm256_cvtepi32_ps(_mm256_and_si256(moved, _mm256_set1_epi32(255)))
    }
}
