//! The weighted sums of one chunk's values.

use std::ops::Range;

use half::f16;

use super::CHUNK;
use super::cache::{PANEL, SCALED};
use super::chunk::{Group, Span};
use super::tile::{Number, Sums, add_values};
use crate::lanes::{Lanes, Sixteen};

/// Adds the positions that a query sees, but not all queries of its tile, query by query: those before the common
/// ones, or those after.
///
/// # Safety
/// Here and below: the instruction set of `W` must be there.
#[inline(always)]
pub unsafe fn add_alone<W: Sixteen, T: Number>(
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
            unsafe { add_range::<W, T, 1>(group, span, alone, false, weights, sums) };
        }
    }
}

/// Adds the positions that `R` queries all see.
#[inline(always)]
pub unsafe fn add_strips<W: Sixteen, T: Number, const R: usize>(
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
        add_range::<W, T, R>(group, span, common, first == 0, weights, sums);
    }
}

/// Adds the values of a range of positions to the sums of `R` queries, `[R, head_dim]`, that all see them. The first
/// to do so fetches each strip while it works on the one before.
#[inline(always)]
unsafe fn add_range<W: Sixteen, T: Number, const R: usize>(
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
    let mut d = 0;
    while d < dim {
        // SAFETY: the caller's promise.
        unsafe {
            if has_scales && d % SCALED == 0 {
                for (base, offset, part) in span.parts(&range) {
                    let scales = &span.values.scales[(base + d * block_size) / SCALED + offset..];
                    for (scaled, weights) in scaled.iter_mut().zip(weights) {
                        scale_weights::<W::Lanes>(
                            weights,
                            scales,
                            part.start - span.start,
                            part.len(),
                            scaled,
                        );
                    }
                }
            }
            let weights = if has_scales { &scaled } else { weights };
            // Where strips share scales, they do so in twos.
            let many = if W::AT_ONCE == 2 && d + 2 * PANEL <= dim { 2 } else { 1 };
            let next = d + many * PANEL;
            let ahead = if first && next < dim { many * block_size * PANEL / T::PACKED } else { 0 };
            let (base, of) = (d * block_size, &mut sums[d..]);
            if many == 2 {
                add_strip::<W, T, R, 2>(span, &range, base, block_size, ahead, weights, of, dim);
            } else if next <= dim {
                add_strip::<W, T, R, 1>(span, &range, base, block_size, ahead, weights, of, dim);
            } else {
                for (weights, sums) in weights.iter().zip(sums.chunks_mut(dim)) {
                    add_rest(span, &range, base, weights, &mut sums[d..dim]);
                }
            }
            d = next;
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

/// Adds `N` neighbouring strips, the first of which begins at `first` in a block's head. Sums stay in registers from block
/// to block; those of neighbouring queries are `dim` numbers apart.
#[inline(always)]
unsafe fn add_strip<W: Sixteen, T: Number, const R: usize, const N: usize>(
    span: Span<'_, T>,
    range: &Range<usize>,
    first: usize,
    block_size: usize,
    ahead: usize,
    weights: &[[f32; CHUNK]; R],
    sums: &mut [f32],
    dim: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes: Sums<W, R, N> = [[W::splat(0.0); N]; R];
        for r in 0..R {
            let sums = sums[r * dim..r * dim + N * PANEL].as_chunks::<PANEL>().0;
            for n in 0..N {
                lanes[r][n] = W::load(&sums[n]);
            }
        }
        for (base, offset, part) in span.parts(range) {
            let mut strips: [&[T::Sixteen]; N] = [&[]; N];
            for (n, strip) in strips.iter_mut().enumerate() {
                let at = base + first + (n * block_size + offset) * PANEL;
                *strip = &T::sixteens(&span.values.numbers[at / T::PACKED..])[..part.len()];
            }
            let from = part.start - span.start;
            lanes = add_values::<W, T, R, N>(weights, from, strips, ahead as isize, lanes);
        }
        for r in 0..R {
            let sums = sums[r * dim..r * dim + N * PANEL].as_chunks_mut::<PANEL>().0;
            for n in 0..N {
                lanes[r][n].store(&mut sums[n]);
            }
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
