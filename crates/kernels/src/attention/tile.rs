//! The inner loops: a few queries with 16 positions' keys, and their weights with 16 dimensions' values.
//!
//! Each sum has an order of its own, dimension after dimension and position after position, whatever else is in the
//! tile; so tiles may be cut as it suits.

use half::f16;

use super::CHUNK;
use super::cache::{PANEL, SCALED};
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

/// Sixteen sums for each of `R` queries.
pub type Sums<L, const R: usize> = [[L; 2]; R];

/// The dot products of `R` queries with the positions of a panel of keys.
///
/// `q` holds the queries' numbers dimension by dimension. `keys` is `[head_dim, 16]`; `scales`, where there are any,
/// begins with those of the positions' first dimensions, and `block_size` further are the next. While it computes,
/// what lies `ahead` of the keys is brought near.
#[inline(always)]
pub unsafe fn dots<L: Lanes, T: Number, const R: usize>(
    q: &[[f32; R]],
    keys: &[[T; PANEL]],
    scales: &[f16],
    block_size: usize,
    ahead: isize,
) -> Sums<L, R> {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = [[L::splat(0.0); 2]; R];
        if !T::SCALED {
            return plain_dots(q, keys, ahead, zero);
        }
        let mut sums = zero;
        for ((q, keys), scales) in q.chunks(SCALED).zip(keys.chunks(SCALED)).zip(scales.chunks(block_size)) {
            let part: Sums<L, R> = plain_dots(q, keys, ahead, zero);
            let Some(scales) = scales.first_chunk::<PANEL>() else { break };
            let scales: [L; 2] = sixteen::<L, f16>(scales);
            for r in 0..R {
                for n in 0..2 {
                    sums[r][n] = part[r][n].mul_add(scales[n], sums[r][n]);
                }
            }
        }
        sums
    }
}

/// As [`dots`] without scales, added to `sums`.
#[inline(always)]
unsafe fn plain_dots<L: Lanes, T: Number, const R: usize>(
    q: &[[f32; R]],
    keys: &[[T; PANEL]],
    ahead: isize,
    mut sums: Sums<L, R>,
) -> Sums<L, R> {
    // SAFETY: the caller's promise.
    unsafe {
        for (q, keys) in q.iter().zip(keys) {
            L::prefetch(keys.as_ptr().wrapping_offset(ahead));
            let keys = sixteen::<L, T>(keys);
            for r in 0..R {
                let factor = L::splat(q[r]);
                for n in 0..2 {
                    sums[r][n] = factor.mul_add(keys[n], sums[r][n]);
                }
            }
        }
    }
    sums
}

/// Adds weight · value to the sums of `R` queries, position after position: `values` are those of the positions `from..`
/// of a chunk in one strip. `ahead` as in [`dots`].
#[inline(always)]
pub unsafe fn add_values<L: Lanes, T: Number, const R: usize>(
    weights: &[[f32; CHUNK]; R],
    from: usize,
    values: &[[T; PANEL]],
    ahead: isize,
    mut sums: Sums<L, R>,
) -> Sums<L, R> {
    // SAFETY: the caller's promise.
    unsafe {
        for (i, values) in (from..).zip(values) {
            L::prefetch(values.as_ptr().wrapping_offset(ahead));
            let values = sixteen::<L, T>(values);
            for r in 0..R {
                // The remainder says to the compiler what is so anyway.
                let factor = L::splat(weights[r][i % CHUNK]);
                for n in 0..2 {
                    sums[r][n] = factor.mul_add(values[n], sums[r][n]);
                }
            }
        }
    }
    sums
}

#[inline(always)]
unsafe fn sixteen<L: Lanes, T: Number>(from: &[T; PANEL]) -> [L; 2] {
    let (eights, _) = from.as_chunks::<8>();
    // SAFETY: the caller's promise.
    unsafe { [T::eight(&eights[0]), T::eight(&eights[1])] }
}
