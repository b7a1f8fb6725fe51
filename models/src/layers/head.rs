//! From hidden states to logits.

use super::{Linear, Norm};
use crate::hyper::Sizes;
use crate::rows::Rows;
use crate::{Compute, ModelError, Weights};

/// Final norm and output layer.
pub(crate) struct Head {
    compute: Compute,
    norm: Norm,
    output: Linear,
    scale: Option<f32>,
    softcap: Option<f32>,
}

impl Head {
    /// Takes `output_norm`, which LFM2's files call `token_embd_norm`, and `output`, or the embedding's matrix where the file
    /// has no `output`.
    pub(crate) fn load(weights: &Weights, hidden: usize, vocab: usize, eps: f64) -> Result<Self, ModelError> {
        let norm = weights.rms_norm(norm_name(weights), hidden, eps)?;
        Self::with_norm(weights, hidden, vocab, Norm::Rms(norm))
    }

    /// As [`Self::load`], with the kind of norm that the family has.
    pub(crate) fn of_sizes(weights: &Weights, sizes: &Sizes) -> Result<Self, ModelError> {
        Self::with_norm(weights, sizes.hidden, sizes.vocab, weights.norm(norm_name(weights), sizes)?)
    }

    fn with_norm(weights: &Weights, hidden: usize, vocab: usize, norm: Norm) -> Result<Self, ModelError> {
        Ok(Head {
            compute: weights.split().head().clone(),
            norm,
            output: weights.output(vocab, hidden)?,
            scale: None,
            softcap: None,
        })
    }

    /// Multiplies logits by `factor`.
    pub(crate) fn with_scale(self, factor: f32) -> Self {
        Head { scale: Some(factor), ..self }
    }

    /// Squeezes logits into `±cap`: `cap * tanh(logit / cap)`.
    pub(crate) fn with_softcap(self, softcap: Option<f32>) -> Self {
        Head { softcap, ..self }
    }

    /// Rows behind the final norm.
    pub(crate) fn normed(&self, x: Rows) -> Result<Rows, ModelError> {
        self.norm.forward(&x.on(&self.compute)?)
    }

    /// Replaces `logits` by those of `x`, `[rows, vocab]`.
    pub(crate) fn forward(&self, x: Rows, logits: &mut Vec<f32>) -> Result<(), ModelError> {
        if x.is_empty() {
            logits.clear();
            return Ok(());
        }
        self.output(self.normed(x)?, logits)
    }

    /// As [`Self::forward`], of rows behind their norm.
    pub(crate) fn output(&self, normed: Rows, logits: &mut Vec<f32>) -> Result<(), ModelError> {
        if normed.is_empty() {
            logits.clear();
            return Ok(());
        }
        let normed = normed.on(&self.compute)?;
        self.output.forward_to(&normed, logits)?;
        if let Some(factor) = self.scale {
            match &normed {
                Rows::Host(x) => lantern_kernels::scale(x.pool(), logits, factor),
                Rows::Tensor(_) => logits.iter_mut().for_each(|x| *x *= factor),
            }
        }
        if let Some(cap) = self.softcap {
            match &normed {
                Rows::Host(x) => lantern_kernels::softcap(x.pool(), logits, cap),
                Rows::Tensor(_) => logits.iter_mut().for_each(|x| *x = (*x / cap).tanh() * cap),
            }
        }
        Ok(())
    }
}

fn norm_name(weights: &Weights) -> &'static str {
    if weights.has("output_norm.weight") { "output_norm" } else { "token_embd_norm" }
}
