//! The computation of one task: an online softmax over chunks of the context.
//!
//! Chunks are cut at multiples of [`CHUNK`] counted from position 0, and inside a chunk each query adds in an order
//! of its own, so a query's numbers do not depend on its neighbours. With AVX2 multiply-adds are fused.

use std::cell::RefCell;
use std::mem::take;
use std::ops::Range;

use half::f16;

use super::{AttentionShape, KvSlice, Task, first_seen};
use crate::exp::{exp, tanh};
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::lanes::Avx;
use crate::lanes::{Lanes, Plain};

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
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this instruction set was detected.
        Isa::Avx2 | Isa::AvxVnni | Isa::Avx512Vnni => unsafe {
            chunks_avx2(shape, q, k, v, task, &mut scratch);
        },
        // SAFETY: plain code runs everywhere.
        _ => unsafe { chunks::<Plain>(shape, q, k, v, task, &mut scratch) },
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

/// # Safety
/// The processor must have AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn chunks_avx2(
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    task: &Task<'_>,
    scratch: &mut Scratch,
) {
    // SAFETY: the features are enabled.
    unsafe { chunks::<Avx>(shape, q, k, v, task, scratch) }
}

/// All chunks for all queries.
///
/// # Safety
/// Here and below: the instruction set of `L` must be there.
#[inline(always)]
unsafe fn chunks<L: Lanes>(
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    task: &Task<'_>,
    scratch: &mut Scratch,
) {
    let dim = shape.head_dim;
    let Scratch { keys, values, queries, sums } = scratch;
    let seen_from = queries.iter().map(|query| query.from).min().unwrap_or(0);
    let seen_to = queries.iter().map(|query| query.to).max().unwrap_or(0);
    let mut scores = [0.0; CHUNK];
    for start in (seen_from / CHUNK * CHUNK..seen_to).step_by(CHUNK) {
        let needed = seen_from.max(start)..seen_to.min(start + CHUNK);
        // SAFETY: the caller's promise.
        unsafe {
            gather_keys::<L>(shape, task, k, needed.clone(), start, keys);
            gather_values::<L>(shape, task, v, needed, start, values);
        }
        for (query, sums) in queries.iter_mut().zip(sums.chunks_exact_mut(dim)) {
            let seen = query.from.max(start)..query.to.min(start + CHUNK);
            if seen.is_empty() {
                continue;
            }
            let seen = seen.start - start..seen.end - start;
            let q = &q[(query.row * shape.n_heads + query.head) * dim..][..dim];
            // SAFETY: the caller's promise.
            unsafe {
                score::<L>(shape, q, keys, seen.clone(), &mut scores);
                let factor = weigh::<L>(query, &mut scores, seen.clone());
                add_values::<L>(sums, &values[seen.start * dim..seen.end * dim], &scores[seen], factor);
            }
        }
    }
}

/// Where the head of a position begins in the cache.
#[inline(always)]
fn place(shape: &AttentionShape, task: &Task<'_>, position: usize) -> usize {
    let block = task.blocks[position / shape.block_size] as usize;
    let slot = block * shape.block_size + position % shape.block_size;
    (slot * shape.n_kv_heads + task.kv_head) * shape.head_dim
}

/// Copies one head of the positions `needed` side by side, `[CHUNK, head_dim]`; position `start` would come first.
#[inline(always)]
unsafe fn gather_values<L: Lanes>(
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
        let at = place(shape, task, position);
        match from {
            KvSlice::F32(from) => to.copy_from_slice(&from[at..at + dim]),
            // SAFETY: the caller's promise.
            KvSlice::F16(from) => unsafe { widen::<L>(&from[at..at + dim], to) },
        }
    }
}

#[inline(always)]
unsafe fn widen<L: Lanes>(from: &[f16], to: &mut [f32]) {
    let ((eights, rest), (to_eights, to_rest)) = (from.as_chunks::<8>(), to.as_chunks_mut::<8>());
    for (from, to) in eights.iter().zip(to_eights) {
        // SAFETY: the caller's promise.
        unsafe { L::load_half(from) }.store(to);
    }
    for (from, to) in rest.iter().zip(to_rest) {
        *to = from.to_f32();
    }
}

/// As [`gather_values`], but `[head_dim, CHUNK]`: the positions side by side, so that their scores are computed in
/// the lanes of one register. Positions that are not needed hold anything.
#[inline(always)]
unsafe fn gather_keys<L: Lanes>(
    shape: &AttentionShape,
    task: &Task<'_>,
    from: KvSlice<'_>,
    needed: Range<usize>,
    start: usize,
    to: &mut [f32],
) {
    let dim = shape.head_dim;
    let whole = dim / 8 * 8;
    for column in ((needed.start - start) / 8 * 8..needed.end - start).step_by(8) {
        let mut places = [0; 8];
        for (i, at) in places.iter_mut().enumerate() {
            *at = place(shape, task, (start + column + i).clamp(needed.start, needed.end - 1));
        }
        for d in (0..whole).step_by(8) {
            // SAFETY: the caller's promise.
            let mut rows = [unsafe { L::splat(0.0) }; 8];
            for (row, at) in rows.iter_mut().zip(places) {
                // SAFETY: the caller's promise.
                *row = unsafe { load::<L>(from, at + d) };
            }
            for (i, row) in L::transpose(rows).into_iter().enumerate() {
                if let Some(to) = to[(d + i) * CHUNK + column..].first_chunk_mut::<8>() {
                    row.store(to);
                }
            }
        }
        for d in whole..dim {
            for (i, at) in places.into_iter().enumerate() {
                to[d * CHUNK + column + i] = match from {
                    KvSlice::F32(from) => from[at + d],
                    KvSlice::F16(from) => from[at + d].to_f32(),
                };
            }
        }
    }
}

