//! Layer normalisation (Ba, Kiros & Hinton, 2016), as encoders have it.

use super::passes::{Pass, run, sum_of_squares};
use super::{check_rows, in_parts};
use crate::KernelError;
use crate::error::check_len;
use crate::isa::isa;
use crate::lanes::Lanes;
use crate::pool::Pool;

/// `x = (x - mean(x)) / sqrt(variance(x) + eps) · weight + bias` over each row of the weight's width.
pub fn layer_norm(
    pool: &Pool,
    x: &mut [f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
) -> Result<(), KernelError> {
    check_rows("the input of a norm", x.len(), weight.len())?;
    check_len("the bias of a norm", bias.len(), Some(weight.len()))?;
    let isa = isa();
    in_parts(pool, x, weight.len(), |_, x| run(isa, LayerNorm { x, weight, bias, eps }));
    Ok(())
}

pub(super) struct LayerNorm<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) eps: f32,
}

impl Pass for LayerNorm<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let width = self.weight.len().max(1);
        for row in self.x.chunks_exact_mut(width) {
            // SAFETY: the caller's promise.
            let mean = unsafe { sum::<L>(row) } / width as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            // SAFETY: the caller's promise.
            let variance = unsafe { sum_of_squares::<L>(row) } / width as f32;
            let scale = 1.0 / (variance + self.eps).sqrt();
            let weights = self.weight.iter().zip(self.bias);
            row.iter_mut().zip(weights).for_each(|(x, (w, b))| *x = *x * scale * w + b);
        }
    }
}

/// The sum, in eight lanes that are added at the end.
#[inline(always)]
unsafe fn sum<L: Lanes>(row: &[f32]) -> f32 {
    let (eights, rest) = row.as_chunks::<8>();
    // SAFETY: the caller's promise.
    unsafe {
        let sum = eights.iter().fold(L::splat(0.0), |sum, eight| sum.add(L::load(eight)));
        sum.sum() + rest.iter().sum::<f32>()
    }
}
