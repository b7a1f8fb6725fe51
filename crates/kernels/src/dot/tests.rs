//! Every kernel against the definition in the module's head, bit for bit, and against exact values.

use lantern_gguf::blocks::{Unpacked, affine, unpack};
use lantern_gguf::{GgmlType, dequantize};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::quantize::quantize_row;

pub fn quantised_types() -> Vec<GgmlType> {
    GgmlType::ALL.iter().copied().filter(|ty| affine(*ty).is_some()).collect()
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
            GgmlType::MXFP4 => &[],
            _ => &[0],
        };
        for &at in halves {
            let scale = half::f16::from_f32(rng.random_range(-0.1..0.1));
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
        if ty == GgmlType::MXFP4 {
            block[0] = [0, 1, 2, 118, 130][rng.random_range(0..5)];
        }
    }
    bytes
}

/// The definition: one row of weights, one row of activations.
fn defined(ty: GgmlType, row: &[u8], x: Row<'_>) -> f32 {
    let form = affine(ty).unwrap();
    let (mut sum, mut unpacked, mut g) = (0f32, Unpacked::new(), 0);
    for block in row.chunks_exact(ty.block_bytes()) {
        unpack(ty, block, &mut unpacked);
        for i in 0..ty.block_size() / form.group {
            let q = &unpacked.q[i * form.group..][..form.group];
            let x_q = &x.q[g * form.group..][..form.group];
            let dot: i32 = q
                .iter()
                .zip(x_q)
                .map(|(q, x)| (i32::from(*q) - i32::from(form.offset)) * i32::from(*x))
                .sum();
            sum += (unpacked.scales[i] * x.scales[g * form.group / 32]) * dot as f32;
            if form.has_min {
                sum += unpacked.mins[i] * x.terms[g];
            }
            g += 1;
        }
    }
    sum
}

fn activations(
    isa: Isa,
    ty: GgmlType,
    m: usize,
    cols: usize,
    extreme: bool,
    rng: &mut StdRng,
) -> Activations {
    let form = affine(ty).unwrap();
    let mut acts = Activations::default();
    acts.resize(m, cols, form);
    let x: Vec<f32> = (0..m * cols)
        .map(|_| if extreme { [-3.0, 3.0][rng.random_range(0..2)] } else { rng.random_range(-2.0..2.0) })
        .collect();
    let groups = cols / form.group;
    let (q, scales, terms) = acts.buffers();
    for i in 0..m {
        quantize_row(
            isa,
            form,
            &x[i * cols..][..cols],
            &mut q[i * cols..][..cols],
            &mut scales[i * cols / 32..][..cols / 32],
            &mut terms[i * groups..][..groups],
        );
    }
    acts
}

#[test]
fn kernels_agree_with_the_definition_bit_for_bit() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut panel = Panel::new();
    for isa in Isa::available() {
        for ty in quantised_types() {
            for (fill, extreme) in [(Fill::Random, false), (Fill::Ends, true), (Fill::Random, true)] {
                let (cols, m) = (768, 7);
                let per_row = cols / ty.block_size();
                let bytes = blocks(ty, ROWS * per_row, fill, &mut rng);
                let acts = activations(isa, ty, m, cols, extreme, &mut rng);
                let kernel = kernel(isa, ty).unwrap();
                let stride = per_row * ty.block_bytes();
                let weights = Weights { first: bytes.as_ptr(), stride, blocks: per_row };
                let mut sums = vec![[0.0; ROWS]; m];
                let columns = Columns { all: &acts, start: 0, len: cols };
                // SAFETY: the instruction set is available and the blocks are there.
                unsafe {
                    (kernel.fill)(ty, weights, &mut panel);
                    (kernel.columns)(kernel.form, &panel, columns, 0, &mut sums);
                }
                for (i, sums) in sums.iter().enumerate() {
                    let want: Vec<f32> =
                        bytes.chunks_exact(stride).map(|row| defined(ty, row, acts.row(i))).collect();
                    assert_eq!(sums.as_slice(), want, "panel, {isa}, {ty}, {fill:?}");
                    if let Some(tile) = kernel.tile {
                        // SAFETY: as above.
                        let got = unsafe { tile(weights, acts.row(i)) };
                        assert_eq!(got.as_slice(), want, "tile, {isa}, {ty}, {fill:?}");
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
        let acts = activations(Isa::Scalar, ty, 1, cols, false, &mut rng);
        let x = acts.row(0);
        let mut values = vec![0.0; cols];
        dequantize(ty, &row, &mut values).unwrap();
        let (mut exact, mut size) = (0f64, 0f64);
        for (i, value) in values.iter().enumerate() {
            let product = f64::from(*value) * f64::from(x.q[i]) * f64::from(x.scales[i / 32]);
            exact += product;
            size += product.abs();
        }
        let got = f64::from(defined(ty, &row, x));
        assert!((got - exact).abs() <= 1e-6 * size, "{ty}: {got} instead of {exact}");
    }
}
