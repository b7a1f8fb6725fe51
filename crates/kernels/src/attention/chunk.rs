//! One chunk of a context with the queries of one key-value head.
//!
//! Keys are walked block by block and all queries take part while a block is in the cache of the core; then each
//! query's softmax; then the values, strip by strip. The result says nothing of other chunks.

use std::ops::Range;

use half::f16;

use super::cache::{PANEL, SCALED};
use super::hadamard::rotate_on;
use super::softmax::{Softmax, weigh};
use super::tile::{Number, Sums, dots};
use super::values::{add_alone, add_strips};
use super::wide::{Wide, packed_runs};
use super::{AttentionShape, CHUNK};
use crate::isa::Isa;
use crate::lanes::{Lanes, Sixteen};

/// Keys or values of a layer.
#[derive(Clone, Copy)]
pub struct Plane<'a, T> {
    pub numbers: &'a [T],
    /// Empty where numbers have none.
    pub scales: &'a [f16],
}

impl<T> Plane<'_, T> {
    pub fn has_scales(&self) -> bool {
        !self.scales.is_empty()
    }
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
    /// Those that all queries see that are worked on together with it; empty, beyond all, where there are none.
    pub common_from: usize,
    pub common_to: usize,
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

/// So many blocks of 16 positions or more have a part in a chunk at most.
pub(super) const MAX_RUNS: usize = CHUNK / PANEL + 1;

/// From so many queries on it pays to make floats of integers once for all of them.
const WORTH_WIDENING: usize = 13;

/// Positions beside each other in a block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    /// Place of the block's head in a plane.
    pub(super) base: usize,
    /// Position of the block's first token.
    pub(super) origin: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Query {
    /// The positions that it sees of some.
    pub fn seen(&self, from: usize, to: usize) -> Range<usize> {
        self.from.max(from)..self.to.min(to)
    }
}

/// How many of so many queries are worked on together, at first: as many as registers hold two of beside what is
/// multiplied.
fn tile_len(queries: usize) -> usize {
    match queries {
        7 | 8 => 4,
        _ => queries.min(6),
    }
}

/// Prepares queries: those that are worked on together learn what they all see, and their numbers are put side by
/// side, dimension by dimension, rotated if keys of type `T` are. `head` is room for one of them.
pub fn pack_queries<T: Number>(
    isa: Isa,
    q: &[f32],
    queries: &mut [Query],
    scale: f32,
    head: &mut [f32],
    packed: &mut [f32],
) {
    let dim = head.len();
    let mut first = 0;
    while first < queries.len() {
        let len = tile_len(queries.len() - first);
        let (queries, packed) = (&mut queries[first..first + len], &mut packed[first * dim..]);
        let from = queries.iter().map(|query| query.from).max().unwrap_or(0);
        let to = queries.iter().map(|query| query.to).min().unwrap_or(0);
        for (r, query) in queries.iter_mut().enumerate() {
            (query.common_from, query.common_to) =
                if from < to { (from, to) } else { (usize::MAX, usize::MAX) };
            head.copy_from_slice(&q[query.at..query.at + dim]);
            if T::ROTATED {
                rotate_on(isa, head, dim);
            }
            for (to, number) in packed[r..].iter_mut().step_by(len).zip(&*head) {
                *to = number * scale;
            }
        }
        first += len;
    }
}

/// Calls `$of::<W, T, R>` for `R` queries at a time, from the `i`-th on.
macro_rules! for_tiles {
    ($queries:expr, $of:ident($first:expr, |$i:ident| $($rest:expr),*)) => {
        let mut $i = 0;
        while $i < $queries {
            let len = tile_len($queries - $i);
            match len {
                1 => $of::<W, T, 1>($first, $i, $($rest),*),
                2 => $of::<W, T, 2>($first, $i, $($rest),*),
                3 => $of::<W, T, 3>($first, $i, $($rest),*),
                4 => $of::<W, T, 4>($first, $i, $($rest),*),
                5 => $of::<W, T, 5>($first, $i, $($rest),*),
                _ => $of::<W, T, 6>($first, $i, $($rest),*),
            }
            $i += len;
        }
    };
}

