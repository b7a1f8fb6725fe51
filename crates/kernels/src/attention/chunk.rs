//! One chunk of a context with the queries of one key-value head.
//!
//! Keys are walked block by block and all queries take part while a block is in the cache of the core; then each
//! query's softmax; then the values, likewise. The result says nothing of other chunks.

use std::ops::Range;

use half::f16;

use super::cache::STRIP;
use super::softmax::{Softmax, weigh};
use super::tile::{Number, add_values, dots};
use super::{AttentionShape, CHUNK};
use crate::lanes::Lanes;

/// Keys or values of a layer.
#[derive(Clone, Copy)]
pub struct Plane<'a, T> {
    pub numbers: &'a [T],
    /// Empty where numbers have none.
    pub scales: &'a [f16],
}

/// One row's query head.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// Where it begins in the queries, and its result in the output.
    pub at: usize,
    pub head: usize,
    /// Positions it sees.
    pub from: usize,
    pub to: usize,
}

/// Queries that read the same keys.
#[derive(Clone, Copy)]
pub struct Group<'a> {
    pub shape: &'a AttentionShape,
    /// The queries' numbers times the scale, packed by [`pack_queries`].
    pub q: &'a [f32],
    pub queries: &'a [Query],
    /// The sequence's blocks, in the order of positions.
    pub blocks: &'a [u32],
    pub kv_head: usize,
}

/// Positions beside each other in a block.
#[derive(Clone, Copy)]
struct Run {
    /// Place of the block's head in a plane.
    base: usize,
    /// Position of the block's first token.
    origin: usize,
    from: usize,
    to: usize,
}

impl Query {
    /// The positions that it sees of some.
    pub fn seen(&self, from: usize, to: usize) -> Range<usize> {
        self.from.max(from)..self.to.min(to)
    }
}

/// Attends to the chunk that starts at position `start`: a softmax and `head_dim` sums for each query, total 0 where
/// a query sees nothing of it. `scores` is room for `CHUNK` numbers for each query.
///
/// # Safety
/// Here and below: the instruction set of `L` must be there.
#[inline(always)]
pub unsafe fn attend_chunk<L: Lanes, T: Number>(
    group: &Group<'_>,
    keys: Plane<'_, T>,
    values: Plane<'_, T>,
    start: usize,
    scores: &mut [[f32; CHUNK]],
    parts: &mut [Softmax],
    sums: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        for run in group.runs(start) {
            score_run::<L, T>(group, keys, run, start, scores);
        }
        for ((query, scores), part) in group.queries.iter().zip(scores.iter_mut()).zip(parts) {
            let seen = query.seen(start, start + CHUNK);
            *part = Softmax::default();
            if !seen.is_empty() {
                *part = weigh::<L>(scores, seen.start - start..seen.end - start, group.shape.softcap);
            }
        }
        sums.fill(0.0);
        for run in group.runs(start) {
            add_run::<L, T>(group, values, run, start, scores, sums);
        }
    }
}

impl Group<'_> {
    /// The chunk's positions that any query sees, block by block.
    #[inline(always)]
    fn runs(&self, start: usize) -> impl Iterator<Item = Run> {
        let AttentionShape { n_kv_heads, head_dim, block_size, .. } = *self.shape;
        let from = self.queries.iter().map(|query| query.from).min().unwrap_or(0).max(start);
        let to = self.queries.iter().map(|query| query.to).max().unwrap_or(0).min(start + CHUNK);
        let blocks = if from < to { from / block_size..to.div_ceil(block_size) } else { 0..0 };
        let (table, kv_head) = (self.blocks, self.kv_head);
        blocks.map(move |block| {
            let base = (table[block] as usize * n_kv_heads + kv_head) * head_dim * block_size;
            let origin = block * block_size;
            Run { base, origin, from: from.max(origin), to: to.min(origin + block_size) }
        })
    }
}

/// How many of so many queries are worked on together, at first.
fn tile_len(queries: usize) -> usize {
    match queries {
        7 | 8 => 4,
        _ => queries.min(6),
    }
}

/// Puts the numbers of queries that are worked on together side by side, dimension by dimension.
pub fn pack_queries(q: &[f32], queries: &[Query], dim: usize, scale: f32, packed: &mut [f32]) {
    let mut first = 0;
    while first < queries.len() {
        let len = tile_len(queries.len() - first);
        let tile = &mut packed[first * dim..(first + len) * dim];
        for (r, query) in queries[first..first + len].iter().enumerate() {
            for (to, number) in tile[r..].iter_mut().step_by(len).zip(&q[query.at..query.at + dim]) {
                *to = number * scale;
            }
        }
        first += len;
    }
}

