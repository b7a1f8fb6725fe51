//! Runs the tasks of a plan on the threads of a pool, and puts the parts of a context together.

use std::cell::RefCell;
use std::mem::take;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::chunk::{Group, Plane, Query, attend_chunk, pack_queries};
use super::hadamard::rotate_on;
use super::plan::{Plan, SharedParts, Task};
use super::softmax::{Softmax, merge_all};
use super::tile::Number;
use super::wide::Wide;
use super::{AttentionSeq, AttentionShape, CHUNK, seen};
use crate::isa::Isa;
use crate::lanes::{Plain, Two, Vector, WideVector};
use crate::pool::Pool;
use crate::share::Shared;

/// What all tasks read.
pub struct Job<'a, T> {
    pub isa: Isa,
    pub shape: &'a AttentionShape,
    pub q: &'a [f32],
    pub k: Plane<'a, T>,
    pub v: Plane<'a, T>,
    pub block_tables: &'a [u32],
}

/// What the calling thread keeps from call to call: the plan, and room for the parts of contexts that are cut.
#[derive(Default)]
struct Kept {
    plan: Plan,
    partials: Vec<Softmax>,
    partial_sums: Vec<f32>,
    /// How many tasks have delivered their parts.
    delivered: Vec<AtomicU32>,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    queries: Vec<Query>,
    /// One of them while it is packed.
    head: Vec<f32>,
    /// Their numbers, packed.
    q: Vec<f32>,
    wide: [Wide; 2],
    scores: Vec<[f32; CHUNK]>,
    /// Of one chunk.
    parts: Vec<Softmax>,
    part_sums: Vec<f32>,
    /// Of all chunks so far.
    whole: Vec<Softmax>,
    sums: Vec<f32>,
}

/// What tasks write to.
struct Outputs<'a> {
    out: Shared<'a, f32>,
    partials: Shared<'a, Softmax>,
    partial_sums: Shared<'a, f32>,
    delivered: &'a [AtomicU32],
}

/// Computes the attention of a batch that was checked.
pub fn run_all<T: Number + Sync>(job: &Job<'_, T>, pool: &Pool, seqs: &[AttentionSeq], out: &mut [f32]) {
    thread_local! {
        static KEPT: RefCell<Kept> = RefCell::default();
    }
    let mut kept = KEPT.with(|kept| take(&mut *kept.borrow_mut()));
    kept.plan.fill(job.shape, seqs, pool.threads());
    let Kept { plan, partials, partial_sums, delivered } = &mut kept;
    at_least(partials, plan.partials, Softmax::default());
    at_least(partial_sums, plan.partials * job.shape.head_dim, 0.0);
    delivered.clear();
    delivered.resize_with(plan.counters, AtomicU32::default);
    let outputs = Outputs {
        out: Shared::new(out),
        partials: Shared::new(partials),
        partial_sums: Shared::new(partial_sums),
        delivered,
    };
    pool.run(plan.tasks, &|index| run_task(job, &plan.task(job.shape, index), &outputs));
    KEPT.with(|place| *place.borrow_mut() = kept);
}

fn run_task<T: Number>(job: &Job<'_, T>, task: &Task<'_>, outputs: &Outputs<'_>) {
    thread_local! {
        static SCRATCH: RefCell<Option<Box<Scratch>>> = RefCell::default();
    }
    let mut scratch = SCRATCH.with(|kept| kept.borrow_mut().take()).unwrap_or_default();
    run_in(job, task, outputs, &mut scratch);
    SCRATCH.with(|kept| *kept.borrow_mut() = Some(scratch));
}

fn run_in<T: Number>(job: &Job<'_, T>, task: &Task<'_>, outputs: &Outputs<'_>, scratch: &mut Scratch) {
    scratch.start(job.shape, task);
    let Scratch { queries, head, q, wide, scores, parts, part_sums, whole, sums } = scratch;
    let head = &mut head[..job.shape.head_dim];
    pack_queries::<T>(job.isa, job.q, queries, job.shape.scale, head, q);
    let group = Group {
        shape: job.shape,
        q,
        queries,
        blocks: &job.block_tables[task.tile.seq.first_block..],
        kv_head: task.kv_head,
    };
    let (count, dim) = (queries.len(), job.shape.head_dim);
    let (scores, whole, sums) = (&mut scores[..count], &mut whole[..count], &mut sums[..count * dim]);
    whole.fill(Softmax::default());
    let Some(shared) = task.shared else {
        let (parts, part_sums) = (&mut parts[..count], &mut part_sums[..count * dim]);
        for chunk in task.chunks.clone() {
            attend(job, &group, chunk * CHUNK, wide, scores, parts, part_sums);
            merge(job.isa, whole, sums, parts, part_sums);
        }
        return deliver(job, &group, whole, sums, outputs);
    };
    let place = |chunk: usize| {
        let first = shared.first + (chunk - task.tile.chunks.start) * count;
        // SAFETY: each chunk of a tile's key-value head has a place of its own. Its task alone uses it until it is
        // counted; then the one that is counted last uses them all.
        unsafe {
            (outputs.partials.piece(first, count), outputs.partial_sums.piece(first * dim, count * dim))
        }
    };
    for chunk in task.chunks.clone() {
        let (parts, part_sums) = place(chunk);
        attend(job, &group, chunk * CHUNK, wide, scores, parts, part_sums);
    }
    if is_last(&shared, outputs) {
        for chunk in task.tile.chunks.clone() {
            let (parts, part_sums) = place(chunk);
            merge(job.isa, whole, sums, parts, part_sums);
        }
        deliver(job, &group, whole, sums, outputs);
    }
}

