//! The rotation that heads go through before they are rounded to 4 bits.
//!
//! A few channels of keys and values are far larger than their neighbours, and a scale that reaches them leaves little
//! of the rest. So a head is multiplied with an orthonormal Walsh-Hadamard matrix, which spreads every channel over all
//! of them (as QuaRot does, arXiv 2404.00456). Queries are rotated like the keys, so that their dot products stay
//! what they were; a sum of rotated values is rotated back, once for each query. The matrix is its own inverse.

use crate::elementwise::{Pass, run};
use crate::isa::Isa;
use crate::lanes::Lanes;

/// So many numbers are mixed at most.
pub(super) const MIXED: usize = 512;

/// How many numbers of a head are mixed: the largest power of two that divides its size, `MIXED` at most.
pub(super) fn mixed(head_dim: usize) -> usize {
    1 << head_dim.trailing_zeros().min(MIXED.trailing_zeros())
}

/// Rotates heads of `head_dim` numbers, a multiple of 8, there and back. Nothing but sums, differences and one product,
/// in an order of their own: the same bits on every instruction set.
///
/// # Safety
/// The instruction set of `L` must be there.
#[inline(always)]
pub(super) unsafe fn rotate<L: Lanes>(heads: &mut [f32], head_dim: usize) {
    let len = mixed(head_dim);
    // SAFETY: the caller's promise.
    let factor = unsafe { L::splat(1.0 / (len as f32).sqrt()) };
    for block in heads.chunks_exact_mut(len) {
        let eights = block.as_chunks_mut::<8>().0;
        for x in eights.iter_mut() {
            // SAFETY: the caller's promise.
            unsafe { L::load(x) }.hadamard().mul(factor).store(x);
        }
        let mut step = 1;
        while step < eights.len() {
            for pairs in eights.chunks_exact_mut(2 * step) {
                let (first, second) = pairs.split_at_mut(step);
                for (a, b) in first.iter_mut().zip(second) {
                    // SAFETY: the caller's promise.
                    let (x, y) = unsafe { (L::load(a), L::load(b)) };
                    x.add(y).store(a);
                    x.sub(y).store(b);
                }
            }
            step *= 2;
        }
    }
}

/// [`rotate`] on an instruction set that is there.
pub(super) fn rotate_on(isa: Isa, heads: &mut [f32], head_dim: usize) {
    run(isa, Rotate { heads, head_dim });
}

struct Rotate<'a> {
    heads: &'a mut [f32],
    head_dim: usize,
}

impl Pass for Rotate<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise.
        unsafe { rotate::<L>(self.heads, self.head_dim) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix's entry: whether the indices have an odd number of common bits decides the sign.
    fn entry(row: usize, column: usize, len: usize) -> f64 {
        let sign = if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        sign / (len as f64).sqrt()
    }

    #[test]
    fn a_rotation_is_the_product_with_the_matrix() {
        for (head_dim, len) in [(32, 32), (64, 64), (80, 16), (96, 32), (128, 128), (512, 512), (1024, 512)] {
            assert_eq!(mixed(head_dim), len, "{head_dim}");
            let before: Vec<f32> = (0..2 * head_dim).map(|i| (i as f32 * 0.77).sin() * 3.0).collect();
            let exact = |at: usize| {
                let block = &before[at / len * len..][..len];
                let terms = block.iter().enumerate().map(|(i, x)| f64::from(*x) * entry(at % len, i, len));
                terms.sum::<f64>()
            };
            let mut plain = None;
            for isa in Isa::available() {
                let mut heads = before.clone();
                rotate_on(isa, &mut heads, head_dim);
                for (at, got) in heads.iter().enumerate() {
                    let off = (f64::from(*got) - exact(at)).abs();
                    assert!(off < 1e-5, "{isa}, {head_dim}: number {at} is off by {off:.1e}");
                }
                assert_eq!(heads, *plain.get_or_insert(heads.clone()), "{isa}, {head_dim}: other bits");
                rotate_on(isa, &mut heads, head_dim);
                for (back, number) in heads.iter().zip(&before) {
                    assert!((back - number).abs() < 1e-5, "{isa}, {head_dim}: {number} came back as {back}");
                }
            }
        }
    }
}
