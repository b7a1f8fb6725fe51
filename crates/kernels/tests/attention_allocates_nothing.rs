//! A step of a model runs attention once for every layer: after the first step it must not allocate any more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use half::f16;
use lantern_kernels::{
    AttentionSeq, AttentionShape, KvDims, KvSide, KvSlice, KvSliceMut, Pool, attention, store_kv,
};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_second_call_allocates_nothing() {
    let shape = AttentionShape {
        n_heads: 6,
        n_kv_heads: 2,
        head_dim: 64,
        block_size: 32,
        scale: 0.1,
        window: None,
        ahead: 0,
        softcap: None,
        sinks: None,
    };
    let (rows, context) = (20, 1000);
    let cache = vec![0.5; 1024 * 2 * 64];
    let (mut scales, mut quants) = (vec![f16::ONE; cache.len() / 32], vec![0x35; cache.len() / 2]);
    let dims = KvDims { n_kv_heads: 2, head_dim: 64, block_size: 32 };
    let blocks: Vec<u32> = (0..64).map(|i| i % 32).collect();
    // One row far back, whose context is cut, and the rows of a prompt.
    let seqs = [
        AttentionSeq { first_row: 0, rows: 1, context, first_block: 0, together: false, guesses: 0 },
        AttentionSeq {
            first_row: 1,
            rows: rows - 1,
            context: rows + 30,
            first_block: 32,
            together: false,
            guesses: 0,
        },
    ];
    let q = vec![0.25; rows * 6 * 64];
    let mut out = vec![0.0; q.len()];
    // The calling thread is counted, which plans, works and puts parts together.
    for pool in [Pool::new(1), Pool::new(2)] {
        let mut run = || {
            let (k, v) = (KvSlice::F32(&cache), KvSlice::F32(&cache));
            attention(&pool, &shape, &q, k, v, &seqs, &blocks, &mut out).expect("the shapes agree");
            // The kind of cache that has most to do.
            let mut to = KvSliceMut::Q4_0 { scales: &mut scales, quants: &mut quants };
            store_kv(&dims, KvSide::Keys, &mut to, &[7], &q[..128]).expect("the lengths agree");
            let kept = KvSlice::Q4_0 { scales: &scales, quants: &quants };
            attention(&pool, &shape, &q, kept, kept, &seqs, &blocks, &mut out).expect("the shapes agree");
            ALLOCATIONS.get()
        };
        // Which tasks a thread gets is chance: give it many.
        let before = (0..50).map(|_| run()).last();
        let after = (0..50).map(|_| run()).last();
        assert_eq!(before, after, "with {} threads", pool.threads());
    }
}