/// Eight numbers of the cache.
#[inline(always)]
unsafe fn load<L: Lanes>(from: KvSlice<'_>, at: usize) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        match from {
            KvSlice::F32(from) => L::load(from[at..].first_chunk().expect("a head has eight more numbers")),
            KvSlice::F16(from) => {
                L::load_half(from[at..].first_chunk().expect("a head has eight more numbers"))
            }
        }
    }
}

/// The scores of the positions `seen`; others get anything.
#[inline(always)]
unsafe fn score<L: Lanes>(
    shape: &AttentionShape,
    q: &[f32],
    keys: &[f32],
    seen: Range<usize>,
    scores: &mut [f32; CHUNK],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let scale = L::splat(shape.scale);
        let (first, last) = (seen.start / 32, (seen.end - 1) / 32);
        if first == last {
            dots::<L, 4>(q, keys, first * 32, scale, scores);
        } else {
            dots::<L, 8>(q, keys, 0, scale, scores);
        }
        if let Some(cap) = shape.softcap {
            let cap = L::splat(cap);
            for scores in scores.as_chunks_mut::<8>().0 {
                cap.mul(tanh(L::load(scores).div(cap))).store(scores);
            }
        }
    }
}

/// Scaled dot products with 8·`N` positions from `column` on; each adds dimension after dimension.
#[inline(always)]
unsafe fn dots<L: Lanes, const N: usize>(
    q: &[f32],
    keys: &[f32],
    column: usize,
    scale: L,
    scores: &mut [f32; CHUNK],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [L::splat(0.0); N];
        for (q, keys) in q.iter().zip(keys.as_chunks::<CHUNK>().0) {
            let (q, keys) = (L::splat(*q), keys[column..column + 8 * N].as_chunks::<8>().0);
            for i in 0..N {
                sums[i] = q.mul_add(L::load(&keys[i]), sums[i]);
            }
        }
        for (sum, scores) in sums.into_iter().zip(scores[column..].as_chunks_mut::<8>().0) {
            sum.mul(scale).store(scores);
        }
    }
}

/// Turns scores into weights relative to the new largest score; gives the factor for everything before.
#[inline(always)]
unsafe fn weigh<L: Lanes>(query: &mut Query, scores: &mut [f32; CHUNK], seen: Range<usize>) -> f32 {
    let top = scores[seen.clone()].iter().fold(query.top, |top, score| top.max(*score));
    // SAFETY: the caller's promise.
    unsafe {
        for eight in scores.as_chunks_mut::<8>().0 {
            exp(L::load(eight).sub(L::splat(top))).store(eight);
        }
        scores[..seen.start].fill(0.0);
        scores[seen.end..].fill(0.0);
        let mut sum = L::splat(0.0);
        for eight in scores.as_chunks::<8>().0 {
            sum = sum.add(L::load(eight));
        }
        let mut factor = [0.0; 8];
        exp(L::splat(query.top - top)).store(&mut factor);
        query.total = query.total * factor[0] + sum.sum();
        query.top = top;
        factor[0]
    }
}

/// `sums = sums · factor + Σ weight · value`, position after position.
#[inline(always)]
unsafe fn add_values<L: Lanes>(sums: &mut [f32], values: &[f32], weights: &[f32], factor: f32) {
    let dim = sums.len();
    let (wide, rest) = sums.as_chunks_mut::<64>();
    let offset = wide.len() * 64;
    // SAFETY: the caller's promise.
    unsafe {
        for (i, sums) in wide.iter_mut().enumerate() {
            add_lanes::<L, 8, 64>(sums, &values[i * 64..], dim, weights, factor);
        }
        let (narrow, rest) = rest.as_chunks_mut::<8>();
        let tail = offset + narrow.len() * 8;
        for (i, sums) in narrow.iter_mut().enumerate() {
            add_lanes::<L, 1, 8>(sums, &values[offset + i * 8..], dim, weights, factor);
        }
        for (i, sum) in rest.iter_mut().enumerate() {
            let column = values[tail + i..].iter().step_by(dim);
            *sum = weights.iter().zip(column).fold(*sum * factor, |sum, (w, v)| sum + w * v);
        }
    }
}

/// `WIDTH` = 8·`N` neighbouring sums, kept in registers.
#[inline(always)]
unsafe fn add_lanes<L: Lanes, const N: usize, const WIDTH: usize>(
    sums: &mut [f32; WIDTH],
    values: &[f32],
    dim: usize,
    weights: &[f32],
    factor: f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [L::splat(factor); N];
        for (lane, sums) in lanes.iter_mut().zip(sums.as_chunks::<8>().0) {
            *lane = lane.mul(L::load(sums));
        }
        for (weight, value) in weights.iter().zip(values.chunks(dim)) {
            let (weight, Some(value)) = (L::splat(*weight), value.first_chunk::<WIDTH>()) else { break };
            let value = value.as_chunks::<8>().0;
            for i in 0..N {
                lanes[i] = weight.mul_add(L::load(&value[i]), lanes[i]);
            }
        }
        for (lane, sums) in lanes.iter().zip(sums.as_chunks_mut::<8>().0) {
            lane.store(sums);
        }
    }
}
