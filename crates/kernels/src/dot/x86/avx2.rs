//! AVX2: products of bytes are added in pairs to 16 bits, which limits how many may be added up.

use std::arch::x86_64::*;

use super::lanes8::simd_of_eight_lanes;

simd_of_eight_lanes!(Avx2, |q, x| {
    // A pair is at most 2 · 127 · (2^BITS − 1); so many of them fit 15 bits:
    let safe = match BITS {
        8 | 0..=4 => 8,
        5 => 4,
        _ => 2,
    };
    let (one, low_half) = (_mm256_set1_epi16(1), _mm256_set1_epi8(15));
    let mut dots = [[_mm256_setzero_si256(); N]; H];
    let mut start = 0;
    while start < W {
        let mut low = [[_mm256_setzero_si256(); N]; H];
        let mut high = [[_mm256_setzero_si256(); N]; H];
        let mut i = start;
        while i < start + safe && i < W {
            for c in 0..N {
                let four = _mm256_set1_epi32(x[c].wrapping_add(i * 4).cast::<i32>().read_unaligned());
                for h in 0..H {
                    let w = if BITS == 8 { _mm256_and_si256(q[h][i], low_half) } else { q[h][i] };
                    low[h][c] = _mm256_add_epi16(low[h][c], _mm256_maddubs_epi16(w, four));
                    if BITS == 8 {
                        // Eight bits would overflow: their halves are multiplied apart.
                        let upper = _mm256_and_si256(_mm256_srli_epi16(q[h][i], 4), low_half);
                        high[h][c] = _mm256_add_epi16(high[h][c], _mm256_maddubs_epi16(upper, four));
                    }
                }
            }
            i += 1;
        }
        for h in 0..H {
            for c in 0..N {
                dots[h][c] = _mm256_add_epi32(dots[h][c], _mm256_madd_epi16(low[h][c], one));
                if BITS == 8 {
                    let high = _mm256_madd_epi16(high[h][c], _mm256_set1_epi16(16));
                    dots[h][c] = _mm256_add_epi32(dots[h][c], high);
                }
            }
        }
        start += safe;
    }
    dots
});

crate::dot::kernels::kernels!(Avx2, "avx2,fma,f16c");
