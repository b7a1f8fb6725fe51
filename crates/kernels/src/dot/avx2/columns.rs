//! A panel times many rows of activations.

use std::arch::x86_64::*;

use lantern_gguf::blocks::Affine;

use crate::dot::{Columns, Panel, ROWS};

/// Panel products on AVX2.
///
/// # Safety
/// As `Kernel` says.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn columns(form: Affine, panel: &Panel, x: Columns<'_>, first: usize, sums: &mut [[f32; ROWS]]) {
    // SAFETY: passed on.
    unsafe { columns_with::<MulAdd>(form, panel, x, first, sums) }
}

/// How integers of a panel are multiplied: the part in which instruction sets differ.
pub trait PanelDot {
    /// Σ q·x of `GROUP` columns, starting at `q` (a panel's integers) and `x` (a row's).
    ///
    /// # Safety
    /// The implementor's instruction set; `q` must lead to `8 · GROUP` bytes and each `x` to `GROUP`.
    unsafe fn dot<const BITS: u32, const GROUP: usize, const N: usize>(
        q: *const u8,
        x: [*const i8; N],
    ) -> [__m256i; N];
}

/// Multiply-add instructions of AVX2. They add pairs in 16 bits, which limits how many may be added up.
struct MulAdd;

impl PanelDot for MulAdd {
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const GROUP: usize, const N: usize>(
        q: *const u8,
        x: [*const i8; N],
    ) -> [__m256i; N] {
        // A pair is at most 2 · 127 · (2^BITS − 1); so many of them fit 15 bits:
        let safe = match BITS {
            8 | 0..=4 => 8,
            5 => 4,
            _ => 2,
        };
        // SAFETY: as the trait says.
        unsafe {
            let (one, low_half) = (_mm256_set1_epi16(1), _mm256_set1_epi8(15));
            let mut dots = [_mm256_setzero_si256(); N];
            let mut start = 0;
            while start < GROUP / 4 {
                let mut low = [_mm256_setzero_si256(); N];
                let mut high = [_mm256_setzero_si256(); N];
                let mut g = start;
                while g < start + safe && g < GROUP / 4 {
                    let w = _mm256_loadu_si256(q.wrapping_add(g * 32).cast());
                    // Eight bits would overflow: their halves are multiplied apart.
                    let (w, w_high) = if BITS == 8 {
                        let upper = _mm256_and_si256(_mm256_srli_epi16(w, 4), low_half);
                        (_mm256_and_si256(w, low_half), upper)
                    } else {
                        (w, w)
                    };
                    for c in 0..N {
                        let four = _mm256_set1_epi32(x[c].wrapping_add(g * 4).cast::<i32>().read_unaligned());
                        low[c] = _mm256_add_epi16(low[c], _mm256_maddubs_epi16(w, four));
                        if BITS == 8 {
                            high[c] = _mm256_add_epi16(high[c], _mm256_maddubs_epi16(w_high, four));
                        }
                    }
                    g += 1;
                }
                for c in 0..N {
                    dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(low[c], one));
                    if BITS == 8 {
                        let sixteen = _mm256_set1_epi16(16);
                        dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(high[c], sixteen));
                    }
                }
                start += safe;
            }
            dots
        }
    }
}

/// # Safety
/// The instruction set of `D` and AVX2.
#[inline(always)]
pub unsafe fn columns_with<D: PanelDot>(
    form: Affine,
    panel: &Panel,
    x: Columns<'_>,
    first: usize,
    sums: &mut [[f32; ROWS]],
) {
    // SAFETY: passed on.
    unsafe {
        match (form.bits, form.group, form.has_min) {
            (0..=4, 32, true) => all_columns::<D, 4, 32, true>(panel, x, first, sums),
            (0..=4, 32, false) => all_columns::<D, 4, 32, false>(panel, x, first, sums),
            (5, 32, true) => all_columns::<D, 5, 32, true>(panel, x, first, sums),
            (5, 32, false) => all_columns::<D, 5, 32, false>(panel, x, first, sums),
            (0..=4, 16, true) => all_columns::<D, 4, 16, true>(panel, x, first, sums),
            (0..=6, 16, false) => all_columns::<D, 6, 16, false>(panel, x, first, sums),
            (8, 32, false) => all_columns::<D, 8, 32, false>(panel, x, first, sums),
            _ => unreachable!("no block type has the form {form:?}"),
        }
    }
}

#[inline(always)]
unsafe fn all_columns<D: PanelDot, const BITS: u32, const GROUP: usize, const MIN: bool>(
    panel: &Panel,
    x: Columns<'_>,
    first: usize,
    sums: &mut [[f32; ROWS]],
) {
    let (fours, rest) = sums.as_chunks_mut::<4>();
    let after = first + 4 * fours.len();
    // SAFETY: passed on.
    unsafe {
        for (i, sums) in fours.iter_mut().enumerate() {
            some_columns::<D, BITS, GROUP, MIN, 4>(panel, x, first + 4 * i, sums);
        }
        for (i, sums) in rest.iter_mut().enumerate() {
            some_columns::<D, BITS, GROUP, MIN, 1>(panel, x, after + i, std::array::from_mut(sums));
        }
    }
}

/// Adds the products of a panel with `N` rows of activations.
#[inline(always)]
unsafe fn some_columns<D: PanelDot, const BITS: u32, const GROUP: usize, const MIN: bool, const N: usize>(
    panel: &Panel,
    x: Columns<'_>,
    first: usize,
    sums: &mut [[f32; ROWS]; N],
) {
    let rows = x.pointers::<N>(first, GROUP);
    // SAFETY: `pointers` checks that every row has `len` integers, `len / 32` scales and `len / GROUP` terms, and that
    // a panel has room for `len` columns.
    unsafe {
        let mut total = [_mm256_setzero_ps(); N];
        let mut x_q = [std::ptr::null(); N];
        for c in 0..N {
            total[c] = _mm256_loadu_ps(sums[c].as_ptr());
        }
        for g in 0..x.len / GROUP {
            for c in 0..N {
                x_q[c] = rows[c].q.wrapping_add(g * GROUP);
            }
            let q = panel.q.as_ptr().wrapping_add(g * GROUP * ROWS);
            let dots = D::dot::<BITS, GROUP, N>(q, x_q);
            let scale = _mm256_loadu_ps(panel.scales.as_ptr().wrapping_add(g).cast());
            for c in 0..N {
                let term = _mm256_set1_ps(*rows[c].terms.wrapping_add(g));
                let x_scale = _mm256_set1_ps(*rows[c].scales.wrapping_add(g * GROUP / 32));
                let mut dot = _mm256_cvtepi32_ps(dots[c]);
                if !MIN {
                    dot = _mm256_sub_ps(dot, term);
                }
                total[c] = _mm256_add_ps(total[c], _mm256_mul_ps(_mm256_mul_ps(scale, x_scale), dot));
                if MIN {
                    let min = _mm256_loadu_ps(panel.mins.as_ptr().wrapping_add(g).cast());
                    total[c] = _mm256_add_ps(total[c], _mm256_mul_ps(min, term));
                }
            }
        }
        for c in 0..N {
            _mm256_storeu_ps(sums[c].as_mut_ptr(), total[c]);
        }
    }
}
