//! Weights that are plain floats, multiplied with activations as they are.
//!
//! A product adds in sixteen lanes and then adds the lanes in a fixed order, so a row's numbers do not depend on the
//! batch. In vectors the multiply-adds are fused; the portable path rounds twice.

use std::cell::RefCell;
use std::mem::take;

use half::f16;
use lantern_gguf::{GgmlType, dequantize};

use crate::isa::Isa;
use crate::lanes::{Lanes, Plain, Vector};
use crate::matmul::ExpertRows;
use crate::matrix::QMatrix;
use crate::pool::Pool;
use crate::share::Shared;

/// Rows of activations that share the pass over a row of weights.
const COLUMNS: usize = 4;
/// Rows of weights that share the pass over many activations: few enough to stay in a core's own memory meanwhile.
const ROWS: usize = 16;

/// The products of each group's rows of `x` with its matrix, `out[rows.len(), w.rows()]`; lengths are checked by the
/// caller.
pub fn matmul(
    pool: &Pool,
    isa: Isa,
    w: &QMatrix,
    x: &[f32],
    rows: &[u32],
    groups: &[ExpertRows],
    out: &mut [f32],
) {
    if let [whole] = groups
        && whole.len as usize == rows.len()
        && rows.len() * w.cols() == x.len()
        && rows.iter().enumerate().all(|(place, &row)| place == row as usize)
    {
        return one_matrix(pool, isa, w, whole.expert as usize, x, out);
    }
    thread_local! {
        static GATHERED: RefCell<Vec<f32>> = RefCell::default();
    }
    let mut gathered = GATHERED.with(|kept| take(&mut *kept.borrow_mut()));
    for group in groups {
        let (first, len) = (group.first as usize, group.len as usize);
        gathered.clear();
        for &row in &rows[first..first + len] {
            gathered.extend_from_slice(&x[row as usize * w.cols()..][..w.cols()]);
        }
        let out = &mut out[first * w.rows()..(first + len) * w.rows()];
        one_matrix(pool, isa, w, group.expert as usize, &gathered, out);
    }
    GATHERED.with(|kept| *kept.borrow_mut() = gathered);
}

/// `out[m, rows] = x[m, cols] · wᵀ` for one matrix.
fn one_matrix(pool: &Pool, isa: Isa, w: &QMatrix, matrix: usize, x: &[f32], out: &mut [f32]) {
    thread_local! {
        static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = RefCell::default();
    }
    let (rows, m) = (w.rows(), x.len() / w.cols());
    let out = Shared::new(out);
    let per_task = rows.div_ceil(8 * pool.threads()).clamp(1, 64);
    let together = if m < COLUMNS { 1 } else { ROWS };
    pool.run(rows.div_ceil(per_task), &|task| {
        let (mut values, mut sums) = SCRATCH.with(|kept| take(&mut *kept.borrow_mut()));
        let end = rows.min((task + 1) * per_task);
        for first in (task * per_task..end).step_by(together) {
            let n = together.min(end - first);
            values.resize(n * w.cols(), 0.0);
            sums.resize(n * m, 0.0);
            products(isa, w, (matrix, first), &mut values, x, &mut sums);
            for (i, sums) in sums.chunks_exact(n).enumerate() {
                // SAFETY: rows are split between tasks, so no other task has these elements.
                unsafe { out.piece(i * rows + first, n).copy_from_slice(sums) };
            }
        }
        SCRATCH.with(|kept| *kept.borrow_mut() = (values, sums));
    });
}

/// The products of every row of `x` with some rows of weights, from `row` of a matrix on: as many as `values` has room for.
fn products(
    isa: Isa,
    w: &QMatrix,
    (matrix, row): (usize, usize),
    values: &mut [f32],
    x: &[f32],
    sums: &mut [f32],
) {
    if isa.has_vectors() {
        // SAFETY: this instruction set was detected.
        return unsafe { products_of_vectors(w, (matrix, row), values, x, sums) };
    }
    // SAFETY: plain code runs everywhere.
    unsafe { products_with::<Plain>(w, (matrix, row), values, x, sums) }
}

/// # Safety
/// The instruction set of [`Vector`] must be there.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
unsafe fn products_of_vectors(
    w: &QMatrix,
    at: (usize, usize),
    values: &mut [f32],
    x: &[f32],
    sums: &mut [f32],
) {
    // SAFETY: the features are enabled.
    unsafe { products_with::<Vector>(w, at, values, x, sums) }
}