/// Calls `$of::<L, T, R, N>` for `R` queries at a time, from the `i`-th on, which work on up to 8·`N` sums each: as
/// many as registers hold beside what is multiplied.
macro_rules! for_tiles {
    ($queries:expr, $of:ident($first:expr, |$i:ident| $($rest:expr),*)) => {
        let mut $i = 0;
        while $i < $queries {
            match tile_len($queries - $i) {
                1 => $of::<L, T, 1, 4>($first, $i, $($rest),*),
                2 => $of::<L, T, 2, 4>($first, $i, $($rest),*),
                3 => $of::<L, T, 3, 2>($first, $i, $($rest),*),
                4 => $of::<L, T, 4, 2>($first, $i, $($rest),*),
                5 => $of::<L, T, 5, 2>($first, $i, $($rest),*),
                _ => $of::<L, T, 6, 2>($first, $i, $($rest),*),
            }
            $i += tile_len($queries - $i);
        }
    };
}

#[inline(always)]
unsafe fn score_run<L: Lanes, T: Number>(
    group: &Group<'_>,
    keys: Plane<'_, T>,
    run: Run,
    start: usize,
    scores: &mut [[f32; CHUNK]],
) {
    let len = group.shape.head_dim * group.shape.block_size;
    let keys = Plane {
        numbers: &keys.numbers[run.base..run.base + len],
        scales: if T::SCALED { &keys.scales[run.base / STRIP..(run.base + len) / STRIP] } else { &[] },
    };
    // SAFETY: the caller's promise.
    unsafe {
        for_tiles!(group.queries.len(), score_tile(group, |i| keys, run, start, scores));
    }
}

/// Scores of `R` queries with a run of positions and with some beside it that fill a register.
#[inline(always)]
unsafe fn score_tile<L: Lanes, T: Number, const R: usize, const N: usize>(
    group: &Group<'_>,
    first: usize,
    keys: Plane<'_, T>,
    run: Run,
    start: usize,
    scores: &mut [[f32; CHUNK]],
) {
    let queries = &group.queries[first..first + R];
    let from = queries.iter().fold(run.to, |from, query| from.min(query.from)).max(run.from);
    let to = queries.iter().fold(run.from, |to, query| to.max(query.to)).min(run.to);
    let dim = group.shape.head_dim;
    let q = group.q[first * dim..(first + R) * dim].as_chunks::<R>().0;
    let scores = &mut scores[first..first + R];
    let end = (to.max(run.origin) - run.origin).next_multiple_of(8);
    let mut column = (from - run.origin) / 8 * 8;
    // SAFETY: the caller's promise.
    unsafe {
        while column < end {
            let at = run.origin + column - start;
            column += match end - column {
                32.. if N == 4 => score_columns::<L, T, R, 4>(group, q, keys, column, at, scores),
                16.. => score_columns::<L, T, R, 2>(group, q, keys, column, at, scores),
                _ => score_columns::<L, T, R, 1>(group, q, keys, column, at, scores),
            };
        }
    }
}

/// Scores of 8·`N` positions, which is what it gives.
#[inline(always)]
unsafe fn score_columns<L: Lanes, T: Number, const R: usize, const N: usize>(
    group: &Group<'_>,
    q: &[[f32; R]],
    keys: Plane<'_, T>,
    column: usize,
    at: usize,
    scores: &mut [[f32; CHUNK]],
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let sums = dots::<L, T, R, N>(q, keys.numbers, keys.scales, group.shape.block_size, column);
        for r in 0..R {
            let scores = scores[r][at..at + 8 * N].as_chunks_mut::<8>().0;
            for n in 0..N {
                sums[r][n].store(&mut scores[n]);
            }
        }
    }
    8 * N
}

#[inline(always)]
unsafe fn add_run<L: Lanes, T: Number>(
    group: &Group<'_>,
    values: Plane<'_, T>,
    run: Run,
    start: usize,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
) {
    let AttentionShape { head_dim, block_size, .. } = *group.shape;
    for d in (0..head_dim).step_by(STRIP) {
        let width = STRIP.min(head_dim - d);
        let base = run.base + d * block_size;
        let strip = Strip {
            d,
            width,
            numbers: &values.numbers[base..base + width * block_size],
            scales: if T::SCALED { &values.scales[base / STRIP..base / STRIP + block_size] } else { &[] },
        };
        // SAFETY: the caller's promise.
        unsafe {
            for_tiles!(group.queries.len(), add_tile(group, |i| strip, run, start, weights, sums));
        }
    }
}

/// Neighbouring dimensions of a block's values.
#[derive(Clone, Copy)]
struct Strip<'a, T> {
    d: usize,
    width: usize,
    /// `[block_size, width]`
    numbers: &'a [T],
    /// `[block_size]`
    scales: &'a [f16],
}

