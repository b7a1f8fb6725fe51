//! Eight rows as they lie in the file, times one row of activations.

use std::arch::x86_64::*;

use super::{Layout, Scales, each_part, no_scales};
use crate::dot::{ROWS, Weights};
use crate::quantize::Row;

/// How far ahead of the weights in use the next ones are asked for, in bytes.
const AHEAD: usize = 16 * 1024;

/// What a tile's steps share.
struct TileState<'a> {
    stride: usize,
    x: Row<'a>,
    scales: Scales,
    sum: __m256,
}

/// # Safety
/// AVX2, FMA, F16C and `weights` as its type says.
#[inline(always)]
pub unsafe fn multiply_tile<L: Layout>(weights: Weights, x: Row<'_>) -> [f32; ROWS] {
    let parts = weights.blocks * L::SUBS;
    assert!(x.q.len() == parts * 32 && x.scales.len() == parts && x.terms.len() == parts * 32 / L::GROUP);
    // SAFETY: activations are as long as the assertion says; weights are the caller's promise.
    unsafe {
        let mut state =
            TileState { stride: weights.stride, x, scales: no_scales(), sum: _mm256_setzero_ps() };
        for b in 0..weights.blocks {
            let block = weights.first.wrapping_add(b * L::BYTES);
            prefetch(weights.first.wrapping_add(b * L::BYTES * ROWS + AHEAD), L::BYTES * ROWS);
            L::scales(block, weights.stride, &mut state.scales);
            each_part!(L, tile_step, block, b, &mut state);
        }
        let mut sums = [0.0; ROWS];
        _mm256_storeu_ps(sums.as_mut_ptr(), state.sum);
        sums
    }
}

/// Asks for `len` bytes from `start` on. Any address is allowed: a prefetch never faults.
#[inline(always)]
unsafe fn prefetch(start: *const u8, len: usize) {
    let mut at = 0;
    while at < len {
        // SAFETY: a hint.
        unsafe { _mm_prefetch(start.wrapping_add(at).cast(), _MM_HINT_T0) };
        at += 64;
    }
}

/// Adds part `J` of block `b` for eight rows.
#[inline(always)]
unsafe fn tile_step<L: Layout, const J: usize>(block: *const u8, b: usize, state: &mut TileState<'_>) {
    // SAFETY: part `b * SUBS + J` exists in the activations by `multiply_tile`'s assertion.
    unsafe {
        let part = b * L::SUBS + J;
        let x_scale = _mm256_set1_ps(*state.x.scales.as_ptr().wrapping_add(part));
        let terms = state.x.terms.as_ptr().wrapping_add(part * 32 / L::GROUP);
        let dots = L::dots::<J>(block, state.stride, state.x.q.as_ptr().wrapping_add(part * 32));
        if L::GROUP == 32 {
            add_group::<L>(state, J, dots[0], x_scale, terms);
        } else {
            add_group::<L>(state, 2 * J, dots[0], x_scale, terms);
            add_group::<L>(state, 2 * J + 1, dots[1], x_scale, terms.wrapping_add(1));
        }
    }
}

/// The definition in `dot`, for one group of eight rows.
#[inline(always)]
unsafe fn add_group<L: Layout>(
    state: &mut TileState<'_>,
    group: usize,
    dots: __m256i,
    x_scale: __m256,
    term: *const f32,
) {
    // SAFETY: `term` is one of the activations' terms.
    unsafe {
        let term = _mm256_set1_ps(*term);
        let mut dots = _mm256_cvtepi32_ps(dots);
        if !L::MIN && L::BITS < 8 {
            dots = _mm256_sub_ps(dots, term);
        }
        let scale = _mm256_mul_ps(state.scales.scale[group], x_scale);
        state.sum = _mm256_add_ps(state.sum, _mm256_mul_ps(scale, dots));
        if L::MIN {
            state.sum = _mm256_add_ps(state.sum, _mm256_mul_ps(state.scales.min[group], term));
        }
    }
}
