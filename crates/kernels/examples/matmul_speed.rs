//! Prints how fast matrix products run, for each weight type, with one row of activations, with 16 (as many answers at once) and with 128.
//!
//! `cargo run -p lantern-kernels --example matmul_speed [-- THREADS [ROWS COLUMNS]]`; `LANTERN_ISA` restricts the
//! instruction set, a type's name the list. Weights are 64 MB by default, so that one row measures memory. The best of
//! several rounds, because other programs only ever make a round slower.

use std::time::Instant;

use lantern_gguf::GgmlType;
use lantern_kernels::{Arena, MatrixShape, Pool, QMatrix, isa, matmul};

const TYPES: [GgmlType; 16] = [
    GgmlType::Q4_0,
    GgmlType::Q4_1,
    GgmlType::Q5_0,
    GgmlType::Q5_1,
    GgmlType::Q8_0,
    GgmlType::Q2K,
    GgmlType::Q3K,
    GgmlType::Q4K,
    GgmlType::Q5K,
    GgmlType::Q6K,
    GgmlType::IQ4NL,
    GgmlType::IQ4XS,
    GgmlType::MXFP4,
    GgmlType::F16,
    GgmlType::BF16,
    GgmlType::F32,
];

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let threads = numbers.first().copied().unwrap_or(2);
    let shape = (numbers.len() > 2).then(|| (numbers[1], numbers[2]));
    let pool = Pool::new(threads);
    println!("{threads} threads, {}", isa());
    println!(
        "{:<8} {:>12} {:>10} {:>8} {:>13} {:>14}",
        "type", "matrix", "m=1 GMAC/s", "GB/s", "m=16 GMAC/s", "m=128 GMAC/s"
    );
    let named = |ty: &GgmlType| std::env::args().any(|word| word == ty.name());
    let some = TYPES.iter().any(named);
    for ty in TYPES.into_iter().filter(|ty| !some || named(ty)) {
        let cols = shape.map_or(1536, |s| s.1);
        let row_bytes = ty.row_bytes(cols).expect("whole blocks");
        let rows = shape.map_or(64_000_000 / row_bytes / 16 * 16, |s| s.0);
        let one = seconds(&pool, ty, rows, cols, 1);
        let prompt_rows = rows.min(8192);
        let sixteen = seconds(&pool, ty, rows, cols, 16);
        let many = seconds(&pool, ty, prompt_rows, cols, 128);
        println!(
            "{:<8} {:>12} {:>10.1} {:>8.2} {:>13.1} {:>14.1}",
            ty.name(),
            format!("{rows}x{cols}"),
            (rows * cols) as f64 / one / 1e9,
            (rows * row_bytes) as f64 / one / 1e9,
            (16 * rows * cols) as f64 / sixteen / 1e9,
            (128 * prompt_rows * cols) as f64 / many / 1e9,
        );
    }
}

/// Shortest time of one product.
fn seconds(pool: &Pool, ty: GgmlType, rows: usize, cols: usize, m: usize) -> f64 {
    // Any bytes will do, as long as no half float in them is infinite.
    let len = rows * ty.row_bytes(cols).expect("whole blocks");
    let bytes: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x37).collect();
    let arena = Arena::new(len + (1 << 21)).expect("memory");
    let w = QMatrix::new(ty, MatrixShape::one(rows, cols), bytes.into())
        .and_then(|w| w.pack(&arena, pool))
        .expect("the size is right");
    let x: Vec<f32> = (0..m * cols).map(|i| (i as f32 * 0.37).sin()).collect();
    let mut out = vec![0.0; m * rows];
    let mut times: Vec<f64> = (0..if m < 128 { 40 } else { 6 })
        .map(|_| {
            let start = Instant::now();
            matmul(pool, &w, &x, m, &mut out).expect("lengths agree");
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[0]
}
