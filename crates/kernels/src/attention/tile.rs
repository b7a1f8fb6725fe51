//! The inner loops: a few queries with one block of keys, and their weights with one block of values.
//!
//! Each sum has an order of its own, dimension after dimension and position after position, whatever else is in the
//! tile; so tiles may be cut as it suits.

use half::f16;

use super::CHUNK;
use super::cache::STRIP;
use crate::lanes::Lanes;

/// Numbers as a cache keeps them.
pub trait Number: Copy {
    /// Whether strips have scales.
    const SCALED: bool;

    /// Eight in a row, without their scale.
    ///
    /// # Safety
    /// Here and below: the instruction set of `L` must be there.
    unsafe fn eight<L: Lanes>(from: &[Self; 8]) -> L;

    /// One, without its scale.
    fn one(self) -> f32;
}

impl Number for f32 {
    const SCALED: bool = false;

    #[inline(always)]
    unsafe fn eight<L: Lanes>(from: &[Self; 8]) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    fn one(self) -> f32 {
        self
    }
}

impl Number for f16 {
    const SCALED: bool = false;

    #[inline(always)]
    unsafe fn eight<L: Lanes>(from: &[Self; 8]) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load_half(from) }
    }

    #[inline(always)]
    fn one(self) -> f32 {
        self.to_f32()
    }
}

impl Number for i8 {
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn eight<L: Lanes>(from: &[Self; 8]) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load_bytes(from) }
    }

    #[inline(always)]
    fn one(self) -> f32 {
        f32::from(self)
    }
}

/// The dot products of `R` queries with 8·`N` positions of a block from `column` on.
///
/// `q` holds the queries' numbers dimension by dimension. `keys` is `[head_dim, block_size]`, `scales`
/// `[head_dim / 32, block_size]` where there are any.
#[inline(always)]
pub unsafe fn dots<L: Lanes, T: Number, const R: usize, const N: usize>(
    q: &[[f32; R]],
    keys: &[T],
    scales: &[f16],
    block_size: usize,
    column: usize,
) -> [[L; N]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = [[L::splat(0.0); N]; R];
        if !T::SCALED {
            return strip_dots(q, keys, block_size, column, zero);
        }
        let mut sums = zero;
        let strips = q.chunks(STRIP).zip(keys.chunks(STRIP * block_size));
        for ((q, keys), scales) in strips.zip(scales.chunks_exact(block_size)) {
            let part: [[L; N]; R] = strip_dots(q, keys, block_size, column, zero);
            let scales = scales[column..column + 8 * N].as_chunks::<8>().0;
            for n in 0..N {
                let scale = L::load_half(&scales[n]);
                for r in 0..R {
                    sums[r][n] = part[r][n].mul_add(scale, sums[r][n]);
                }
            }
        }
        sums
    }
}

/// As [`dots`] without scales, added to `sums`.
#[inline(always)]
unsafe fn strip_dots<L: Lanes, T: Number, const R: usize, const N: usize>(
    q: &[[f32; R]],
    keys: &[T],
    block_size: usize,
    column: usize,
    mut sums: [[L; N]; R],
) -> [[L; N]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        for (q, keys) in q.iter().zip(keys.chunks_exact(block_size)) {
            let keys = keys[column..column + 8 * N].as_chunks::<8>().0;
            let keys = eights::<L, T, N>(keys);
            for r in 0..R {
                let factor = L::splat(q[r]);
                for n in 0..N {
                    sums[r][n] = factor.mul_add(keys[n], sums[r][n]);
                }
            }
        }
    }
    sums
}

#[inline(always)]
unsafe fn eights<L: Lanes, T: Number, const N: usize>(from: &[[T; 8]]) -> [L; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [L::splat(0.0); N];
        for n in 0..N {
            lanes[n] = T::eight(&from[n]);
        }
        lanes
    }
}

/// Adds weight · value to 8·`N` neighbouring sums of `R` queries, position after position, and gives 8·`N`.
///
/// `values` are the rows of the positions `from..` of a chunk in one strip, `width` numbers each, of which those from
/// `column` on count. A query's sums are `stride` numbers after the one's before it.
#[inline(always)]
pub unsafe fn add_values<L: Lanes, T: Number, const R: usize, const N: usize>(
    weights: &[[f32; CHUNK]; R],
    from: usize,
    values: &[T],
    width: usize,
    column: usize,
    sums: &mut [f32],
    stride: usize,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [[L::splat(0.0); N]; R];
        for r in 0..R {
            let sums = sums[r * stride..r * stride + 8 * N].as_chunks::<8>().0;
            for n in 0..N {
                lanes[r][n] = L::load(&sums[n]);
            }
        }
        for (i, values) in (from..).zip(values.chunks_exact(width)) {
            let values = values[column..column + 8 * N].as_chunks::<8>().0;
            let values = eights::<L, T, N>(values);
            for r in 0..R {
                // The remainder says to the compiler what is so anyway.
                let factor = L::splat(weights[r][i % CHUNK]);
                for n in 0..N {
                    lanes[r][n] = factor.mul_add(values[n], lanes[r][n]);
                }
            }
        }
        for r in 0..R {
            let sums = sums[r * stride..r * stride + 8 * N].as_chunks_mut::<8>().0;
            for n in 0..N {
                lanes[r][n].store(&mut sums[n]);
            }
        }
    }
    8 * N
}