/// Attends to the chunk that starts at position `start`: a softmax and `head_dim` sums for each query, total 0 where
/// a query sees nothing of it. `scores` is room for `CHUNK` numbers for each query, `wide` for keys and for values.
///
/// # Safety
/// Here and below: the instruction set of `W` must be there.
#[inline(always)]
pub unsafe fn attend_chunk<W: Sixteen, T: Number>(
    group: &Group<'_>,
    keys: Plane<'_, T>,
    values: Plane<'_, T>,
    start: usize,
    wide: &mut [Wide; 2],
    scores: &mut [[f32; CHUNK]],
    parts: &mut [Softmax],
    sums: &mut [f32],
) {
    let mut runs = [Run::default(); MAX_RUNS];
    let runs = group.runs(start, &mut runs);
    // SAFETY: the caller's promise.
    unsafe {
        if keys.has_scales() && group.queries.len() >= WORTH_WIDENING {
            let len = group.shape.head_dim * group.shape.block_size;
            let [wide_keys, wide_values] = wide;
            let keys = wide_keys.fill::<W, T>(keys, runs, len);
            let values = wide_values.fill::<W, T>(values, runs, len);
            let runs = &packed_runs(runs, len)[..runs.len()];
            return attend_runs::<W, f32>(group, keys, values, start, runs, scores, parts, sums);
        }
        attend_runs::<W, T>(group, keys, values, start, runs, scores, parts, sums);
    }
}

#[inline(always)]
unsafe fn attend_runs<W: Sixteen, T: Number>(
    group: &Group<'_>,
    keys: Plane<'_, T>,
    values: Plane<'_, T>,
    start: usize,
    runs: &[Run],
    scores: &mut [[f32; CHUNK]],
    parts: &mut [Softmax],
    sums: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        for (i, run) in runs.iter().enumerate() {
            let next = runs.get(i + 1).unwrap_or(run);
            let ahead = (next.base as isize - run.base as isize) / T::PACKED as isize;
            fetch_first_strip::<W::Lanes, T>(group, values, *run);
            score_run::<W, T>(group, keys, *run, ahead, start, scores);
        }
        for ((query, scores), part) in group.queries.iter().zip(scores.iter_mut()).zip(parts) {
            let seen = query.seen(start, start + CHUNK);
            *part = Softmax::default();
            if !seen.is_empty() {
                *part = weigh::<W::Lanes>(scores, seen.start - start..seen.end - start, group.shape.softcap);
            }
        }
        sums.fill(0.0);
        // Each query sums up position after position: first those that it sees alone, then those that all queries
        // of its tile see, then what is left.
        let span = Span { values, runs, start };
        add_alone::<W, T>(group, span, false, scores, sums);
        for_tiles!(group.queries.len(), add_strips(group, |i| span, scores, sums));
        add_alone::<W, T>(group, span, true, scores, sums);
    }
}

/// Asks for the first strip of a run's values while its keys are scored; each strip then asks for the next.
#[inline(always)]
fn fetch_first_strip<L: Lanes, T: Number>(group: &Group<'_>, values: Plane<'_, T>, run: Run) {
    const LINE: usize = 64;
    let first = values.numbers.as_ptr().wrapping_add(run.base / T::PACKED);
    let bytes = group.shape.block_size * PANEL / T::PACKED * size_of::<T>();
    (0..bytes).step_by(LINE).for_each(|at| L::prefetch(first.wrapping_byte_add(at)));
}

/// A chunk's values.
#[derive(Clone, Copy)]
pub struct Span<'a, T> {
    pub values: Plane<'a, T>,
    pub(super) runs: &'a [Run],
    /// Position of the chunk's first token.
    pub start: usize,
}