/// Adds a run's values to the sums of `R` queries: together where all see them, before and after one by one.
#[inline(always)]
unsafe fn add_tile<L: Lanes, T: Number, const R: usize, const N: usize>(
    group: &Group<'_>,
    first: usize,
    strip: Strip<'_, T>,
    run: Run,
    start: usize,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
) {
    let seen: [Range<usize>; R] = std::array::from_fn(|r| group.queries[first + r].seen(run.from, run.to));
    let from = seen.iter().map(|seen| seen.start).max().unwrap_or(0);
    let to = seen.iter().map(|seen| seen.end).min().unwrap_or(0);
    // Without common positions, everything counts as before them.
    let common = if from < to { from..to } else { run.to..run.to };
    let dim = group.shape.head_dim;
    // SAFETY: the caller's promise.
    unsafe {
        let mut one = |r: usize, range: Range<usize>| {
            if !range.is_empty() {
                let (weights, sums) = (&weights[first + r..], &mut sums[(first + r) * dim..]);
                add_range::<L, T, 1, 4>(strip, run.origin, range, start, weights, sums, dim);
            }
        };
        for (r, seen) in seen.iter().enumerate() {
            one(r, seen.start..seen.end.min(common.start));
        }
        if !common.is_empty() {
            let (weights, sums) = (&weights[first..], &mut sums[first * dim..]);
            add_range::<L, T, R, N>(strip, run.origin, common.clone(), start, weights, sums, dim);
        }
        let mut one = |r: usize, range: Range<usize>| {
            if !range.is_empty() {
                let (weights, sums) = (&weights[first + r..], &mut sums[(first + r) * dim..]);
                add_range::<L, T, 1, 4>(strip, run.origin, range, start, weights, sums, dim);
            }
        };
        for (r, seen) in seen.iter().enumerate() {
            one(r, seen.start.max(common.end)..seen.end);
        }
    }
}

/// Adds the values of a range of positions to the sums of `R` queries that all see them.
#[inline(always)]
unsafe fn add_range<L: Lanes, T: Number, const R: usize, const N: usize>(
    strip: Strip<'_, T>,
    origin: usize,
    range: Range<usize>,
    start: usize,
    weights: &[[f32; CHUNK]],
    sums: &mut [f32],
    dim: usize,
) {
    let Strip { d, width, numbers, scales } = strip;
    let values = &numbers[(range.start - origin) * width..(range.end - origin) * width];
    let (weights, _) = weights.as_chunks::<R>();
    let mut scaled = [[0.0; CHUNK]; R];
    // SAFETY: the caller's promise.
    unsafe {
        let weights = if T::SCALED {
            for (scaled, weights) in scaled.iter_mut().zip(&weights[0]) {
                scale_weights::<L>(weights, scales, range.start / 8 * 8, range.end, start, origin, scaled);
            }
            &scaled
        } else {
            &weights[0]
        };
        let from = range.start - start;
        let mut column = 0;
        while column + 8 <= width {
            let sums = &mut sums[d + column..];
            column += match width - column {
                32.. if N == 4 => add_values::<L, T, R, 4>(weights, from, values, width, column, sums, dim),
                16.. => add_values::<L, T, R, 2>(weights, from, values, width, column, sums, dim),
                _ => add_values::<L, T, R, 1>(weights, from, values, width, column, sums, dim),
            };
        }
        for column in column..width {
            for (r, weights) in weights.iter().enumerate() {
                let sum = &mut sums[r * dim + d + column];
                let column = values[column..].iter().step_by(width);
                *sum = weights[from..].iter().zip(column).fold(*sum, |sum, (w, v)| sum + w * v.one());
            }
        }
    }
}

/// Weights times the scales of their values, for the positions `from..to`; `from` is a multiple of 8.
#[inline(always)]
unsafe fn scale_weights<L: Lanes>(
    weights: &[f32; CHUNK],
    scales: &[f16],
    from: usize,
    to: usize,
    start: usize,
    origin: usize,
    scaled: &mut [f32; CHUNK],
) {
    let scales = scales[from - origin..].as_chunks::<8>().0;
    let places = from - start..(to - start).next_multiple_of(8).min(CHUNK);
    let weights = weights[places.clone()].as_chunks::<8>().0;
    for ((scaled, weights), scales) in
        scaled[places].as_chunks_mut::<8>().0.iter_mut().zip(weights).zip(scales)
    {
        // SAFETY: the caller's promise.
        unsafe { L::load(weights).mul(L::load_half(scales)) }.store(scaled);
    }
}