/// The values of a row.
///
/// # Safety
/// The instruction set of `L` must be there.
#[inline(always)]
unsafe fn read<L: Lanes>(ty: GgmlType, row: &[u8], values: &mut [f32]) {
    let whole = values.len() / 8 * 8;
    if ty == GgmlType::F32 {
        for (value, raw) in values.iter_mut().zip(row.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*raw);
        }
        return;
    }
    let (eights, rest) = values.split_at_mut(whole);
    for (eight, raw) in eights.as_chunks_mut::<8>().0.iter_mut().zip(row.as_chunks::<16>().0) {
        // SAFETY: the caller's promise.
        let lanes =
            unsafe { if ty == GgmlType::F16 { L::load_half(&halves(raw)) } else { L::load_brain(raw) } };
        lanes.store(eight);
    }
    // Cannot fail: the matrix was checked when it was made.
    let end = dequantize(ty, &row[2 * whole..], rest);
    debug_assert!(end.is_ok());
}

/// The same bytes as numbers.
#[inline(always)]
fn halves(raw: &[u8; 16]) -> [f16; 8] {
    let mut halves = [f16::ZERO; 8];
    for (half, raw) in halves.iter_mut().zip(raw.as_chunks::<2>().0) {
        *half = f16::from_le_bytes(*raw);
    }
    halves
}

/// # Safety
/// The instruction set of `L` must be there.
#[inline(always)]
unsafe fn products_with<L: Lanes>(
    w: &QMatrix,
    (matrix, row): (usize, usize),
    values: &mut [f32],
    x: &[f32],
    sums: &mut [f32],
) {
    let (cols, n) = (w.cols(), values.len() / w.cols());
    for (index, values) in values.chunks_exact_mut(cols).enumerate() {
        // SAFETY: the caller's promise.
        unsafe { read::<L>(w.ty(), w.plain_row(matrix, row + index), values) };
    }
    let in_fours = sums.len() / (COLUMNS * n) * COLUMNS;
    let (fours, rest) = sums.split_at_mut(in_fours * n);
    let (x_fours, x_rest) = x.split_at(in_fours * cols);
    for (sums, x) in fours.chunks_exact_mut(COLUMNS * n).zip(x_fours.chunks_exact(COLUMNS * cols)) {
        let (a, b) = x.split_at(2 * cols);
        let ((a, b), (c, d)) = (a.split_at(cols), b.split_at(cols));
        for (index, w) in values.chunks_exact(cols).enumerate() {
            // SAFETY: the caller's promise.
            let four = unsafe { dots::<L, COLUMNS>(w, [a, b, c, d]) };
            four.iter().enumerate().for_each(|(column, sum)| sums[column * n + index] = *sum);
        }
    }
    for (sums, x) in rest.chunks_exact_mut(n).zip(x_rest.chunks_exact(cols)) {
        for (sum, w) in sums.iter_mut().zip(values.chunks_exact(cols)) {
            // SAFETY: the caller's promise.
            [*sum] = unsafe { dots::<L, 1>(w, [x]) };
        }
    }
}

/// `N` dot products at once; each adds as it would alone.
///
/// # Safety
/// The instruction set of `L` must be there.
#[inline(always)]
unsafe fn dots<L: Lanes, const N: usize>(w: &[f32], x: [&[f32]; N]) -> [f32; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [[L::splat(0.0); 2]; N];
        let (chunks, rest) = w.as_chunks::<16>();
        let x = x.map(|x| x.as_chunks::<16>());
        for (i, w) in chunks.iter().enumerate() {
            let w = [L::load(half_of(w, 0)), L::load(half_of(w, 1))];
            for c in 0..N {
                for h in 0..2 {
                    lanes[c][h] = w[h].mul_add(L::load(half_of(&x[c].0[i], h)), lanes[c][h]);
                }
            }
        }
        let mut sums = [0.0; N];
        for c in 0..N {
            let tail = rest.iter().zip(x[c].1).fold(0.0, |tail, (w, x)| tail + w * x);
            sums[c] = lanes[c][0].add(lanes[c][1]).sum() + tail;
        }
        sums
    }
}

#[inline(always)]
fn half_of(sixteen: &[f32; 16], which: usize) -> &[f32; 8] {
    &sixteen.as_chunks::<8>().0[which]
}