impl Group<'_> {
    /// The chunk's positions that any query sees, block by block.
    fn runs<'a>(&self, start: usize, runs: &'a mut [Run; MAX_RUNS]) -> &'a [Run] {
        let AttentionShape { n_kv_heads, head_dim, block_size, .. } = *self.shape;
        let from = self.queries.iter().map(|query| query.from).min().unwrap_or(0).max(start);
        let to = self.queries.iter().map(|query| query.to).max().unwrap_or(0).min(start + CHUNK);
        let blocks = if from < to { from / block_size..to.div_ceil(block_size) } else { 0..0 };
        let count = blocks.len();
        for (run, block) in runs.iter_mut().zip(blocks) {
            let base = (self.blocks[block] as usize * n_kv_heads + self.kv_head) * head_dim * block_size;
            let origin = block * block_size;
            *run = Run { base, origin, from: from.max(origin), to: to.min(origin + block_size) };
        }
        &runs[..count]
    }
}

#[inline(always)]
unsafe fn score_run<W: Sixteen, T: Number>(
    group: &Group<'_>,
    keys: Plane<'_, T>,
    run: Run,
    ahead: isize,
    start: usize,
    scores: &mut [[f32; CHUNK]],
) {
    let len = group.shape.head_dim * group.shape.block_size;
    let keys = Plane {
        numbers: &keys.numbers[run.base / T::PACKED..(run.base + len) / T::PACKED],
        scales: if keys.has_scales() {
            &keys.scales[run.base / SCALED..(run.base + len) / SCALED]
        } else {
            &[]
        },
    };
    // SAFETY: the caller's promise.
    unsafe {
        for_tiles!(group.queries.len(), score_tile(group, |i| keys, run, ahead, start, scores));
    }
}

/// Scores of `R` queries with the panels that hold what they see of a run.
#[inline(always)]
unsafe fn score_tile<W: Sixteen, T: Number, const R: usize>(
    group: &Group<'_>,
    first: usize,
    keys: Plane<'_, T>,
    run: Run,
    ahead: isize,
    start: usize,
    scores: &mut [[f32; CHUNK]],
) {
    let head_dim = group.shape.head_dim;
    let queries = &group.queries[first..first + R];
    let from = queries.iter().fold(run.to, |from, query| from.min(query.from)).max(run.from);
    let to = queries.iter().fold(run.from, |to, query| to.max(query.to)).min(run.to);
    let q = group.q[first * head_dim..(first + R) * head_dim].as_chunks::<R>().0;
    let scores = &mut scores[first..first + R];
    // One tile is enough to fetch for all.
    let ahead = if first == 0 { ahead } else { 0 };
    let mut panels = (from - run.origin) / PANEL..(to - run.origin).div_ceil(PANEL);
    let of_run = |panel: usize| run.origin + panel * PANEL - start;
    // SAFETY: the caller's promise.
    unsafe {
        while W::AT_ONCE == 2 && panels.len() >= 2 {
            let at = of_run(panels.start);
            score_panels::<W, T, R, 2>(group, q, keys, panels.start, ahead, at, scores);
            panels.start += 2;
        }
        for panel in panels {
            score_panels::<W, T, R, 1>(group, q, keys, panel, ahead, of_run(panel), scores);
        }
    }
}

/// Scores of `R` queries with `N` panels of a block's head, which go to the places from `at` on.
#[inline(always)]
unsafe fn score_panels<W: Sixteen, T: Number, const R: usize, const N: usize>(
    group: &Group<'_>,
    q: &[[f32; R]],
    keys: Plane<'_, T>,
    panel: usize,
    ahead: isize,
    at: usize,
    scores: &mut [[f32; CHUNK]],
) {
    let AttentionShape { head_dim, block_size, .. } = *group.shape;
    let of_panels = &T::sixteens(keys.numbers)[panel * head_dim..(panel + N) * head_dim];
    let scales = if keys.has_scales() { &keys.scales[panel * PANEL..] } else { &[] };
    // SAFETY: the caller's promise.
    let sums: Sums<W, R, N> = unsafe { dots::<W, T, R, N>(q, of_panels, scales, block_size, ahead) };
    for r in 0..R {
        let scores = scores[r][at..at + N * PANEL].as_chunks_mut::<PANEL>().0;
        for n in 0..N {
            sums[r][n].store(&mut scores[n]);
        }
    }
}
