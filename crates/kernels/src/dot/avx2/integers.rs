//! Σ q·x for 32 columns of eight rows: multiply-adds, then adding across each register.

use std::arch::x86_64::*;

use super::Layout;
use crate::dot::ROWS;

/// [`Layout::dots`] from the integers of each row.
///
/// # Safety
/// As [`Layout::dots`].
#[inline(always)]
pub unsafe fn row_by_row<L: Layout, const J: usize>(
    block: *const u8,
    stride: usize,
    x: *const i8,
) -> [__m256i; 2] {
    // SAFETY: the caller's promises, passed on.
    unsafe {
        let x = _mm256_loadu_si256(x.cast());
        let mut products = [_mm256_setzero_si256(); ROWS];
        for (r, product) in products.iter_mut().enumerate() {
            let q = L::quants::<J>(block.wrapping_add(r * stride));
            *product = if L::BITS == 8 {
                _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q))
            } else {
                _mm256_maddubs_epi16(q, x)
            };
        }
        let halves =
            if L::BITS <= 5 { rows_from_i16(products) } else { rows_from_i32(products, L::BITS == 8) };
        if L::GROUP == 32 { [_mm256_add_epi32(halves.0, halves.1), halves.1] } else { [halves.0, halves.1] }
    }
}

/// [`Layout::dots`] for types that keep 32 values as 16 bytes of halves: `packed` leads to them, `fifth` to the fifth
/// bits where `BITS` is 5.
///
/// Rows `i` and `i + 4` share a register, so their lower and upper halves of bytes are added without moving.
///
/// # Safety
/// AVX2; 16 readable bytes at `packed` and 4 at `fifth` in each of eight rows, 32 at `x`.
#[inline(always)]
pub unsafe fn two_rows_at_once<const BITS: u32>(
    packed: *const u8,
    fifth: *const u8,
    stride: usize,
    x: *const i8,
) -> [__m256i; 2] {
    // SAFETY: the caller's promises.
    unsafe {
        let x_low = _mm256_broadcastsi128_si256(_mm_loadu_si128(x.cast()));
        let x_high = _mm256_broadcastsi128_si256(_mm_loadu_si128(x.wrapping_add(16).cast()));
        let mut products = [_mm256_setzero_si256(); 4];
        for (i, product) in products.iter_mut().enumerate() {
            let (row, other) = (packed.wrapping_add(i * stride), packed.wrapping_add((i + 4) * stride));
            let bytes = _mm256_set_m128i(_mm_loadu_si128(other.cast()), _mm_loadu_si128(row.cast()));
            let mut low = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
            let mut high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
            if BITS == 5 {
                let bits = fifth.wrapping_add(i * stride).cast::<i32>().read_unaligned();
                let other = fifth.wrapping_add((i + 4) * stride).cast::<i32>().read_unaligned();
                let bits = _mm256_blend_epi32(_mm256_set1_epi32(bits), _mm256_set1_epi32(other), 0xf0);
                low = _mm256_or_si256(
                    low,
                    sixteen_where_set(bits, 0x0000_0000_0000_0000, 0x0101_0101_0101_0101),
                );
                high = _mm256_or_si256(
                    high,
                    sixteen_where_set(bits, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303),
                );
            }
            *product = _mm256_add_epi16(_mm256_maddubs_epi16(low, x_low), _mm256_maddubs_epi16(high, x_high));
        }
        // A lane now holds four products, at most 4 · 127 · (2^BITS − 1): 5 bits allow one more addition, 4 bits two.
        let one = _mm256_set1_epi16(1);
        let (a, b) = (fold_i16(products[0], products[1]), fold_i16(products[2], products[3]));
        let sums = if BITS == 5 {
            fold_i32(_mm256_madd_epi16(a, one), _mm256_madd_epi16(b, one))
        } else {
            let rows = _mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            _mm256_madd_epi16(rows, one)
        };
        [sums, sums]
    }
}

/// 16 for each bit that is set: the first eight bytes of each half take the bits of byte `first`, the others of byte
/// `second` (each repeated eight times).
#[inline(always)]
unsafe fn sixteen_where_set(bits: __m256i, first: i64, second: i64) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe {
        let mask = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let spread = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(first, second, first, second));
        let set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, mask), mask);
        _mm256_and_si256(set, _mm256_set1_epi8(16))
    }
}

/// Sums each of eight vectors of 16-bit lanes; gives the sums of the lower halves and of the upper halves.
///
/// Two rounds of adding stay in 16 bits: right for lanes up to 8191 in magnitude, which 5-bit weights keep.
#[inline(always)]
unsafe fn rows_from_i16(v: [__m256i; 8]) -> (__m256i, __m256i) {
    // SAFETY: register arithmetic only.
    unsafe {
        let mut fours = [_mm256_set1_epi16(1); 2];
        for (i, four) in fours.iter_mut().enumerate() {
            let (ab, cd) = (fold_i16(v[4 * i], v[4 * i + 1]), fold_i16(v[4 * i + 2], v[4 * i + 3]));
            let rows = _mm256_add_epi16(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
            *four = _mm256_madd_epi16(rows, *four);
        }
        (
            _mm256_permute2x128_si256(fours[0], fours[1], 0x20),
            _mm256_permute2x128_si256(fours[0], fours[1], 0x31),
        )
    }
}

/// As [`rows_from_i16`] for larger lanes: `full` when a lane may use all 15 bits, else one 16-bit addition is safe.
#[inline(always)]
unsafe fn rows_from_i32(v: [__m256i; 8], full: bool) -> (__m256i, __m256i) {
    // SAFETY: register arithmetic only.
    unsafe {
        let one = _mm256_set1_epi16(1);
        let mut pairs = [one; 4];
        for (i, pair) in pairs.iter_mut().enumerate() {
            let (a, b) = (v[2 * i], v[2 * i + 1]);
            *pair = if full {
                let (a, b) = (_mm256_madd_epi16(a, one), _mm256_madd_epi16(b, one));
                _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b))
            } else {
                _mm256_madd_epi16(fold_i16(a, b), one)
            };
        }
        let first = fold_i32(pairs[0], pairs[1]);
        let last = fold_i32(pairs[2], pairs[3]);
        (_mm256_permute2x128_si256(first, last, 0x20), _mm256_permute2x128_si256(first, last, 0x31))
    }
}

/// Pairs of 16-bit lanes of `a` and `b` in turn, the two halves of each 128 bits added.
#[inline(always)]
unsafe fn fold_i16(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe { _mm256_add_epi16(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)) }
}

/// The last round of adding in 32 bits.
#[inline(always)]
unsafe fn fold_i32(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe { _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)) }
}
