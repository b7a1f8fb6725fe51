//! AVX-VNNI: four products are added to 32 bits in one instruction.

use std::arch::x86_64::*;

use super::lanes8::simd_of_eight_lanes;

simd_of_eight_lanes!(AvxVnni, |q, x| {
    let mut dots = [[_mm256_setzero_si256(); N]; H];
    for i in 0..W {
        for c in 0..N {
            let four = _mm256_set1_epi32(x[c].wrapping_add(i * 4).cast::<i32>().read_unaligned());
            for h in 0..H {
                dots[h][c] = _mm256_dpbusd_avx_epi32(dots[h][c], q[h][i], four);
            }
        }
    }
    dots
});

crate::dot::kernels::kernels!(AvxVnni, "avx2,fma,f16c,avxvnni");
