//! The inner loops: a few queries with 16 positions' keys, and their weights with 16 dimensions' values.
//!
//! Each sum has an order of its own, dimension after dimension and position after position, whatever else is in the
//! tile; so tiles may be cut as it suits.

use half::f16;

use super::CHUNK;
use super::cache::{PANEL, SCALED};
use super::rounding::nibble;
use crate::lanes::Lanes;

/// What a cache's memory consists of: numbers, or bytes that hold two of them.
pub trait Number: Copy {
    /// Sixteen numbers side by side.
    type Sixteen: Copy;
    /// How many numbers one of these holds.
    const PACKED: usize = 1;
    /// Whether heads are rotated (see [`super::hadamard`]).
    const ROTATED: bool = false;

    /// As many sixteens as there are.
    fn sixteens(from: &[Self]) -> &[Self::Sixteen];

    /// Sixteen numbers, without their scale.
    ///
    /// # Safety
    /// Here and below: the instruction set of `L` must be there.
    unsafe fn load<L: Lanes>(from: &Self::Sixteen) -> [L; 2];

    /// The `at`-th number, without its scale.
    fn number(from: &[Self], at: usize) -> f32;
}

impl Number for f32 {
    type Sixteen = [f32; PANEL];

    #[inline(always)]
    fn sixteens(from: &[Self]) -> &[Self::Sixteen] {
        from.as_chunks().0
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: &Self::Sixteen) -> [L; 2] {
        let (eights, _) = from.as_chunks::<8>();
        // SAFETY: the caller's promise.
        unsafe { [L::load(&eights[0]), L::load(&eights[1])] }
    }

    #[inline(always)]
    fn number(from: &[Self], at: usize) -> f32 {
        from[at]
    }
}

impl Number for f16 {
    type Sixteen = [f16; PANEL];

    #[inline(always)]
    fn sixteens(from: &[Self]) -> &[Self::Sixteen] {
        from.as_chunks().0
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: &Self::Sixteen) -> [L; 2] {
        let (eights, _) = from.as_chunks::<8>();
        // SAFETY: the caller's promise.
        unsafe { [L::load_half(&eights[0]), L::load_half(&eights[1])] }
    }

    #[inline(always)]
    fn number(from: &[Self], at: usize) -> f32 {
        from[at].to_f32()
    }
}

impl Number for i8 {
    type Sixteen = [i8; PANEL];

    #[inline(always)]
    fn sixteens(from: &[Self]) -> &[Self::Sixteen] {
        from.as_chunks().0
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: &Self::Sixteen) -> [L; 2] {
        let (eights, _) = from.as_chunks::<8>();
        // SAFETY: the caller's promise.
        unsafe { [L::load_bytes(&eights[0]), L::load_bytes(&eights[1])] }
    }

    #[inline(always)]
    fn number(from: &[Self], at: usize) -> f32 {
        f32::from(from[at])
    }
}

/// Bytes of two 4-bit integers each, as [`super::rounding`] puts them.
impl Number for u8 {
    type Sixteen = [u8; PANEL / 2];
    const PACKED: usize = 2;
    const ROTATED: bool = true;

    #[inline(always)]
    fn sixteens(from: &[Self]) -> &[Self::Sixteen] {
        from.as_chunks().0
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: &Self::Sixteen) -> [L; 2] {
        // SAFETY: the caller's promise.
        unsafe { L::load_nibbles(from) }
    }

    #[inline(always)]
    fn number(from: &[Self], at: usize) -> f32 {
        f32::from(nibble(from, at))
    }
}

/// Sixteen sums for each of `R` queries.
pub type Sums<L, const R: usize> = [[L; 2]; R];

/// The dot products of `R` queries with the positions of a panel of keys.
///
/// `q` holds the queries' numbers dimension by dimension. `keys` is `[head_dim, 16]`; `scales`, where there are any,
/// begins with those of the positions' first dimensions, and `block_size` further are the next. While it computes,
/// what lies so many elements `ahead` of the keys is brought near.
#[inline(always)]
pub unsafe fn dots<L: Lanes, T: Number, const R: usize>(
    q: &[[f32; R]],
    keys: &[T::Sixteen],
    scales: &[f16],
    block_size: usize,
    ahead: isize,
) -> Sums<L, R> {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = [[L::splat(0.0); 2]; R];
        if scales.is_empty() {
            return plain_dots::<L, T, R>(q, keys, ahead, zero);
        }
        let mut sums = zero;
        for ((q, keys), scales) in q.chunks(SCALED).zip(keys.chunks(SCALED)).zip(scales.chunks(block_size)) {
            let part = plain_dots::<L, T, R>(q, keys, ahead, zero);
            let Some(scales) = scales.first_chunk::<PANEL>() else { break };
            let scales: [L; 2] = f16::load(scales);
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
    keys: &[T::Sixteen],
    ahead: isize,
    mut sums: Sums<L, R>,
) -> Sums<L, R> {
    // SAFETY: the caller's promise.
    unsafe {
        for (q, keys) in q.iter().zip(keys) {
            L::prefetch(std::ptr::from_ref(keys).cast::<T>().wrapping_offset(ahead));
            let keys: [L; 2] = T::load(keys);
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
    values: &[T::Sixteen],
    ahead: isize,
    mut sums: Sums<L, R>,
) -> Sums<L, R> {
    // SAFETY: the caller's promise.
    unsafe {
        for (i, values) in (from..).zip(values) {
            L::prefetch(std::ptr::from_ref(values).cast::<T>().wrapping_offset(ahead));
            let values: [L; 2] = T::load(values);
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
