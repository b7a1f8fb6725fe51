//! How likely a model takes its tokens to be, read off its logits before anything changes them.

use crate::request::{TokenLogprob, TopLogprob};
use crate::text::Tokenizer;

/// Reads log probabilities for one answer.
pub(crate) struct Logprobs {
    /// How many of the likeliest tokens are named.
    most: usize,
}

/// A row of logits that was read.
pub(crate) struct Row {
    /// The logarithm of the sum of all tokens' weights.
    normalizer: f32,
    logits: Vec<f32>,
    /// The likeliest first, and of equal ones that with the lower id.
    top: Vec<(u32, f32)>,
}

impl Logprobs {
    pub(crate) fn new(most: usize) -> Self {
        Self { most }
    }

    /// Reads a row before it is changed.
    pub(crate) fn read(&self, logits: &[f32]) -> Row {
        let max = logits.iter().fold(f32::NEG_INFINITY, |max, &logit| max.max(logit));
        let sum: f64 = logits.iter().map(|&logit| f64::from((logit - max).exp())).sum();
        let mut top: Vec<(u32, f32)> = Vec::with_capacity(self.most + 1);
        for (&logit, id) in logits.iter().zip(0..) {
            let is_full = top.len() >= self.most;
            if is_full && top.last().is_none_or(|&(_, least)| logit.total_cmp(&least).is_le()) {
                continue;
            }
            let at = top.partition_point(|&(_, other)| other.total_cmp(&logit).is_ge());
            top.insert(at, (id, logit));
            top.truncate(self.most);
        }
        Row { normalizer: max + sum.ln() as f32, logits: logits.to_vec(), top }
    }
}

impl Row {
    /// What was read, with the token that was chosen.
    pub(crate) fn of(self, token: u32, tokenizer: &Tokenizer) -> TokenLogprob {
        let bytes = |token: u32| tokenizer.token_bytes(token).to_vec();
        let logprob = |logit: f32| logit - self.normalizer;
        let chosen = self.logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let top = self.top.iter();
        TokenLogprob {
            token,
            logprob: logprob(chosen),
            bytes: bytes(token),
            top: top
                .map(|&(token, logit)| TopLogprob { token, logprob: logprob(logit), bytes: bytes(token) })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first_and_all_probabilities_make_one() {
        let logits = [0.0, 3.0, -1.0, 3.0, f32::NEG_INFINITY, 1.0];
        let row = Logprobs::new(3).read(&logits);
        assert_eq!(row.top, [(1, 3.0), (3, 3.0), (5, 1.0)]);
        let sum: f32 = logits.iter().map(|logit| (logit - row.normalizer).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!(Logprobs::new(0).read(&logits).top.is_empty());
        assert_eq!(Logprobs::new(20).read(&logits).top.len(), 6);
    }
}
