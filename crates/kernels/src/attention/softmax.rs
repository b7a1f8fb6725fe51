//! The softmax over parts of a context: of one chunk, and of chunks put together.

use std::ops::Range;

use super::CHUNK;
use crate::exp::{exp, tanh};
use crate::lanes::Lanes;

/// What is known of a query's softmax. A part that has seen anything has a total of 1 at least.
#[derive(Debug, Clone, Copy, Default)]
pub struct Softmax {
    /// Largest score.
    pub top: f32,
    /// Sum of the exponentials of scores, relative to the largest.
    pub total: f32,
}

/// Turns the scores of the positions `seen` of a chunk into weights relative to the largest score.
///
/// # Safety
/// Here and below: the instruction set of `L` must be there.
#[inline(always)]
pub unsafe fn weigh<L: Lanes>(
    scores: &mut [f32; CHUNK],
    seen: Range<usize>,
    softcap: Option<f32>,
) -> Softmax {
    let eights = seen.start / 8 * 8..seen.end.next_multiple_of(8).min(CHUNK);
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(cap) = softcap {
            let cap = L::splat(cap);
            for scores in scores[eights.clone()].as_chunks_mut::<8>().0 {
                cap.mul(tanh(L::load(scores).div(cap))).store(scores);
            }
        }
        scores[eights.start..seen.start].fill(f32::NEG_INFINITY);
        scores[seen.end..eights.end].fill(f32::NEG_INFINITY);
        let mut tops = L::splat(f32::NEG_INFINITY);
        for scores in scores[eights.clone()].as_chunks::<8>().0 {
            tops = tops.max(L::load(scores));
        }
        let mut each = [0.0; 8];
        tops.store(&mut each);
        let top = each.into_iter().fold(f32::NEG_INFINITY, f32::max);
        for scores in scores[eights.clone()].as_chunks_mut::<8>().0 {
            exp(L::load(scores).sub(L::splat(top))).store(scores);
        }
        scores[eights.start..seen.start].fill(0.0);
        scores[seen.end..eights.end].fill(0.0);
        let mut sum = L::splat(0.0);
        for scores in scores[eights].as_chunks::<8>().0 {
            sum = sum.add(L::load(scores));
        }
        Softmax { top, total: sum.sum() }
    }
}

impl Softmax {
    /// Adds the next part of the context: `sums` and `part_sums` are the weighted values.
    #[inline(always)]
    pub unsafe fn merge<L: Lanes>(&mut self, sums: &mut [f32], part: Softmax, part_sums: &[f32]) {
        if self.total == 0.0 {
            *self = part;
            sums.copy_from_slice(part_sums);
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            let top = self.top.max(part.top);
            let [old, new] = factors::<L>([self.top, part.top], top);
            *self = Softmax { top, total: self.total * old + part.total * new };
            let ((eights, rest), (parts, parts_rest)) =
                (sums.as_chunks_mut::<8>(), part_sums.as_chunks::<8>());
            let (old_lanes, new_lanes) = (L::splat(old), L::splat(new));
            for (sums, part) in eights.iter_mut().zip(parts) {
                L::load(part).mul_add(new_lanes, L::load(sums).mul(old_lanes)).store(sums);
            }
            for (sum, part) in rest.iter_mut().zip(parts_rest) {
                *sum = *sum * old + part * new;
            }
        }
    }

    /// The weighted means, once all parts are there. A `sink` is one more score, without a value.
    #[inline(always)]
    pub unsafe fn finish<L: Lanes>(self, sums: &[f32], sink: Option<f32>, out: &mut [f32]) {
        let mut factor = 1.0 / self.total;
        if let Some(sink) = sink {
            let top = self.top.max(sink);
            // SAFETY: the caller's promise.
            let [old, new] = unsafe { factors::<L>([self.top, sink], top) };
            factor = old / (self.total * old + new);
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum * factor;
        }
    }
}

/// exp(score − top) for two scores.
#[inline(always)]
unsafe fn factors<L: Lanes>(scores: [f32; 2], top: f32) -> [f32; 2] {
    let [a, b] = scores.map(|score| score - top);
    let mut each = [a, b, a, b, a, b, a, b];
    // SAFETY: the caller's promise.
    unsafe { exp(L::load(&each)) }.store(&mut each);
    [each[0], each[1]]
}
