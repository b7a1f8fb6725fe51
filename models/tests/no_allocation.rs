//! A decode step that is like the one before allocates nothing, on any thread.
//!
//! This file replaces the program's allocator by one that counts, so it holds one test alone.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use lantern_gguf::GgufFile;
use lantern_models::{Compute, Device, ForwardBatch, KvCache, KvType, Reach, registry};

struct Counting;

/// Allocations of all threads so far.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BLOCK: usize = 16;
/// Tokens that every sequence may have.
const CONTEXT: usize = 1024;
/// Steps in a row that must allocate nothing: they cross several blocks of the cache and chunks of attention.
const QUIET_STEPS: usize = 100;

/// Blocks of each sequence where layers have a window, which is 16 in the golden models, or a state: used in turn.
const WINDOW_BLOCKS: usize = 2;

/// The tables of `count` sequences, each with one for every group of layers.
fn tables(groups: &[Reach], count: usize) -> Vec<Vec<Vec<u32>>> {
    let block = |reach: Reach, i: usize, block: usize| match reach {
        Reach::All => (block * count + i) as u32,
        _ => (block % WINDOW_BLOCKS * count + i) as u32,
    };
    let table = |i, reach| (0..CONTEXT / BLOCK).map(|index| block(reach, i, index)).collect();
    (0..count).map(|i| groups.iter().map(|&reach| table(i, reach)).collect()).collect()
}

/// The next token of sequences that are `position` tokens long.
fn fill(batch: &mut ForwardBatch, tables: &[Vec<Vec<u32>>], position: usize) {
    batch.clear();
    for (i, tables) in tables.iter().enumerate() {
        let token = (position * 7 + i * 31) as u32 % 500;
        batch.push(&[token], position, tables.iter().map(Vec::as_slice), BLOCK);
        batch.logit_rows.push(i as u32);
    }
}

/// Decodes until so many steps in a row have allocated nothing. A thread grows its own buffers when it first happens
/// to take part in a kind of work, and nobody knows when that will be; but it happens once.
fn decode(name: &str, kv_type: KvType, threads: usize, count: usize) {
    let path = lantern_golden::path("models").join(name);
    let file = GgufFile::open(&path).expect("the golden model is part of the repository");
    let model = registry::load_with(&file, Compute::kernels(threads)).expect("it loads");
    let layout = &model.config().kv_layout;
    if !layout.fits(kv_type) {
        return;
    }
    let groups = layout.groups();
    let blocks = |reach: &Reach| count * if *reach == Reach::All { CONTEXT / BLOCK } else { WINDOW_BLOCKS };
    let blocks: Vec<usize> = groups.iter().map(blocks).collect();
    let mut kv = KvCache::new(layout, &blocks, BLOCK, kv_type, &Device::Cpu).expect("a small cache");
    let tables = tables(&groups, count);
    let (mut batch, mut logits) = (ForwardBatch::default(), Vec::new());
    // The engine's lists grow with the context; they are not what is asked here.
    fill(&mut batch, &tables, CONTEXT - 1);
    let (mut quiet, mut last) = (0, (0, 0));
    for position in 0..CONTEXT {
        fill(&mut batch, &tables, position);
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        model.forward(&batch, &mut kv, &mut logits).expect("the step runs");
        let allocations = ALLOCATIONS.load(Ordering::SeqCst) - before;
        if allocations == 0 {
            quiet += 1;
        } else {
            (quiet, last) = (0, (position, allocations));
        }
        if quiet == QUIET_STEPS {
            return;
        }
    }
    panic!(
        "{name}, {threads} threads, {count} sequences, {kv_type:?}: the step at position {} still allocated {} times",
        last.0, last.1
    );
}

#[test]
fn a_decode_step_allocates_nothing() {
    for name in [
        "llama_k256-Q4_K_M.gguf",
        "llama_tied-F16.gguf",
        "qwen2-Q4_0.gguf",
        "qwen3-Q8_0.gguf",
        "gemma3_k256-Q4_K_M.gguf",
        "qwen3moe_k256-Q4_K_M.gguf",
        "qwen3moe-MXFP4_MOE.gguf",
        "gemma4_moe-Q4_0.gguf",
        "gemma4_e2b-Q8_0.gguf",
        "qwen35_dense-Q8_0.gguf",
        "qwen35moe-Q8_0.gguf",
        "lfm2-Q8_0.gguf",
        "granitehybrid-F32.gguf",
        "nemotron_h_moe-F32.gguf",
        "gptoss-MXFP4.gguf",
        "gemma3n-F32.gguf",
        "gptoss-MXFP4.gguf",
        "mistral3-F32.gguf",
        "phi3-Q8_0.gguf",
        "olmo2-Q8_0.gguf",
        "granite-Q8_0.gguf",
        "qwen2moe-F32.gguf",
        "glm4moe-F32.gguf",
        "deepseek3-F32.gguf",
    ] {
        for threads in [1, 2] {
            for count in [1, 3] {
                decode(name, KvType::F16, threads, count);
                decode(name, KvType::Q4_0, threads, count);
            }
        }
    }
}
