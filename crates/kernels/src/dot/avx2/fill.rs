//! Filling a panel: eight rows of integers, interleaved by four.

use std::arch::x86_64::*;

use super::{Layout, each_part, no_scales};
use crate::dot::{PANEL, Panel, ROWS, Weights};

/// # Safety
/// AVX2, FMA, F16C and `weights` as its type says; at most [`PANEL`] columns.
#[inline(always)]
pub unsafe fn fill_panel<L: Layout>(weights: Weights, panel: &mut Panel) {
    let per_block = L::SUBS * 32 / L::GROUP;
    assert!(weights.blocks * L::SUBS * 32 <= PANEL, "more columns than a panel has");
    // SAFETY: stores stay inside the panel by the assertion; loads are the caller's promise.
    unsafe {
        let mut scales = no_scales();
        for b in 0..weights.blocks {
            let block = weights.first.wrapping_add(b * L::BYTES);
            L::scales(block, weights.stride, &mut scales);
            for g in 0..per_block {
                _mm256_storeu_ps(panel.scales[b * per_block + g].as_mut_ptr(), scales.scale[g]);
                if L::MIN {
                    _mm256_storeu_ps(panel.mins[b * per_block + g].as_mut_ptr(), scales.min[g]);
                }
            }
            let to = panel.q.as_mut_ptr().wrapping_add(b * L::SUBS * 32 * ROWS);
            each_part!(L, interleave, block, weights.stride, to);
        }
    }
}

/// Stores part `J` of eight rows, four bytes of each row in turn.
#[inline(always)]
unsafe fn interleave<L: Layout, const J: usize>(block: *const u8, stride: usize, to: *mut u8) {
    // SAFETY: the caller's promises, passed on; `to` has room for every part of the block.
    unsafe {
        let mut rows = [_mm256_setzero_si256(); ROWS];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = L::quants::<J>(block.wrapping_add(r * stride));
            if L::BITS == 8 {
                *row = _mm256_xor_si256(*row, _mm256_set1_epi8(-128));
            }
        }
        let to = to.wrapping_add(J * 32 * ROWS);
        for (g, vector) in transpose(rows).into_iter().enumerate() {
            _mm256_storeu_si256(to.wrapping_add(g * 32).cast(), vector);
        }
    }
}

/// Transposes eight rows of eight 32-bit lanes.
#[inline(always)]
unsafe fn transpose(v: [__m256i; 8]) -> [__m256i; 8] {
    // SAFETY: register arithmetic only.
    unsafe {
        let mut pairs = v;
        for i in [0, 2, 4, 6] {
            pairs[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
        }
        let mut quads = v;
        for i in [0, 4] {
            quads[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
            quads[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
            quads[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
            quads[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
        }
        let mut out = v;
        for i in 0..4 {
            out[i] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x20);
            out[i + 4] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x31);
        }
        out
    }
}
