//! The inner loops: a few queries with 16 positions' keys, and their weights with 16 dimensions' values.
//!
//! Each sum has an order of its own, dimension after dimension and position after position, whatever else is in the
//! tile; so tiles may be cut as it suits.

use half::f16;

use super::CHUNK;
use super::cache::{PANEL, SCALED};
use super::rounding::nibble;
use crate::lanes::{Lanes, Sixteen};

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
    /// Here and below: the instruction set of `W` must be there.
    unsafe fn load<W: Sixteen>(from: &Self::Sixteen) -> W;

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
    unsafe fn load<W: Sixteen>(from: &Self::Sixteen) -> W {
        // SAFETY: the caller's promise.
        unsafe { W::load(from) }
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
    unsafe fn load<W: Sixteen>(from: &Self::Sixteen) -> W {
        // SAFETY: the caller's promise.
        unsafe { W::load_half(from) }
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
    unsafe fn load<W: Sixteen>(from: &Self::Sixteen) -> W {
        // SAFETY: the caller's promise.
        unsafe { W::load_bytes(from) }
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
    unsafe fn load<W: Sixteen>(from: &Self::Sixteen) -> W {
        // SAFETY: the caller's promise.
        unsafe { W::load_nibbles(from) }
    }

    #[inline(always)]
    fn number(from: &[Self], at: usize) -> f32 {
        f32::from(nibble(from, at))
    }
}

/// `N` times sixteen sums for each of `R` queries.
pub type Sums<W, const R: usize, const N: usize> = [[W; N]; R];

/// The dot products of `R` queries with the positions of `N` neighbouring panels of keys.
///
/// `q` holds the queries' numbers dimension by dimension. `keys` is `[N, head_dim, 16]`; `scales`, where there are any,
/// begins with those of the positions' first dimensions, and `block_size` further are the next. While it computes,
/// what lies so many elements `ahead` of the keys is brought near.
#[inline(always)]
pub unsafe fn dots<W: Sixteen, T: Number, const R: usize, const N: usize>(
    q: &[[f32; R]],
    keys: &[T::Sixteen],
    scales: &[f16],
    block_size: usize,
    ahead: isize,
) -> Sums<W, R, N> {
    let mut panels: [&[T::Sixteen]; N] = [&[]; N];
    for (panel, keys) in panels.iter_mut().zip(keys.chunks(q.len().max(1))) {
        *panel = keys;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[W::splat(0.0); N]; R];
        if scales.is_empty() {
            return plain_dots::<W, T, R, N>(q, panels, ahead, sums);
        }
        let zero = sums;
        for (q, scales) in q.chunks(SCALED).zip(scales.chunks(block_size)) {
            let mut part_of = panels;
            for n in 0..N {
                (part_of[n], panels[n]) = panels[n].split_at(q.len());
            }
            let part = plain_dots::<W, T, R, N>(q, part_of, ahead, zero);
            let (scales, _) = scales.as_chunks::<PANEL>();
            for n in 0..N {
                let scales: W = f16::load(&scales[n]);
                for r in 0..R {
                    sums[r][n] = part[r][n].mul_add(scales, sums[r][n]);
                }
            }
        }
        sums
    }
}

/// As [`dots`] without scales, added to `sums`.
#[inline(always)]
unsafe fn plain_dots<W: Sixteen, T: Number, const R: usize, const N: usize>(
    q: &[[f32; R]],
    keys: [&[T::Sixteen]; N],
    ahead: isize,
    mut sums: Sums<W, R, N>,
) -> Sums<W, R, N> {
    assert!(keys.iter().all(|keys| keys.len() == q.len()));
    // SAFETY: the caller's promise.
    unsafe {
        for (d, q) in q.iter().enumerate() {
            for n in 0..N {
                let keys = &keys[n][d];
                W::Lanes::prefetch(std::ptr::from_ref(keys).cast::<T>().wrapping_offset(ahead));
                let keys: W = T::load(keys);
                for r in 0..R {
                    sums[r][n] = W::splat(q[r]).mul_add(keys, sums[r][n]);
                }
            }
        }
    }
    sums
}

/// Adds weight · value to the sums of `R` queries, position after position: `values` are those of the positions `from..`
/// of a chunk in `N` strips. `ahead` as in [`dots`].
#[inline(always)]
pub unsafe fn add_values<W: Sixteen, T: Number, const R: usize, const N: usize>(
    weights: &[[f32; CHUNK]; R],
    from: usize,
    values: [&[T::Sixteen]; N],
    ahead: isize,
    mut sums: Sums<W, R, N>,
) -> Sums<W, R, N> {
    let len = values[0].len();
    assert!(values.iter().all(|values| values.len() == len));
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..len {
            for n in 0..N {
                let values = &values[n][i];
                W::Lanes::prefetch(std::ptr::from_ref(values).cast::<T>().wrapping_offset(ahead));
                let values: W = T::load(values);
                for r in 0..R {
                    // The remainder says to the compiler what is so anyway.
                    let factor = W::splat(weights[r][(from + i) % CHUNK]);
                    sums[r][n] = factor.mul_add(values, sums[r][n]);
                }
            }
        }
    }
    sums
}
