//! Products as callers see them: right, and the same however the work is cut.

use lantern_gguf::GgmlType;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::arena::Arena;
use crate::dot::tests::{Fill, blocks, quantised_types};
use crate::matrix::{MatrixShape, embed};

fn types() -> Vec<GgmlType> {
    [quantised_types(), vec![GgmlType::F32, GgmlType::F16, GgmlType::BF16]].concat()
}

fn bytes_of(ty: GgmlType, count: usize, fill: Fill, rng: &mut StdRng) -> Vec<u8> {
    if ty.is_quantised() {
        blocks(ty, count / ty.block_size(), fill, rng)
    } else {
        let values = (0..count).map(|_| rng.random_range(-1.0f32..1.0));
        match ty {
            GgmlType::F32 => values.flat_map(f32::to_le_bytes).collect(),
            GgmlType::F16 => values.flat_map(|v| half::f16::from_f32(v).to_le_bytes()).collect(),
            _ => values.flat_map(|v| half::bf16::from_f32(v).to_le_bytes()).collect(),
        }
    }
}

fn matrix(ty: GgmlType, rows: usize, cols: usize, fill: Fill, rng: &mut StdRng) -> QMatrix {
    let bytes = bytes_of(ty, rows * cols, fill, rng);
    packed(ty, MatrixShape::one(rows, cols), bytes)
}

fn packed(ty: GgmlType, shape: MatrixShape, bytes: Vec<u8>) -> QMatrix {
    QMatrix::new(ty, shape, bytes.into()).unwrap().pack(&Arena::new(0).unwrap(), &Pool::new(1)).unwrap()
}

fn inputs(count: usize, rng: &mut StdRng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn product(isa: Isa, pool: &Pool, w: &QMatrix, x: &[f32], m: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; m * w.rows()];
    run(isa, pool, x, m, &mut [Product { weights: w, out: &mut out }]).unwrap();
    out
}

#[test]
fn a_row_does_not_depend_on_its_batch_or_the_threads() {
    let mut rng = StdRng::seed_from_u64(3);
    let (one, three) = (Pool::new(1), Pool::new(3));
    let (m, cols) = (37, 1536);
    for ty in types() {
        for (rows, fill) in [(203, Fill::Random), (5, Fill::Ends)] {
            let w = matrix(ty, rows, cols, fill, &mut rng);
            let x = inputs(m * cols, &mut rng);
            let mut of_first_isa: Option<Vec<f32>> = None;
            for isa in Isa::available() {
                let whole = product(isa, &three, &w, &x, m);
                assert_eq!(whole, product(isa, &one, &w, &x, m), "{ty}, {isa}: threads");
                for i in [0, 1, 17, 36] {
                    let alone = product(isa, &three, &w, &x[i * cols..][..cols], 1);
                    assert_eq!(whole[i * rows..][..rows], alone, "{ty}, {isa}: row {i} alone");
                }
                let piece = product(isa, &one, &w, &x[4 * cols..13 * cols], 9);
                assert_eq!(whole[4 * rows..13 * rows], piece, "{ty}, {isa}: rows 4 to 12");
                if ty.is_quantised() {
                    let first = of_first_isa.get_or_insert_with(|| whole.clone());
                    assert_eq!(*first, whole, "{ty}: {isa} differs from portable code");
                }
            }
        }
    }
}

#[test]
fn products_are_close_to_exact_ones() {
    let mut rng = StdRng::seed_from_u64(4);
    let pool = Pool::new(2);
    let (rows, cols, m) = (24, 2560, 5);
    for ty in types() {
        let w = matrix(ty, rows, cols, Fill::Random, &mut rng);
        let x = inputs(m * cols, &mut rng);
        let mut values = vec![0.0; rows * cols];
        let ids: Vec<u32> = (0..rows as u32).collect();
        embed(&w, &ids, &mut values).unwrap();
        for isa in Isa::available() {
            let got = product(isa, &pool, &w, &x, m);
            let (mut error, mut size) = (0f64, 0f64);
            for i in 0..m {
                for r in 0..rows {
                    let row = values[r * cols..][..cols].iter().zip(&x[i * cols..]);
                    let exact: f64 = row.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    error += (f64::from(got[i * rows + r]) - exact).powi(2);
                    size += exact.powi(2);
                }
            }
            let relative = (error / size).sqrt();
            let allowed = if ty.is_quantised() { 0.01 } else { 1e-6 };
            assert!(relative < allowed, "{ty}, {isa}: relative error {relative:.2e}");
        }
    }
}

