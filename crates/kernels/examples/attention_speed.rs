//! Prints how fast attention runs over a cache in 16 bits: one row at several depths, and a prompt's rows.
//!
//! `cargo run --release -p lantern-kernels --example attention_speed [-- THREADS [MEGABYTES]]`; `LANTERN_ISA`
//! restricts the instruction set. As in a model, each call reads the cache of another layer; all layers together
//! have the given size (256 MB by default), so that keys and values come from memory. The best of several
//! rounds, since the machine may have other work.

use std::time::Instant;

use half::f16;
use lantern_kernels::{AttentionSeq, AttentionShape, KvSlice, Pool, attention, isa};

const BLOCK: usize = 32;
const PROMPT: usize = 128;

/// Name, query heads, key-value heads, numbers in a head, window.
const SHAPES: [(&str, usize, usize, usize, Option<u32>); 3] = [
    ("Qwen2.5-1.5B", 12, 2, 128, None),
    ("SmolLM2-135M", 9, 3, 64, None),
    ("gemma-3-270m", 4, 1, 256, Some(512)),
];

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let pool = Pool::new(numbers.next().unwrap_or(2));
    let megabytes = numbers.next().unwrap_or(256);
    println!("{} threads, {}", pool.threads(), isa());
    println!(
        "{:<14} {:>6} {:>12} {:>8} {:>16} {:>8}",
        "shape", "depth", "1 row, µs", "GB/s", "128 rows, µs", "GMAC/s"
    );
    for (name, n_heads, n_kv_heads, head_dim, window) in SHAPES {
        let shape = AttentionShape {
            n_heads,
            n_kv_heads,
            head_dim,
            block_size: BLOCK,
            scale: 0.1,
            window,
            softcap: None,
            sinks: None,
        };
        for depth in [512, 2048, 8192, 32768] {
            let layers = Layers::new(&shape, depth, megabytes << 20);
            let seen = |position: usize| window.map_or(position + 1, |w| (position + 1).min(w as usize));
            let one = layers.microseconds(&pool, &shape, 1);
            let bytes = 4 * seen(depth - 1) * n_kv_heads * head_dim;
            let many = layers.microseconds(&pool, &shape, PROMPT);
            let pairs: usize = (depth - PROMPT..depth).map(seen).sum();
            println!(
                "{name:<14} {depth:>6} {one:>12.1} {:>8.1} {many:>16.0} {:>8.1}",
                bytes as f64 / one / 1e3,
                (2 * pairs * n_heads * head_dim) as f64 / many / 1e3,
            );
        }
    }
}

/// The caches of some layers, side by side.
struct Layers {
    values: Vec<f16>,
    per_layer: usize,
    count: usize,
    depth: usize,
    blocks: Vec<u32>,
}

impl Layers {
    fn new(shape: &AttentionShape, depth: usize, bytes: usize) -> Self {
        let per_layer = depth.next_multiple_of(BLOCK) * shape.n_kv_heads * shape.head_dim;
        let count = (bytes / (4 * per_layer)).clamp(1, 64);
        // Halves from 0.5 to 1.
        let number = |i: usize| f16::from_bits(0x3800 | (i.wrapping_mul(2_654_435_761) >> 13) as u16 & 0x3ff);
        let values = (0..2 * count * per_layer).map(number).collect();
        let blocks = (0..depth.div_ceil(BLOCK) as u32).rev().collect();
        Layers { values, per_layer, count, depth, blocks }
    }

    /// Best time of a call with the last `rows` of the context.
    fn microseconds(&self, pool: &Pool, shape: &AttentionShape, rows: usize) -> f64 {
        let len = rows * shape.n_heads * shape.head_dim;
        let q: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut out = vec![0.0; len];
        let seqs = [AttentionSeq { first_row: 0, rows, context: self.depth, first_block: 0 }];
        let calls = if rows == 1 { 200 } else { 9 };
        let mut times: Vec<f64> = (0..calls)
            .map(|i| {
                let layer = &self.values[2 * self.per_layer * (i % self.count)..][..2 * self.per_layer];
                let (k, v) = layer.split_at(self.per_layer);
                let (k, v) = (KvSlice::F16(k), KvSlice::F16(v));
                let start = Instant::now();
                attention(pool, shape, &q, k, v, &seqs, &self.blocks, &mut out).expect("lengths agree");
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[0]
    }
}