/// [`attend_chunk`] on the job's instruction set. By arguments: as fields of a pass, the compiler believes that slices may
/// overlap, and the loops take twice as long.
fn attend<T: Number>(
    job: &Job<'_, T>,
    group: &Group<'_>,
    start: usize,
    wide: &mut [Wide; 2],
    scores: &mut [[f32; CHUNK]],
    parts: &mut [Softmax],
    sums: &mut [f32],
) {
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx512f,avx2,fma,f16c"))]
    unsafe fn attend_in_wide_vectors<T: Number>(
        job: &Job<'_, T>,
        group: &Group<'_>,
        start: usize,
        wide: &mut [Wide; 2],
        scores: &mut [[f32; CHUNK]],
        parts: &mut [Softmax],
        sums: &mut [f32],
    ) {
        // SAFETY: the features are enabled.
        unsafe { attend_chunk::<WideVector, T>(group, job.k, job.v, start, wide, scores, parts, sums) }
    }
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
    unsafe fn attend_in_vectors<T: Number>(
        job: &Job<'_, T>,
        group: &Group<'_>,
        start: usize,
        wide: &mut [Wide; 2],
        scores: &mut [[f32; CHUNK]],
        parts: &mut [Softmax],
        sums: &mut [f32],
    ) {
        // SAFETY: the features are enabled.
        unsafe { attend_chunk::<Two<Vector>, T>(group, job.k, job.v, start, wide, scores, parts, sums) }
    }
    // SAFETY: an instruction set that has such vectors was detected; plain code runs everywhere.
    unsafe {
        if job.isa.has_wide_vectors() {
            attend_in_wide_vectors(job, group, start, wide, scores, parts, sums)
        } else if job.isa.has_vectors() {
            attend_in_vectors(job, group, start, wide, scores, parts, sums)
        } else {
            attend_chunk::<Two<Plain>, T>(group, job.k, job.v, start, wide, scores, parts, sums)
        }
    }
}

/// [`merge_all`] on an instruction set that is there.
fn merge(isa: Isa, whole: &mut [Softmax], sums: &mut [f32], parts: &[Softmax], part_sums: &[f32]) {
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
    unsafe fn merge_in_vectors(
        whole: &mut [Softmax],
        sums: &mut [f32],
        parts: &[Softmax],
        part_sums: &[f32],
    ) {
        // SAFETY: the features are enabled.
        unsafe { merge_all::<Vector>(whole, sums, parts, part_sums) }
    }
    // SAFETY: as above.
    unsafe {
        if isa.has_vectors() {
            merge_in_vectors(whole, sums, parts, part_sums)
        } else {
            merge_all::<Plain>(whole, sums, parts, part_sums)
        }
    }
}

/// Writes the results of queries that have seen everything.
fn deliver<T: Number>(
    job: &Job<'_, T>,
    group: &Group<'_>,
    whole: &[Softmax],
    sums: &[f32],
    outputs: &Outputs<'_>,
) {
    let dim = group.shape.head_dim;
    for ((query, whole), sums) in group.queries.iter().zip(whole).zip(sums.chunks_exact(dim)) {
        let sink = group.shape.sinks.as_ref().map(|sinks| sinks[query.head]);
        // SAFETY: no two sequences share a row, tiles share no rows, and each head of a row belongs to one key-value
        // head, whose last task comes here once.
        let out = unsafe { outputs.out.piece(query.at, dim) };
        whole.finish(sums, sink, out);
        if T::ROTATED {
            rotate_on(job.isa, out, dim);
        }
    }
}

/// Counts a task that has written its parts; whether it was the last.
fn is_last(shared: &SharedParts, outputs: &Outputs<'_>) -> bool {
    // Released by each task and acquired by the last, so that it sees what the others wrote.
    outputs.delivered[shared.counter].fetch_add(1, Ordering::AcqRel) as usize + 1 == shared.tasks
}

impl Scratch {
    /// Prepares for a task; buffers grow and stay.
    fn start(&mut self, shape: &AttentionShape, task: &Task<'_>) {
        let group = shape.n_heads / shape.n_kv_heads;
        let heads: Range<usize> = task.kv_head * group..(task.kv_head + 1) * group;
        let seq = &task.tile.seq;
        self.queries.clear();
        for row in task.tile.rows.clone() {
            let Range { start: from, end: to } = seen(shape, seq, row);
            for head in heads.clone() {
                let at = ((seq.first_row + row) * shape.n_heads + head) * shape.head_dim;
                self.queries.push(Query { at, head, from, to, common_from: from, common_to: to });
            }
        }
        let count = self.queries.len();
        at_least(&mut self.head, shape.head_dim, 0.0);
        at_least(&mut self.q, count * shape.head_dim, 0.0);
        at_least(&mut self.scores, count, [0.0; CHUNK]);
        at_least(&mut self.parts, count, Softmax::default());
        at_least(&mut self.part_sums, count * shape.head_dim, 0.0);
        at_least(&mut self.whole, count, Softmax::default());
        at_least(&mut self.sums, count * shape.head_dim, 0.0);
    }
}

fn at_least<T: Clone>(list: &mut Vec<T>, len: usize, fill: T) {
    if list.len() < len {
        list.resize(len, fill);
    }
}
