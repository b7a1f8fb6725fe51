//! Weights that are plain floats, multiplied with activations as they are.
//!
//! A product adds in eight lanes and then adds the lanes in a fixed order, so a row's numbers do not depend on the
//! batch. With AVX2 the multiply-adds are fused; the portable path rounds twice.

use lantern_gguf::dequantize;

use crate::isa::Isa;
use crate::matrix::QMatrix;
use crate::pool::Pool;
use crate::share::Shared;

/// Rows of activations that share the pass over a row of weights.
const COLUMNS: usize = 4;

/// `out[m, rows] = x[m, cols] · wᵀ`; lengths are checked by the caller.
pub fn matmul(pool: &Pool, isa: Isa, w: &QMatrix, x: &[f32], m: usize, out: &mut [f32]) {
    let (rows, cols) = (w.rows(), w.cols());
    let out = Shared::new(out);
    let per_task = rows.div_ceil(4 * pool.threads()).clamp(1, 64);
    pool.run(rows.div_ceil(per_task), &|task| {
        let range = task * per_task..rows.min((task + 1) * per_task);
        let mut values = vec![0.0; cols];
        let mut sums = vec![0.0; m];
        for row in range {
            // Cannot fail: the matrix was checked when it was made.
            let read = dequantize(w.ty(), w.row(row), &mut values);
            debug_assert!(read.is_ok());
            products(isa, &values, x, &mut sums);
            for (i, sum) in sums.iter().enumerate() {
                // SAFETY: rows are split between tasks, so no other task has this element.
                unsafe { out.piece(i * rows + row, 1)[0] = *sum };
            }
        }
    });
}

/// The products of one row of weights with every row of `x`.
fn products(isa: Isa, w: &[f32], x: &[f32], sums: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        // SAFETY: this instruction set was detected.
        return unsafe { products_avx2(w, x, sums) };
    }
    let _ = isa;
    products_here(w, x, sums, |a, b, sum| a * b + sum);
}

/// The portable code with fused multiply-adds.
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn products_avx2(w: &[f32], x: &[f32], sums: &mut [f32]) {
    products_here(w, x, sums, f32::mul_add);
}

#[inline(always)]
fn products_here(w: &[f32], x: &[f32], sums: &mut [f32], fma: impl Fn(f32, f32, f32) -> f32 + Copy) {
    let (fours, rest) = sums.as_chunks_mut::<COLUMNS>();
    let first_rest = fours.len() * COLUMNS;
    for (i, sums) in fours.iter_mut().enumerate() {
        let at = |c: usize| &x[(i * COLUMNS + c) * w.len()..][..w.len()];
        *sums = dots(w, [at(0), at(1), at(2), at(3)], fma);
    }
    for (i, sum) in rest.iter_mut().enumerate() {
        [*sum] = dots(w, [&x[(first_rest + i) * w.len()..][..w.len()]], fma);
    }
}

/// `N` dot products at once; each adds as it would alone.
#[inline(always)]
fn dots<const N: usize>(w: &[f32], x: [&[f32]; N], fma: impl Fn(f32, f32, f32) -> f32 + Copy) -> [f32; N] {
    let mut lanes = [[0f32; 16]; N];
    let (chunks, rest) = w.as_chunks::<16>();
    let x = x.map(|x| x.as_chunks::<16>());
    for (i, w) in chunks.iter().enumerate() {
        for c in 0..N {
            let x = &x[c].0[i];
            for j in 0..16 {
                lanes[c][j] = fma(w[j], x[j], lanes[c][j]);
            }
        }
    }
    std::array::from_fn(|c| {
        let mut tail = 0.0;
        for (w, x) in rest.iter().zip(x[c].1) {
            tail = fma(*w, *x, tail);
        }
        sum(&lanes[c]) + tail
    })
}

/// Adds 16 lanes in pairs at a distance.
#[inline(always)]
fn sum(lanes: &[f32; 16]) -> f32 {
    let mut lanes = *lanes;
    for distance in [8, 4, 2, 1] {
        for i in 0..distance {
            lanes[i] += lanes[i + distance];
        }
    }
    lanes[0]
}
