//! What logits say of the tokens that followed, and the statistics over many of them.

use super::{Change, Estimate};

/// What a row of logits says of the token after it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowScore {
    /// −ln of its probability.
    pub(super) surprise: f64,
    /// The same from the reference.
    pub(super) reference: f64,
    /// KL divergence of the distribution from the reference.
    pub(super) divergence: f64,
    /// Whether the likeliest token is the reference's.
    pub(super) same_top: bool,
}

/// Scores rows of logits, `[next.len(), vocab]`, against those of a reference, which may be the same ones.
pub(super) fn score_rows(reference: &[f32], logits: &[f32], next: &[u32], threads: usize) -> Vec<RowScore> {
    let vocab = logits.len() / next.len().max(1);
    in_threads(next.len(), threads, |at| {
        let place = at * vocab..(at + 1) * vocab;
        RowScore::new(&reference[place.clone()], &logits[place], next[at] as usize)
    })
}

/// `of(0)` to `of(count − 1)`, computed by several threads.
pub(super) fn in_threads<T: Default + Clone + Send>(
    count: usize,
    threads: usize,
    of: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let (mut rows, of) = (vec![T::default(); count], &of);
    let each = count.div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        for (part, rows) in rows.chunks_mut(each).enumerate() {
            scope.spawn(move || {
                for (row, at) in rows.iter_mut().zip(part * each..) {
                    *row = of(at);
                }
            });
        }
    });
    rows
}

impl RowScore {
    fn new(reference: &[f32], logits: &[f32], next: usize) -> Self {
        let (base, own) = (LogSoftmax::of(reference), LogSoftmax::of(logits));
        let divergence = reference.iter().zip(logits).map(|(base_logit, logit)| {
            let log = base.of_logit(*base_logit);
            log.exp() * (log - own.of_logit(*logit))
        });
        RowScore {
            surprise: -own.of_logit(logits[next]),
            reference: -base.of_logit(reference[next]),
            divergence: divergence.sum(),
            same_top: base.top_at == own.top_at,
        }
    }
}

/// What turns logits into logarithms of probabilities.
pub(super) struct LogSoftmax {
    top: f32,
    pub(super) top_at: usize,
    log_total: f64,
}

impl LogSoftmax {
    pub(super) fn of(logits: &[f32]) -> Self {
        let mut top_at = 0;
        for (at, logit) in logits.iter().enumerate() {
            if *logit > logits[top_at] {
                top_at = at;
            }
        }
        let top = logits[top_at];
        let total: f64 = logits.iter().map(|logit| f64::from((logit - top).exp())).sum();
        LogSoftmax { top, top_at, log_total: total.ln() }
    }

    pub(super) fn of_logit(&self, logit: f32) -> f64 {
        f64::from(logit) - f64::from(self.top) - self.log_total
    }
}

/// Sums over the rows of one kind of cache.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    surprise: Moments,
    /// Surprise less that of the reference.
    difference: Moments,
    divergence: Moments,
    same_top: Moments,
}

/// A sum and a sum of squares.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: usize,
    sum: f64,
    squares: f64,
}

impl Sums {
    pub(super) fn add(&mut self, row: RowScore) {
        self.surprise.add(row.surprise);
        self.difference.add(row.surprise - row.reference);
        self.divergence.add(row.divergence);
        self.same_top.add(f64::from(u8::from(row.same_top)));
    }

    /// A row that is compared with nothing.
    pub(super) fn add_alone(&mut self, surprise: f64) {
        self.surprise.add(surprise);
    }

    pub(super) fn count(&self) -> usize {
        self.surprise.count
    }

    pub(super) fn perplexity(&self) -> Estimate {
        let Estimate { value, error } = self.surprise.mean();
        // An error of the exponent, carried over to first order.
        Estimate { value: value.exp(), error: value.exp() * error }
    }

    pub(super) fn change(&self) -> Change {
        let log_ratio = self.difference.mean();
        let (ratio, same_top) = (log_ratio.value.exp(), self.same_top.mean());
        Change {
            perplexity_percent: Estimate {
                value: (ratio - 1.0) * 100.0,
                error: ratio * log_ratio.error * 100.0,
            },
            divergence: self.divergence.mean(),
            same_top_percent: Estimate { value: same_top.value * 100.0, error: same_top.error * 100.0 },
        }
    }
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    /// The mean and its standard error; 0 of none, and no error of one.
    fn mean(&self) -> Estimate {
        let count = self.count.max(1) as f64;
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        Estimate { value: mean, error: (variance / (count - 1.0).max(1.0)).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_scored_by_hand() {
        // p = (1/2, 1/4, 1/4) and q = (1/8, 3/4, 1/8), each with a constant of its own on top.
        let logits = |p: [f32; 3], c: f32| p.map(|p| p.ln() + c);
        let (p, q) = (logits([0.5, 0.25, 0.25], 3.0), logits([0.125, 0.75, 0.125], -40.0));
        let rows = score_rows(&[p, p].concat(), &[q, p].concat(), &[1, 2], 2);
        let divergence = 0.5 * 4f64.ln() + 0.25 * (1f64 / 3.0).ln() + 0.25 * 2f64.ln();
        for (got, want) in [
            (rows[0].surprise, -(0.75f64.ln())),
            (rows[0].reference, 4f64.ln()),
            (rows[0].divergence, divergence),
            (rows[1].surprise, 4f64.ln()),
            (rows[1].divergence, 0.0),
        ] {
            assert!((got - want).abs() < 1e-6, "{got} instead of {want}");
        }
        assert_eq!((rows[0].same_top, rows[1].same_top), (false, true));
        let mut sums = Sums::default();
        rows.into_iter().for_each(|row| sums.add(row));
        let (perplexity, change) = (sums.perplexity(), sums.change());
        // exp of the mean of ln 4/3 and ln 4; half their distance is the error of two.
        assert!((perplexity.value - (16f64 / 3.0).sqrt()).abs() < 1e-6, "{perplexity:?}");
        assert!((perplexity.error - perplexity.value * 3f64.ln() / 2.0).abs() < 1e-6, "{perplexity:?}");
        let ratio = (16f64 / 3.0).sqrt() / 4.0;
        assert!((change.perplexity_percent.value - (ratio - 1.0) * 100.0).abs() < 1e-4, "{change:?}");
        assert!((change.divergence.value - divergence / 2.0).abs() < 1e-6, "{change:?}");
        assert_eq!(change.same_top_percent, Estimate { value: 50.0, error: 50.0 });
    }
}
