//! Panel products with the VNNI dot product (`vpdpbusd`): four products added to 32 bits in one instruction.
//!
//! Compiled everywhere on x86-64 and chosen only where the processor has it. Same bits as every other kernel.

use std::arch::x86_64::*;

use lantern_gguf::blocks::Affine;

use super::avx2::{PanelDot, columns_with};
use super::{Columns, Panel, ROWS};

macro_rules! vnni {
    ($name:ident, $marker:ident, $features:literal, $instruction:ident) => {
        /// Panel products.
        ///
        /// # Safety
        /// As [`super::Kernel`] says.
        #[target_feature(enable = $features)]
        pub unsafe fn $name(
            form: Affine,
            panel: &Panel,
            x: Columns<'_>,
            first: usize,
            sums: &mut [[f32; ROWS]],
        ) {
            // SAFETY: passed on.
            unsafe { columns_with::<$marker>(form, panel, x, first, sums) }
        }

        struct $marker;

        impl PanelDot for $marker {
            #[inline(always)]
            unsafe fn dot<const BITS: u32, const GROUP: usize, const N: usize>(
                q: *const u8,
                x: [*const i8; N],
            ) -> [__m256i; N] {
                // SAFETY: as the trait says.
                unsafe {
                    let mut dots = [_mm256_setzero_si256(); N];
                    for g in 0..GROUP / 4 {
                        let w = _mm256_loadu_si256(q.wrapping_add(g * 32).cast());
                        for c in 0..N {
                            let four = x[c].wrapping_add(g * 4).cast::<i32>().read_unaligned();
                            dots[c] = $instruction(dots[c], w, _mm256_set1_epi32(four));
                        }
                    }
                    dots
                }
            }
        }
    };
}

vnni!(columns_avx_vnni, AvxVnni, "avx2,fma,f16c,avxvnni", _mm256_dpbusd_avx_epi32);
vnni!(columns_avx512_vnni, Avx512Vnni, "avx2,fma,f16c,avx512vnni,avx512vl", _mm256_dpbusd_epi32);
