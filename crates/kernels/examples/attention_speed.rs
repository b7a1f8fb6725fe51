//! Prints how fast attention runs over a cache: one row at several depths, and a prompt's rows.
//!
//! `cargo run --release -p lantern-kernels --example attention_speed [-- THREADS [MEGABYTES] [KIND] [SHAPE]]`, where
//! KIND is f16, q8_0 or q4_0 and SHAPE a part of a shape's name; `LANTERN_ISA` restricts the instruction set. As in a model, each call reads the cache of another layer; all layers together
//! have the given size (256 MB by default), so that keys and values come from memory. The best of several
//! rounds, since the machine may have other work.

use std::time::Instant;

use half::f16;
use lantern_kernels::{
    AttentionSeq, AttentionShape, KvDims, KvSide, KvSlice, KvSliceMut, Pool, attention, isa, store_kv,
};

/// How numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    F16,
    Q8_0,
    Q4_0,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::F16, Kind::Q8_0, Kind::Q4_0];

    fn name(self) -> &'static str {
        match self {
            Kind::F16 => "f16",
            Kind::Q8_0 => "q8_0",
            Kind::Q4_0 => "q4_0",
        }
    }

    /// Bytes of so many numbers.
    fn bytes(self, numbers: usize) -> usize {
        match self {
            Kind::F16 => 2 * numbers,
            Kind::Q8_0 => numbers * 34 / 32,
            Kind::Q4_0 => numbers * 18 / 32,
        }
    }
}

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
    let kind = Kind::ALL.into_iter().find(|kind| words.iter().any(|word| word == kind.name()));
    let kind = kind.unwrap_or(Kind::F16);
    let wanted = words
        .iter()
        .find(|word| word.parse::<usize>().is_err() && SHAPES.iter().any(|shape| shape.0.contains(*word)));
    let pool = Pool::new(numbers.next().unwrap_or(2));
    let megabytes = numbers.next().unwrap_or(256);
    println!("{} threads, {}, {}", pool.threads(), isa(), kind.name());
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
            ahead: 0,
            softcap: None,
            sinks: None,
        };
        println!("{name:<14} {PROMPT} rows written in {:.0} µs", store_microseconds(&shape, kind));
        for depth in [512, 2048, 8192, 32768] {
            let layers = Layers::new(&shape, depth, megabytes << 20, kind);
            let seen = |position: usize| window.map_or(position + 1, |w| (position + 1).min(w as usize));
            let one = layers.microseconds(&pool, &shape, 1);
            let bytes = kind.bytes(2 * seen(depth - 1) * n_kv_heads * head_dim);
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
fn store_microseconds(shape: &AttentionShape, kind: Kind) -> f64 {
    let AttentionShape { n_kv_heads, head_dim, block_size, .. } = *shape;
    let dims = KvDims { n_kv_heads, head_dim, block_size };
    let numbers = PROMPT * n_kv_heads * head_dim;
    let rows: Vec<f32> = (0..numbers).map(|i| (i as f32 * 0.37).sin()).collect();
    let slots: Vec<u32> = (0..PROMPT as u32).collect();
    let mut halves = vec![f16::ZERO; numbers];
    let (mut quants, mut nibbles) = (vec![0; numbers], vec![0; numbers / 2]);
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for side in [KvSide::Keys, KvSide::Values] {
            let scales = numbers / 32;
            let mut to = match kind {
                Kind::F16 => KvSliceMut::F16(&mut halves),
                Kind::Q8_0 => KvSliceMut::Q8_0 { scales: &mut halves[..scales], quants: &mut quants },
                Kind::Q4_0 => KvSliceMut::Q4_0 { scales: &mut halves[..scales], quants: &mut nibbles },
            };
            store_kv(&dims, side, &mut to, &slots, &rows).expect("lengths agree");
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}

/// The caches of some layers, side by side.
struct Layers {
    kind: Kind,
    /// Keys and values in 16 bits, or the scales of those in 8 or 4.
    halves: Vec<f16>,
    quants: Vec<i8>,
    nibbles: Vec<u8>,
    per_layer: usize,
    count: usize,
    depth: usize,
    blocks: Vec<u32>,
}

impl Layers {
    fn new(shape: &AttentionShape, depth: usize, bytes: usize, kind: Kind) -> Self {
        let per_layer = depth.next_multiple_of(BLOCK) * shape.n_kv_heads * shape.head_dim;
        let count = (bytes / kind.bytes(2 * per_layer)).clamp(1, 64);
        let numbers = 2 * count * per_layer;
        let random = |i: usize| i.wrapping_mul(2_654_435_761) >> 13;
        // Halves from 0.5 to 1.
        let half = |i: usize| f16::from_bits(0x3800 | random(i) as u16 & 0x3ff);
        let len = |of: Kind, len: usize| if kind == of { len } else { 0 };
        let halves = (0..if kind == Kind::F16 { numbers } else { numbers / 32 }).map(half).collect();
        let quants = (0..len(Kind::Q8_0, numbers)).map(|i| random(i) as i8).collect();
        let nibbles = (0..len(Kind::Q4_0, numbers / 2)).map(|i| random(i) as u8).collect();
        let blocks = (0..depth.div_ceil(BLOCK) as u32).rev().collect();
        Layers { kind, halves, quants, nibbles, per_layer, count, depth, blocks }
    }

    /// Keys (0) or values (1) of a layer.
    fn slice(&self, layer: usize, side: usize) -> KvSlice<'_> {
        let first = (2 * (layer % self.count) + side) * self.per_layer;
        let last = first + self.per_layer;
        let scales = first / 32..last / 32;
        match self.kind {
            Kind::F16 => KvSlice::F16(&self.halves[first..last]),
            Kind::Q8_0 => KvSlice::Q8_0 { scales: &self.halves[scales], quants: &self.quants[first..last] },
            Kind::Q4_0 => {
                KvSlice::Q4_0 { scales: &self.halves[scales], quants: &self.nibbles[first / 2..last / 2] }
            }
        }
    }

    /// Best time of a call with the last `rows` of the context.
    fn microseconds(&self, pool: &Pool, shape: &AttentionShape, rows: usize) -> f64 {
        let len = rows * shape.n_heads * shape.head_dim;
        let q: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut out = vec![0.0; len];
        let seqs = [AttentionSeq {
            first_row: 0,
            rows,
            context: self.depth,
            first_block: 0,
            together: false,
            guesses: 0,
        }];
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
