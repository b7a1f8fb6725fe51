//! The weighted sums of one chunk's values.

use std::ops::Range;

use half::f16;

use super::CHUNK;
use super::cache::{PANEL, SCALED};
use super::chunk::{Group, Span};
use super::tile::{Number, Sums, add_values};
use crate::lanes::Lanes;

/// Adds the positions that a query sees, but not all queries of its tile, query by query: those before the common
/// ones, or those after.
///
/// # Safety
/// Here and below: the instruction set of `L` must be there.
#[inline(always)]
pub unsafe fn add_alone<L: Lanes, T: Number>(
    group: &Group<'_>,
    span: Span<'_, T>,
    after: bool,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
) {
    let each = group.queries.iter().zip(weights.as_chunks::<1>().0);
    for ((query, weights), sums) in each.zip(sums.chunks_exact_mut(group.shape.head_dim)) {
        let seen = query.seen(span.start, span.start + CHUNK);
        let alone = if after {
            seen.start.max(query.common_to)..seen.end
        } else {
            seen.start..seen.end.min(query.common_from)
        };
        if !alone.is_empty() {
            // SAFETY: the caller's promise.
            unsafe { add_range::<L, T, 1>(group, span, alone, false, weights, sums) };
        }
    }
}

/// Adds the positions that `R` queries all see.
#[inline(always)]
pub unsafe fn add_strips<L: Lanes, T: Number, const R: usize>(
    group: &Group<'_>,
    first: usize,
    span: Span<'_, T>,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
) {
    let query = &group.queries[first];
    let common = query.common_from.max(span.start)..query.common_to.min(span.start + CHUNK);
    let (Some(weights), false) = (weights[first..].first_chunk::<R>(), common.is_empty()) else { return };
    // SAFETY: the caller's promise.
    unsafe {
        let sums = &mut sums[first * group.shape.head_dim..];
        add_range::<L, T, R>(group, span, common, first == 0, weights, sums);
    }
}

/// Adds the values of a range of positions to the sums of `R` queries, `[R, head_dim]`, that all see them. The first
/// to do so fetches each strip while it works on the one before.
#[inline(always)]
unsafe fn add_range<L: Lanes, T: Number, const R: usize>(
    group: &Group<'_>,
    span: Span<'_, T>,
    range: Range<usize>,
    first: bool,
    weights: &[[f32; CHUNK]; R],
    sums: &mut [f32],
) {
    let (dim, block_size) = (group.shape.head_dim, group.shape.block_size);
    let has_scales = span.values.has_scales();
    let mut scaled = [[0.0; CHUNK]; R];
    for d in (0..dim).step_by(PANEL) {
        // SAFETY: the caller's promise.
        unsafe {
            if has_scales && d % SCALED == 0 {
                for (base, offset, part) in span.parts(&range) {
                    let scales = &span.values.scales[(base + d * block_size) / SCALED + offset..];
                    for (scaled, weights) in scaled.iter_mut().zip(weights) {
                        scale_weights::<L>(weights, scales, part.start - span.start, part.len(), scaled);
                    }
                }
            }
            let weights = if has_scales { &scaled } else { weights };
            if d + PANEL <= dim {
                let ahead = if first && d + PANEL < dim { block_size * PANEL / T::PACKED } else { 0 };
                add_strip::<L, T, R>(span, &range, d * block_size, ahead, weights, &mut sums[d..], dim);
            } else {
                for (weights, sums) in weights.iter().zip(sums.chunks_mut(dim)) {
                    add_rest(span, &range, d * block_size, weights, &mut sums[d..dim]);
                }
            }
        }
    }
}

impl<T> Span<'_, T> {
    /// The parts of a range of positions, block by block: where the block's head begins, the first one's offset in
    /// the block, and which they are.
    #[inline(always)]
    fn parts(self, range: &Range<usize>) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        self.runs.iter().filter_map(move |run| {
            let part = range.start.max(run.from)..range.end.min(run.to);
            (!part.is_empty()).then(|| (run.base, part.start - run.origin, part))
        })
    }
}

/// Adds a strip, which begins at `first` in a block's head. Sums stay in registers from block to block; those of
/// neighbouring queries are `dim` numbers apart.
#[inline(always)]
unsafe fn add_strip<L: Lanes, T: Number, const R: usize>(
    span: Span<'_, T>,
    range: &Range<usize>,
    first: usize,
    ahead: usize,
    weights: &[[f32; CHUNK]; R],
    sums: &mut [f32],
    dim: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes: Sums<L, R> = [[L::splat(0.0); 2]; R];
        for r in 0..R {
            let sums = sums[r * dim..r * dim + PANEL].as_chunks::<8>().0;
            lanes[r] = [L::load(&sums[0]), L::load(&sums[1])];
        }
        for (base, offset, part) in span.parts(range) {
            let values = &span.values.numbers[(base + first + offset * PANEL) / T::PACKED..];
            let values = &T::sixteens(values)[..part.len()];
            lanes = add_values::<L, T, R>(weights, part.start - span.start, values, ahead as isize, lanes);
        }
        for r in 0..R {
            let sums = sums[r * dim..r * dim + PANEL].as_chunks_mut::<8>().0;
            lanes[r][0].store(&mut sums[0]);
            lanes[r][1].store(&mut sums[1]);
        }
    }
}

/// As [`add_strip`] for one query and a last strip that is narrower.
fn add_rest<T: Number>(
    span: Span<'_, T>,
    range: &Range<usize>,
    first: usize,
    weights: &[f32; CHUNK],
    sums: &mut [f32],
) {
    let width = sums.len();
    for (base, offset, part) in span.parts(range) {
        let mut at = base + first + offset * width;
        for weight in &weights[part.start - span.start..part.end - span.start] {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum += weight * T::number(span.values.numbers, at + i);
            }
            at += width;
        }
    }
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