#[test]
fn several_products_are_the_same_as_each() {
    let mut rng = StdRng::seed_from_u64(5);
    let (pool, isa, m) = (Pool::new(2), isa(), 4);
    let weights = [GgmlType::Q4K, GgmlType::Q6K, GgmlType::F16, GgmlType::Q5K]
        .map(|ty| matrix(ty, 40, 512, Fill::Random, &mut rng));
    let x = inputs(m * 512, &mut rng);
    let mut outs = vec![vec![0.0; m * 40]; weights.len()];
    let mut products: Vec<_> =
        weights.iter().zip(&mut outs).map(|(weights, out)| Product { weights, out }).collect();
    matmul_each(&pool, &x, m, &mut products).unwrap();
    for (w, out) in weights.iter().zip(&outs) {
        assert_eq!(*out, product(isa, &pool, w, &x, m), "{}", w.ty());
    }
}

#[test]
fn experts_take_the_rows_that_are_sent_to_them() {
    let mut rng = StdRng::seed_from_u64(8);
    let (pool, cols, rows, count, m) = (Pool::new(3), 256, 40, 5, 12);
    for ty in types() {
        let of_each: Vec<Vec<u8>> =
            (0..count).map(|_| bytes_of(ty, rows * cols, Fill::Random, &mut rng)).collect();
        let all = packed(ty, MatrixShape { count, rows, cols }, of_each.concat());
        let x = inputs(m * cols, &mut rng);
        // Expert 1 gets nothing, expert 3 gets everything, backwards.
        let sent: [Vec<u32>; 5] = [vec![0, 5], vec![], vec![7], (0..m as u32).rev().collect(), vec![7, 2, 1]];
        let (mut list, mut groups) = (Vec::new(), Vec::new());
        for (expert, rows) in sent.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let (first, len) = (list.len() as u32, rows.len() as u32);
            groups.push(ExpertRows { expert: expert as u32, first, len });
            list.extend(rows);
        }
        let mut out = vec![f32::NAN; list.len() * rows];
        let mut products = [Product { weights: &all, out: &mut out }];
        matmul_experts(&pool, &x, m, &list, &groups, &mut products).unwrap();
        for group in &groups {
            let one = packed(ty, MatrixShape::one(rows, cols), of_each[group.expert as usize].clone());
            for place in group.first..group.first + group.len {
                let row = list[place as usize] as usize;
                let want = product(isa(), &pool, &one, &x[row * cols..][..cols], 1);
                assert_eq!(out[place as usize * rows..][..rows], want, "{ty}, expert {}", group.expert);
            }
        }
        let far = [ExpertRows { expert: 5, first: 0, len: 1 }];
        let mut products = [Product { weights: &all, out: &mut out[..rows] }];
        let error = matmul_experts(&pool, &x, m, &[0], &far, &mut products).unwrap_err();
        assert_eq!(error, KernelError::Index { what: "expert", index: 5, limit: 5 });
    }
}

#[test]
fn faults_in_the_input_reach_the_output() {
    let mut rng = StdRng::seed_from_u64(6);
    let pool = Pool::new(1);
    for ty in types() {
        let w = matrix(ty, 8, 256, Fill::Random, &mut rng);
        let mut x = inputs(2 * 256, &mut rng);
        x[100] = f32::NAN;
        let out = product(isa(), &pool, &w, &x, 2);
        assert!(out[..8].iter().all(|v| v.is_nan()), "{ty}: a NaN vanished");
        assert!(out[8..].iter().all(|v| v.is_finite()), "{ty}: a NaN spread to another row");
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let mut rng = StdRng::seed_from_u64(7);
    let pool = Pool::new(1);
    let w = matrix(GgmlType::Q8_0, 8, 64, Fill::Random, &mut rng);
    let error = matmul(&pool, &w, &[0.0; 63], 1, &mut [0.0; 8]).unwrap_err();
    assert_eq!(error.to_string(), "the input of a product has 63 elements, expected 64");
    let error = matmul(&pool, &w, &[0.0; 64], 1, &mut [0.0; 9]).unwrap_err();
    assert_eq!(error.code(), "kernel_misuse");
    matmul(&pool, &w, &[], 0, &mut []).unwrap();
}
