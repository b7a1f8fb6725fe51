//! The computation of one task: an online softmax over chunks of the context.
//!
//! Chunks are cut at multiples of [`CHUNK`] counted from position 0, and inside a chunk each query adds in an order
//! of its own, so a query's numbers do not depend on its neighbours. With AVX2 multiply-adds are fused.

use std::cell::RefCell;
use std::mem::take;
use std::ops::Range;

use half::slice::HalfFloatSliceExt;

use super::{AttentionShape, KvSlice, Task, first_seen};
use crate::exp::{exp, tanh};
use crate::isa::Isa;

/// Positions that are scored before the softmax is brought up to date.
const CHUNK: usize = 64;

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    /// One for each query of the task: what it has seen so far.
    queries: Vec<Query>,
    /// The queries' weighted values, `[queries, head_dim]`.
    sums: Vec<f32>,
}

/// The state of one query's softmax.
#[derive(Clone, Copy)]
struct Query {
    row: usize,
    head: usize,
    /// Positions it sees.
    from: usize,
    to: usize,
    /// Largest score so far, and the sum of exponentials relative to it.
    top: f32,
    total: f32,
}

/// Computes a task and hands over each result as `(row of the batch, head, values)`.
pub fn attend(
    isa: Isa,
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    task: &Task<'_>,
    mut give: impl FnMut(usize, usize, &[f32]),
) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    let mut scratch = SCRATCH.with(|kept| take(&mut *kept.borrow_mut()));
    scratch.start(shape, task);
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        // SAFETY: this instruction set was detected.
        unsafe { chunks_avx2(shape, q, k, v, task, &mut scratch) };
    } else {
        chunks(shape, q, k, v, task, &mut scratch, |a, b, c| a * b + c);
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = isa;
        chunks(shape, q, k, v, task, &mut scratch, |a, b, c| a * b + c);
    }
    for (query, sums) in scratch.queries.iter().zip(scratch.sums.chunks_exact_mut(shape.head_dim)) {
        let inverse = 1.0 / query.total;
        sums.iter_mut().for_each(|value| *value *= inverse);
        give(query.row, query.head, sums);
    }
    SCRATCH.with(|kept| *kept.borrow_mut() = scratch);
}

impl Scratch {
    /// Prepares for a task; buffers grow once and stay.
    fn start(&mut self, shape: &AttentionShape, task: &Task<'_>) {
        self.keys.resize(CHUNK * shape.head_dim, 0.0);
        self.values.resize(CHUNK * shape.head_dim, 0.0);
        self.queries.clear();
        for row in task.rows.clone() {
            let position = task.seq.context - task.seq.rows + row;
            let (from, to) = (first_seen(shape, position), position + 1);
            let row = task.seq.first_row + row;
            for head in task.heads.clone() {
                self.queries.push(Query { row, head, from, to, top: f32::NEG_INFINITY, total: 0.0 });
            }
        }
        self.sums.clear();
        self.sums.resize(self.queries.len() * shape.head_dim, 0.0);
    }
}

/// The portable code with fused multiply-adds.
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chunks_avx2(
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    task: &Task<'_>,
    scratch: &mut Scratch,
) {
    chunks(shape, q, k, v, task, scratch, f32::mul_add);
}

#[inline(always)]
fn chunks(
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    task: &Task<'_>,
    scratch: &mut Scratch,
    fma: impl Fn(f32, f32, f32) -> f32 + Copy,
) {
    let dim = shape.head_dim;
    let Scratch { keys, values, queries, sums } = scratch;
    let seen_from = queries.iter().map(|query| query.from).min().unwrap_or(0);
    let seen_to = queries.iter().map(|query| query.to).max().unwrap_or(0);
    let mut scores = [0.0; CHUNK];
    for start in (seen_from / CHUNK * CHUNK..seen_to).step_by(CHUNK) {
        let needed = seen_from.max(start)..seen_to.min(start + CHUNK);
        gather(shape, task, k, needed.clone(), start, keys);
        gather(shape, task, v, needed, start, values);
        for (query, sums) in queries.iter_mut().zip(sums.chunks_exact_mut(dim)) {
            let seen = query.from.max(start)..query.to.min(start + CHUNK);
            if seen.is_empty() {
                continue;
            }
            let seen = seen.start - start..seen.end - start;
            let q = &q[(query.row * shape.n_heads + query.head) * dim..][..dim];
            score(shape, q, keys, seen.clone(), &mut scores, fma);
            let factor = weigh(query, &mut scores, seen.clone(), fma);
            add_values(sums, &values[seen.start * dim..seen.end * dim], &scores[seen], factor, fma);
        }
    }
}

/// Copies one head of the positions `needed` side by side; position `start` would come first.
#[inline(always)]
fn gather(
    shape: &AttentionShape,
    task: &Task<'_>,
    from: KvSlice<'_>,
    needed: Range<usize>,
    start: usize,
    to: &mut [f32],
) {
    let dim = shape.head_dim;
    let rows = to.chunks_exact_mut(dim).skip(needed.start - start);
    for (position, to) in needed.zip(rows) {
        let block = task.seq.blocks[position / shape.block_size] as usize;
        let slot = block * shape.block_size + position % shape.block_size;
        let at = (slot * shape.n_kv_heads + task.kv_head) * dim;
        match from {
            KvSlice::F32(from) => to.copy_from_slice(&from[at..at + dim]),
            KvSlice::F16(from) => from[at..at + dim].convert_to_f32_slice(to),
        }
    }
}

