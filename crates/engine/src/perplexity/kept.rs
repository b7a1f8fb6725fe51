//! What is kept of a model's logits, so that another model can be held against it after this one has gone.

use super::against::KEPT;
use super::score::{LogSoftmax, RowScore, in_threads};

/// The logarithm of a probability that is as good as none.
const LEAST_LOG: f64 = -50.0;

/// What a model said at one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// −ln of the probability of the token that followed.
    surprise: f64,
    /// The likeliest tokens, the first one first, with the logarithms of their probabilities.
    likeliest: Vec<(u32, f32)>,
}

/// Keeps what rows of logits, `[next.len(), vocab]`, say.
pub(super) fn kept_rows(logits: &[f32], next: &[u32], threads: usize) -> Vec<Row> {
    let vocab = logits.len() / next.len().max(1);
    in_threads(next.len(), threads, |at| Row::new(&logits[at * vocab..(at + 1) * vocab], next[at] as usize))
}

/// Scores rows of logits, `[next.len(), vocab]`, against what another model said at the same places.
pub(super) fn hold_rows(kept: &[&Row], logits: &[f32], next: &[u32], threads: usize) -> Vec<RowScore> {
    let vocab = logits.len() / next.len().max(1);
    let count = next.len().min(kept.len());
    in_threads(count, threads, |at| kept[at].score(&logits[at * vocab..(at + 1) * vocab], next[at] as usize))
}

impl Row {
    fn new(logits: &[f32], next: usize) -> Self {
        let own = LogSoftmax::of(logits);
        let mut order: Vec<u32> = (0..logits.len()).filter_map(|id| u32::try_from(id).ok()).collect();
        // The smaller number first among equals, as whoever looks for the largest finds it.
        let by_logit =
            |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b));
        if order.len() > KEPT {
            order.select_nth_unstable_by(KEPT, by_logit);
            order.truncate(KEPT);
        }
        order.sort_unstable_by(by_logit);
        let likeliest = order.into_iter().map(|id| (id, own.of_logit(logits[id as usize]) as f32)).collect();
        Row { surprise: -own.of_logit(logits[next]), likeliest }
    }

    /// −ln of the probability of the token that followed.
    pub(super) fn surprise(&self) -> f64 {
        self.surprise
    }

    /// What another model's logits at this place are against it.
    fn score(&self, logits: &[f32], next: usize) -> RowScore {
        let own = LogSoftmax::of(logits);
        let log_of =
            |id: usize| logits.get(id).map_or(LEAST_LOG, |logit| own.of_logit(*logit).max(LEAST_LOG));
        let (mut divergence, mut base_rest, mut own_rest) = (0.0, 1.0, 1.0);
        for &(id, log) in &self.likeliest {
            let (base, other) = (f64::from(log), log_of(id as usize));
            divergence += base.exp() * (base - other);
            base_rest -= base.exp();
            own_rest -= other.exp();
        }
        // All others as one token.
        if base_rest > 1e-9 {
            divergence += base_rest * (base_rest.ln() - own_rest.max(1e-12).ln());
        }
        RowScore {
            surprise: -log_of(next),
            reference: self.surprise,
            divergence,
            same_top: self.likeliest.first().is_some_and(|&(id, _)| id as usize == own.top_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::score_rows;
    use super::*;

    fn logits(seed: u32, vocab: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state % 10_000) as f32 / 1000.0
        };
        (0..vocab).map(|_| next()).collect()
    }

    #[test]
    fn a_kept_row_gives_what_the_whole_one_gives() {
        let vocab = KEPT;
        let (a, b) = (logits(1, 3 * vocab), logits(2, 3 * vocab));
        let next = [3, 60, 7];
        let whole = score_rows(&a, &b, &next, 2);
        let kept = kept_rows(&a, &next, 2);
        let held = hold_rows(&kept.iter().collect::<Vec<_>>(), &b, &next, 2);
        for (whole, held) in whole.iter().zip(&held) {
            assert!((whole.surprise - held.surprise).abs() < 1e-9);
            assert!((whole.reference - held.reference).abs() < 1e-9);
            assert!((whole.divergence - held.divergence).abs() < 1e-5, "{whole:?} {held:?}");
            assert_eq!(whole.same_top, held.same_top);
        }
    }

    #[test]
    fn what_is_left_counts_as_one_token_and_never_too_much() {
        let vocab = 40 * KEPT;
        let (a, b) = (logits(3, vocab), logits(4, vocab));
        let whole = score_rows(&a, &b, &[5], 1)[0];
        let kept = kept_rows(&a, &[5], 1);
        assert_eq!(kept[0].likeliest.len(), KEPT);
        let held = hold_rows(&[&kept[0]], &b, &[5], 1)[0];
        assert!(held.divergence <= whole.divergence + 1e-6, "{held:?} {whole:?}");
        assert!(held.divergence > 0.05 * whole.divergence, "{held:?} {whole:?}");
        let same = hold_rows(&[&kept[0]], &a, &[5], 1)[0];
        assert!(same.divergence.abs() < 1e-5 && same.same_top, "{same:?}");
        // A shorter vocabulary lacks tokens, which is no reason to stop.
        assert!(hold_rows(&[&kept[0]], &b[..10], &[5], 1)[0].divergence > 1.0);
    }
}
