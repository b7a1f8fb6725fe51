//! From hidden states to logits, for the rows that somebody wants.

use candle_core::Tensor;

use super::{Linear, RmsNorm};
use crate::compute::with_values;
use crate::{Compute, ModelError, Weights};

/// Final norm and output layer.
pub(crate) struct Head {
    norm: RmsNorm,
    output: Linear,
    softcap: Option<f64>,
    hidden: usize,
    vocab: usize,
    compute: Compute,
}

impl Head {
    /// Takes `output_norm` and `output`, or the embedding's matrix where the file has no `output`.
    pub(crate) fn load(weights: &Weights, hidden: usize, vocab: usize, eps: f64) -> Result<Self, ModelError> {
        Ok(Head {
            norm: weights.rms_norm("output_norm", hidden, eps)?,
            output: weights.output(vocab, hidden)?,
            softcap: None,
            hidden,
            vocab,
            compute: weights.compute().clone(),
        })
    }

    /// Squeezes logits into `±cap`: `cap * tanh(logit / cap)`.
    pub(crate) fn with_softcap(self, softcap: Option<f32>) -> Self {
        Head { softcap: softcap.map(f64::from), ..self }
    }

    /// Logits of the given rows, f32 `[rows.len(), vocab]`.
    pub(crate) fn forward(&self, x: &Tensor, rows: &[u32]) -> Result<Tensor, ModelError> {
        if rows.is_empty() {
            return Ok(Tensor::from_vec(Vec::<f32>::new(), (0, self.vocab), self.compute.device())?);
        }
        let wanted = self.select(x, rows)?;
        let logits = self.output.forward(&self.norm.forward(&wanted)?)?;
        match self.softcap {
            Some(cap) if self.compute.pool().is_some() => {
                let cap = cap as f32;
                let squeeze = |x: &f32| (x / cap).tanh() * cap;
                let values = with_values(&logits, |x| Ok(x.iter().map(squeeze).collect()))?;
                self.compute.tensor(values, self.vocab)
            }
            Some(cap) => Ok(((logits / cap)?.tanh()? * cap)?),
            None => Ok(logits),
        }
    }

    fn select(&self, x: &Tensor, rows: &[u32]) -> Result<Tensor, ModelError> {
        if self.compute.pool().is_none() {
            return Ok(x.index_select(&Tensor::new(rows, x.device())?, 0)?);
        }
        let wanted = with_values(x, |x| {
            let row = |&row: &u32| &x[row as usize * self.hidden..(row as usize + 1) * self.hidden];
            Ok(rows.iter().flat_map(row).copied().collect::<Vec<f32>>())
        })?;
        self.compute.tensor(wanted, self.hidden)
    }
}