/// The scores of the positions `seen`.
#[inline(always)]
fn score(
    shape: &AttentionShape,
    q: &[f32],
    keys: &[f32],
    seen: Range<usize>,
    scores: &mut [f32; CHUNK],
    fma: impl Fn(f32, f32, f32) -> f32 + Copy,
) {
    let dim = shape.head_dim;
    let keys = &keys[seen.start * dim..seen.end * dim];
    let scores = &mut scores[seen];
    let (fours, rest) = scores.as_chunks_mut::<4>();
    let (four_keys, rest_keys) = keys.split_at(fours.len() * 4 * dim);
    for (scores, keys) in fours.iter_mut().zip(four_keys.chunks_exact(4 * dim)) {
        let at = |i: usize| &keys[i * dim..(i + 1) * dim];
        *scores = dots(q, [at(0), at(1), at(2), at(3)], fma);
    }
    for (score, key) in rest.iter_mut().zip(rest_keys.chunks_exact(dim)) {
        [*score] = dots(q, [key], fma);
    }
    for score in scores.iter_mut() {
        *score *= shape.scale;
    }
    if let Some(cap) = shape.softcap {
        for score in scores {
            *score = cap * tanh(*score / cap, fma);
        }
    }
}

/// `N` dot products at once; each adds as it would alone.
#[inline(always)]
fn dots<const N: usize>(q: &[f32], keys: [&[f32]; N], fma: impl Fn(f32, f32, f32) -> f32 + Copy) -> [f32; N] {
    let mut lanes = [[0f32; 8]; N];
    let (chunks, rest) = q.as_chunks::<8>();
    let keys = keys.map(|key| key.as_chunks::<8>());
    for (i, q) in chunks.iter().enumerate() {
        for n in 0..N {
            let key = &keys[n].0[i];
            for j in 0..8 {
                lanes[n][j] = fma(q[j], key[j], lanes[n][j]);
            }
        }
    }
    std::array::from_fn(|n| {
        let mut tail = 0.0;
        for (q, k) in rest.iter().zip(keys[n].1) {
            tail = fma(*q, *k, tail);
        }
        let l = &lanes[n];
        ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7])) + tail
    })
}

/// Turns scores into weights relative to the new largest score; gives the factor for everything before.
#[inline(always)]
fn weigh(
    query: &mut Query,
    scores: &mut [f32; CHUNK],
    seen: Range<usize>,
    fma: impl Fn(f32, f32, f32) -> f32 + Copy,
) -> f32 {
    let top = scores[seen.clone()].iter().fold(query.top, |top, score| top.max(*score));
    scores[..seen.start].fill(top);
    scores[seen.end..].fill(top);
    for score in scores.iter_mut() {
        *score = exp(*score - top, fma);
    }
    scores[..seen.start].fill(0.0);
    scores[seen.end..].fill(0.0);
    let mut lanes = [0f32; 8];
    for eight in scores.as_chunks::<8>().0 {
        for j in 0..8 {
            lanes[j] += eight[j];
        }
    }
    let l = &lanes;
    let sum = ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
    let factor = exp(query.top - top, fma);
    query.total = query.total * factor + sum;
    query.top = top;
    factor
}

/// `sums = sums · factor + Σ weight · value`, position after position.
#[inline(always)]
fn add_values(
    sums: &mut [f32],
    values: &[f32],
    weights: &[f32],
    factor: f32,
    fma: impl Fn(f32, f32, f32) -> f32 + Copy,
) {
    let dim = sums.len();
    let (wide, rest) = sums.as_chunks_mut::<64>();
    let offset = wide.len() * 64;
    for (i, sums) in wide.iter_mut().enumerate() {
        add_lanes(sums, &values[i * 64..], dim, weights, factor, fma);
    }
    let (narrow, rest) = rest.as_chunks_mut::<8>();
    let tail = offset + narrow.len() * 8;
    for (i, sums) in narrow.iter_mut().enumerate() {
        add_lanes(sums, &values[offset + i * 8..], dim, weights, factor, fma);
    }
    for (i, sum) in rest.iter_mut().enumerate() {
        add_lanes(std::array::from_mut(sum), &values[tail + i..], dim, weights, factor, fma);
    }
}

#[inline(always)]
fn add_lanes<const N: usize>(
    sums: &mut [f32; N],
    values: &[f32],
    dim: usize,
    weights: &[f32],
    factor: f32,
    fma: impl Fn(f32, f32, f32) -> f32 + Copy,
) {
    let mut lanes = *sums;
    lanes.iter_mut().for_each(|lane| *lane *= factor);
    for (weight, value) in weights.iter().zip(values.chunks(dim)) {
        let Some(value) = value.first_chunk::<N>() else { break };
        for j in 0..N {
            lanes[j] = fma(*weight, value[j], lanes[j]);
        }
    }
    *sums = lanes;
}
