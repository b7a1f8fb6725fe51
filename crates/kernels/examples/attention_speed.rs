//! Prints how fast attention runs over a cache: one row at several depths, and a prompt's rows.
//!
//! `cargo run --release -p lantern-kernels --example attention_speed [-- THREADS [MEGABYTES] [KIND] [SHAPE]]`, where
//! KIND is f16 or q8_0 and SHAPE a part of a shape's name; `LANTERN_ISA` restricts the instruction set. As in a model, each call reads the cache of another layer; all layers together
//! have the given size (256 MB by default), so that keys and values come from memory. The best of several
//! rounds, since the machine may have other work.

use std::time::Instant;

use half::f16;
use lantern_kernels::{
    AttentionSeq, AttentionShape, KvDims, KvSide, KvSlice, KvSliceMut, Pool, attention, isa, store_kv,
};

const BLOCK: usize = 32;
const PROMPT: usize = 128;

/// Name, query heads, key-value heads, numbers in a head, window.
const SHAPES: [(&str, usize, usize, usize, Option<u32>); 3] = [
    ("Qwen2.5-1.5B", 12, 2, 128, None),
    ("SmolLM2-135M", 9, 3, 64, None),
    ("gemma-3-270m", 4, 1, 256, Some(512)),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = words.iter().filter_map(|word| word.parse().ok());
    let eight_bits = words.iter().any(|word| word == "q8_0");
    let wanted = words
        .iter()
        .find(|word| word.parse::<usize>().is_err() && SHAPES.iter().any(|shape| shape.0.contains(*word)));
    let pool = Pool::new(numbers.next().unwrap_or(2));
    let megabytes = numbers.next().unwrap_or(256);
    println!("{} threads, {}, {}", pool.threads(), isa(), if eight_bits { "q8_0" } else { "f16" });
    println!(
        "{:<14} {:>6} {:>12} {:>8} {:>16} {:>8}",
        "shape", "depth", "1 row, µs", "GB/s", "128 rows, µs", "GMAC/s"
    );
    for (name, n_heads, n_kv_heads, head_dim, window) in SHAPES {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
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
        println!("{name:<14} {PROMPT} rows written in {:.0} µs", store_microseconds(&shape, eight_bits));
        for depth in [512, 2048, 8192, 32768] {
            let layers = Layers::new(&shape, depth, megabytes << 20, eight_bits);
            let seen = |position: usize| window.map_or(position + 1, |w| (position + 1).min(w as usize));
            let one = layers.microseconds(&pool, &shape, 1);
            let numbers = 2 * seen(depth - 1) * n_kv_heads * head_dim;
            let bytes = if eight_bits { numbers * 34 / 32 } else { 2 * numbers };
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

/// Best time to write the rows of a prompt, keys and values.
fn store_microseconds(shape: &AttentionShape, eight_bits: bool) -> f64 {
    let AttentionShape { n_kv_heads, head_dim, block_size, .. } = *shape;
    let dims = KvDims { n_kv_heads, head_dim, block_size };
    let numbers = PROMPT * n_kv_heads * head_dim;
    let rows: Vec<f32> = (0..numbers).map(|i| (i as f32 * 0.37).sin()).collect();
    let slots: Vec<u32> = (0..PROMPT as u32).collect();
    let mut halves = vec![f16::ZERO; numbers];
    let mut quants = vec![0; numbers];
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for side in [KvSide::Keys, KvSide::Values] {
            let mut to = if eight_bits {
                KvSliceMut::Q8_0 { scales: &mut halves[..numbers / 32], quants: &mut quants }
            } else {
                KvSliceMut::F16(&mut halves)
            };
            store_kv(&dims, side, &mut to, &slots, &rows).expect("lengths agree");
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}

/// The caches of some layers, side by side.
struct Layers {
    /// Keys and values in 16 bits, or the scales of those in 8.
    halves: Vec<f16>,
    quants: Vec<i8>,
    per_layer: usize,
    count: usize,
    depth: usize,
    blocks: Vec<u32>,
}

impl Layers {
    fn new(shape: &AttentionShape, depth: usize, bytes: usize, eight_bits: bool) -> Self {
        let per_layer = depth.next_multiple_of(BLOCK) * shape.n_kv_heads * shape.head_dim;
        let count = (bytes / per_layer / if eight_bits { 2 } else { 4 }).clamp(1, 64);
        let numbers = 2 * count * per_layer;
        let random = |i: usize| i.wrapping_mul(2_654_435_761) >> 13;
        // Halves from 0.5 to 1.
        let half = |i: usize| f16::from_bits(0x3800 | random(i) as u16 & 0x3ff);
        let halves = (0..if eight_bits { numbers / 32 } else { numbers }).map(half).collect();
        let quants = (0..if eight_bits { numbers } else { 0 }).map(|i| random(i) as i8).collect();
        let blocks = (0..depth.div_ceil(BLOCK) as u32).rev().collect();
        Layers { halves, quants, per_layer, count, depth, blocks }
    }

    /// Keys (0) or values (1) of a layer.
    fn slice(&self, layer: usize, side: usize) -> KvSlice<'_> {
        let first = (2 * (layer % self.count) + side) * self.per_layer;
        let last = first + self.per_layer;
        if self.quants.is_empty() {
            return KvSlice::F16(&self.halves[first..last]);
        }
        KvSlice::Q8_0 { scales: &self.halves[first / 32..last / 32], quants: &self.quants[first..last] }
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
                let (k, v) = (self.slice(i, 0), self.slice(i, 1));
                let start = Instant::now();
                attention(pool, shape, &q, k, v, &seqs, &self.blocks, &mut out).expect("lengths agree");
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[0]
    }
}
