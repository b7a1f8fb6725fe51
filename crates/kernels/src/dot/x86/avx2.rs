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
    let mut dots = [_mm256_setzero_si256(); N];
    let mut start = 0;
    while start < W {
        let mut low = [_mm256_setzero_si256(); N];
        let mut high = [_mm256_setzero_si256(); N];
        let mut i = start;
        while i < start + safe && i < W {
            // Eight bits would overflow: their halves are multiplied apart.
            let (w, w_high) = if BITS == 8 {
                let upper = _mm256_and_si256(_mm256_srli_epi16(q[i], 4), low_half);
                (_mm256_and_si256(q[i], low_half), upper)
            } else {
                (q[i], q[i])
            };
            for c in 0..N {
                let four = _mm256_set1_epi32(x[c].wrapping_add(i * 4).cast::<i32>().read_unaligned());
                low[c] = _mm256_add_epi16(low[c], _mm256_maddubs_epi16(w, four));
                if BITS == 8 {
                    high[c] = _mm256_add_epi16(high[c], _mm256_maddubs_epi16(w_high, four));
                }
            }
            i += 1;
        }
        for c in 0..N {
            dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(low[c], one));
            if BITS == 8 {
                dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(high[c], _mm256_set1_epi16(16)));
            }
        }
        start += safe;
    }
    dots
});

super::kernels!(Avx2, "avx2,fma,f16c");
