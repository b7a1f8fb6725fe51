//! Every kernel against the definition in the module's head, bit for bit, and against exact values.

use lantern_gguf::blocks::{Unpacked, affine, unpack};
use lantern_gguf::{GgmlType, dequantize};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::isa::isa;
use crate::packed::pack;
use crate::pool::Pool;
use crate::quantize::quantize_row;

pub fn quantised_types() -> Vec<GgmlType> {
    GgmlType::ALL.iter().copied().filter(|ty| affine(*ty).is_some()).collect()
}

pub fn packed_types() -> Vec<GgmlType> {
    quantised_types().into_iter().filter(|ty| packing(*ty).is_some()).collect()
}

/// How blocks are made up.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    Random,
    /// Every integer, scale and minimum at an end of its range.
    Ends,
}

/// `count` blocks with finite scales.
pub fn blocks(ty: GgmlType, count: usize, fill: Fill, rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; count * ty.block_bytes()];
    for block in bytes.chunks_exact_mut(ty.block_bytes()) {
        match fill {
            Fill::Random => rng.fill(block),
            Fill::Ends => block.fill([0x00, 0xff, 0x80, 0x7f][rng.random_range(0..4)]),
        }
        let halves: &[usize] = match ty {
            GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4K | GgmlType::Q5K => &[0, 2],
            GgmlType::Q2K => &[80, 82],
            GgmlType::Q3K => &[108],
            GgmlType::Q6K => &[208],
            GgmlType::TQ1_0 => &[52],
            GgmlType::TQ2_0 => &[64],
            GgmlType::MXFP4 | GgmlType::NVFP4 | GgmlType::IQ1M => &[],
            _ => &[0],
        };
        for &at in halves {
            let scale = half::f16::from_f32(rng.random_range(-0.1..0.1));
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
        if ty == GgmlType::IQ1M {
            // The half float lies in the upper bits of four words; this exponent is a small one.
            block[55] = block[55] & 0x8f | 0x20;
        }
        if ty == GgmlType::MXFP4 {
            block[0] = [0, 1, 2, 118, 130][rng.random_range(0..5)];
        }
    }
    bytes
}

/// The definition: one row of weights, row `i` of the activations.
fn defined(ty: GgmlType, row: &[u8], acts: &Activations, i: usize) -> f32 {
    let form = affine(ty).unwrap();
    let (all, cols) = (acts.parts(form.group, form.has_min), acts.cols());
    let (mut sum, mut unpacked, mut at) = (0f32, Unpacked::new(), i * cols);
    for block in row.chunks_exact(ty.block_bytes()) {
        unpack(ty, block, &mut unpacked);
        for (g, q) in unpacked.q[..ty.block_size()].chunks_exact(form.group).enumerate() {
            let pairs = q.iter().zip(&all.q[at..]);
            let dot: i32 = pairs.map(|(q, x)| (i32::from(*q) - i32::from(form.offset)) * i32::from(*x)).sum();
            sum = (unpacked.scales[g] * all.scales[at / 32]).mul_add(dot as f32, sum);
            if form.has_min {
                sum = unpacked.mins[g].mul_add(all.terms[at / form.group], sum);
            }
            at += form.group;
        }
    }
    sum
}

pub fn activations(isa: Isa, m: usize, cols: usize, extreme: bool, rng: &mut StdRng) -> Activations {
    let mut acts = Activations::default();
    acts.resize(m, cols);
    let mut rest = acts.rows_mut();
    for _ in 0..m {
        let one = |rng: &mut StdRng| {
            if extreme { [-3.0, 3.0][rng.random_range(0..2)] } else { rng.random_range(-2.0..2.0) }
        };
        let x: Vec<f32> = (0..cols).map(|_| one(rng)).collect();
        let (row, others) = rest.take(cols);
        quantize_row(isa, &x, row);
        rest = others;
    }
    acts
}

/// A tile of sixteen rows.
pub fn tile(ty: GgmlType, bytes: &[u8]) -> Vec<u8> {
    let mut tile = vec![0; bytes.len()];
    pack(isa(), &Pool::new(1), &packing(ty).unwrap(), bytes, bytes.len() / ROWS, &mut tile);
    tile
}

#[test]
fn kernels_agree_with_the_definition_bit_for_bit() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut panel = Box::<Panel>::default();
    let (cols, m) = (PANEL, 16);
    for isa in Isa::available() {
        for ty in quantised_types() {
            for (fill, extreme) in [(Fill::Random, false), (Fill::Ends, true), (Fill::Random, true)] {
                let per_row = cols / ty.block_size();
                let bytes = blocks(ty, ROWS * per_row, fill, &mut rng);
                let acts = activations(isa, m, cols, extreme, &mut rng);
                let want = |i: usize| -> Vec<f32> {
                    bytes.chunks_exact(bytes.len() / ROWS).map(|row| defined(ty, row, &acts, i)).collect()
                };
                let kernel = kernel(isa, ty).unwrap();
                let tile = if kernel.tiles.is_some() { tile(ty, &bytes) } else { Vec::new() };
                let tile = TileBlocks { first: tile.as_ptr(), count: per_row };
                let columns = Columns { all: &acts, start: 0, len: cols };
                // In an order of their own, to see that rows are found by their number.
                let rows: Vec<u32> = (0..m as u32).rev().collect();
                let mut sums = vec![[0.0; ROWS]; m];
                // SAFETY: the instruction set is available and the blocks are there.
                unsafe {
                    let _set_up = kernel.set_up();
                    match kernel.tiles {
                        Some(of) => (of.fill)(&of.packing, tile, &mut panel),
                        None => {
                            rows::fill(ty, kernel.form, &bytes, bytes.len() / ROWS, 0..per_row, &mut panel)
                        }
                    }
                    (kernel.columns)(kernel.form, &panel, columns, &rows, &mut sums);
                }
                for (&row, sums) in rows.iter().zip(&sums) {
                    assert_eq!(sums.as_slice(), want(row as usize), "panel, {isa}, {ty}, {fill:?}");
                }
                let Some(direct) = kernel.tiles.and_then(|of| of.direct) else { continue };
                for n in 1..=direct.most_rows.min(m) {
                    let mut sums = vec![[0.0; ROWS]; n];
                    // SAFETY: as above.
                    unsafe { (direct.multiply)(tile, columns, &rows[..n], &mut sums) };
                    for (&row, sums) in rows.iter().zip(&sums) {
                        assert_eq!(sums.as_slice(), want(row as usize), "direct, {n}, {isa}, {ty}, {fill:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_definition_is_the_product_of_the_values() {
    let mut rng = StdRng::seed_from_u64(2);
    for ty in quantised_types() {
        let cols = 512;
        let row = blocks(ty, cols / ty.block_size(), Fill::Random, &mut rng);
        let acts = activations(Isa::Scalar, 1, cols, false, &mut rng);
        let x = acts.parts(32, false);
        let mut values = vec![0.0; cols];
        dequantize(ty, &row, &mut values).unwrap();
        let (mut exact, mut size) = (0f64, 0f64);
        for (i, value) in values.iter().enumerate() {
            let product = f64::from(*value) * f64::from(x.q[i]) * f64::from(x.scales[i / 32]);
            exact += product;
            size += product.abs();
        }
        let got = f64::from(defined(ty, &row, &acts, 0));
        assert!((got - exact).abs() <= 1e-6 * size, "{ty}: {got} instead of {exact}");
    }
}
