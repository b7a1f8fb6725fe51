//! The weighted sums of one chunk's values.

use std::ops::Range;

use half::f16;

use super::CHUNK;
use super::cache::STRIP;
use super::chunk::{Group, Plane, Run};
use super::tile::{Number, add_values};
use crate::lanes::Lanes;

/// Neighbouring dimensions of a chunk's values: `[block_size, width]` in each block.
#[derive(Clone, Copy)]
pub struct Strip<'a, T> {
    pub values: Plane<'a, T>,
    pub(super) runs: &'a [Run],
    /// Where it begins in a block's head.
    pub first: usize,
    /// Its first dimension.
    pub d: usize,
    pub width: usize,
}

impl<'a, T> Strip<'a, T> {
    /// The parts of a range of positions, block by block: where their values and their scales begin, and which
    /// they are.
    #[inline(always)]
    fn parts(self, range: Range<usize>) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        let (first, width) = (self.first, self.width);
        self.runs.iter().filter_map(move |run| {
            let part = range.start.max(run.from)..range.end.min(run.to);
            let (base, offset) = (run.base + first, part.start - run.origin.min(part.start));
            (!part.is_empty()).then_some((base + offset * width, base / STRIP + offset, part))
        })
    }
}

/// Adds a chunk's values to the sums of `R` queries: together where all see them, before and after one by one.
///
/// # Safety
/// Here and below: the instruction set of `L` must be there.
#[inline(always)]
pub unsafe fn add_tile<L: Lanes, T: Number, const R: usize, const N: usize>(
    group: &Group<'_>,
    first: usize,
    strip: Strip<'_, T>,
    start: usize,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
) {
    let dim = group.shape.head_dim;
    let seen = |r: usize| group.queries[first + r].seen(start, start + CHUNK);
    let from = (0..R).map(|r| seen(r).start).max().unwrap_or(0);
    let to = (0..R).map(|r| seen(r).end).min().unwrap_or(0);
    // Without common positions, everything counts as before them.
    let common = if from < to { from..to } else { start + CHUNK..start + CHUNK };
    for after in [false, true] {
        if after && !common.is_empty() {
            let (weights, sums) = (&weights[first..], &mut sums[first * dim..]);
            // SAFETY: the caller's promise.
            unsafe { add_range::<L, T, R, N>(strip, common.clone(), start, weights, sums, dim) };
        }
        for r in 0..R {
            let seen = seen(r);
            let alone = if after {
                seen.start.max(common.end)..seen.end
            } else {
                seen.start..seen.end.min(common.start)
            };
            if !alone.is_empty() {
                let (weights, sums) = (&weights[first + r..], &mut sums[(first + r) * dim..]);
                // SAFETY: the caller's promise.
                unsafe { add_range::<L, T, 1, 4>(strip, alone, start, weights, sums, dim) };
            }
        }
    }
}

/// Adds the values of a range of positions to the sums of `R` queries that all see them.
#[inline(always)]
unsafe fn add_range<L: Lanes, T: Number, const R: usize, const N: usize>(
    strip: Strip<'_, T>,
    range: Range<usize>,
    start: usize,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
    dim: usize,
) {
    let Some(weights) = weights.first_chunk::<R>() else { return };
    let mut scaled = [[0.0; CHUNK]; R];
    // SAFETY: the caller's promise.
    unsafe {
        let weights = if T::SCALED {
            for (_, scales, part) in strip.parts(range.clone()) {
                let scales = &strip.values.scales[scales..];
                for (scaled, weights) in scaled.iter_mut().zip(weights) {
                    scale_weights::<L>(weights, scales, part.start - start, part.len(), scaled);
                }
            }
            &scaled
        } else {
            weights
        };
        let mut column = 0;
        while column + 8 <= strip.width {
            let sums = &mut sums[strip.d + column..];
            column += match strip.width - column {
                32.. if N == 4 => add_columns::<L, T, R, 4>(strip, &range, start, weights, column, sums, dim),
                16.. => add_columns::<L, T, R, 2>(strip, &range, start, weights, column, sums, dim),
                _ => add_columns::<L, T, R, 1>(strip, &range, start, weights, column, sums, dim),
            };
        }
        for column in column..strip.width {
            for (r, weights) in weights.iter().enumerate() {
                let sum = &mut sums[r * dim + strip.d + column];
                for (values, _, part) in strip.parts(range.clone()) {
                    let values = strip.values.numbers[values + column..].iter().step_by(strip.width);
                    let pairs = weights[part.start - start..part.end - start].iter().zip(values);
                    *sum = pairs.fold(*sum, |sum, (weight, value)| sum + weight * value.one());
                }
            }
        }
    }
}

/// Adds 8·`N` columns of a strip, which is what it gives. Sums stay in registers from block to block.
#[inline(always)]
unsafe fn add_columns<L: Lanes, T: Number, const R: usize, const N: usize>(
    strip: Strip<'_, T>,
    range: &Range<usize>,
    start: usize,
    weights: &[[f32; CHUNK]; R],
    column: usize,
    sums: &mut [f32],
    dim: usize,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [[L::splat(0.0); N]; R];
        for r in 0..R {
            let sums = sums[r * dim..r * dim + 8 * N].as_chunks::<8>().0;
            for n in 0..N {
                lanes[r][n] = L::load(&sums[n]);
            }
        }
        for (values, _, part) in strip.parts(range.clone()) {
            let values = &strip.values.numbers[values..values + part.len() * strip.width];
            lanes = add_values(weights, part.start - start, values, strip.width, column, lanes);
        }
        for r in 0..R {
            let sums = sums[r * dim..r * dim + 8 * N].as_chunks_mut::<8>().0;
            for n in 0..N {
                lanes[r][n].store(&mut sums[n]);
            }
        }
    }
    8 * N
}

/// Weights times the scales of their values, for `len` positions from the `from`-th of the chunk on.
#[inline(always)]
unsafe fn scale_weights<L: Lanes>(
    weights: &[f32; CHUNK],
    scales: &[f16],
    from: usize,
    len: usize,
    scaled: &mut [f32; CHUNK],
) {
    let (scaled, weights) = (&mut scaled[from..from + len], &weights[from..from + len]);
    let ((eights, rest), (factors, factors_rest)) = (scaled.as_chunks_mut::<8>(), weights.as_chunks::<8>());
    for ((scaled, weights), scales) in eights.iter_mut().zip(factors).zip(scales.as_chunks::<8>().0) {
        // SAFETY: the caller's promise.
        unsafe { L::load(weights).mul(L::load_half(scales)) }.store(scaled);
    }
    let scales = &scales[len - rest.len()..];
    for ((scaled, weight), scale) in rest.iter_mut().zip(factors_rest).zip(scales) {
        *scaled = weight * scale.to_f32();
    }
}
