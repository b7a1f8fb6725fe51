//! What a step of so many rows takes, learned from the steps that were run, and how many guesses are worth their rows.

use std::time::Duration;

/// Rows of a step whose time is learned by their number.
pub(crate) const MOST_ROWS: usize = 32;
/// Weight of a new measurement.
const NEW: f64 = 0.2;
/// Weight of what is only supposed, each time it was not measured: what was slow once is tried again after a while.
const SUPPOSED: f64 = 0.002;
/// What a row adds to a step, as a share of a step with one, until it was measured.
const ROW: f64 = 0.15;
/// What guessing must save to be done.
const WORTH: f64 = 1.03;

/// Moving averages of steps that only decode, in seconds, by their rows.
#[derive(Debug, Default)]
pub(crate) struct StepCosts {
    seconds: Vec<f64>,
    /// What a head or a smaller model takes to guess one token further.
    draft: Option<f64>,
    /// Learns nothing: tests must not depend on what else the machine does.
    #[cfg(test)]
    fixed: bool,
}

impl StepCosts {
    /// Every row costs a hundredth of a step, and every guess of a head or a smaller model a tenth.
    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        let seconds = (0..MOST_ROWS).map(|row| 1.0 + 0.01 * row as f64).collect();
        Self { seconds, draft: Some(0.1), fixed: true }
    }

    /// Learns from a step with so many rows, of which none belonged to a prompt.
    pub(crate) fn observe(&mut self, rows: usize, took: Duration) {
        #[cfg(test)]
        if self.fixed {
            return;
        }
        let took = took.as_secs_f64();
        if rows == 0 || rows > MOST_ROWS || took <= 0.0 {
            return;
        }
        let one = took / (1.0 + ROW * (rows - 1) as f64);
        let supposed = |rows: usize| one * (1.0 + ROW * (rows - 1) as f64);
        if self.seconds.is_empty() {
            self.seconds = (1..=MOST_ROWS).map(supposed).collect();
        }
        for (index, seconds) in self.seconds.iter_mut().enumerate() {
            let (new, weight) = match index + 1 == rows {
                true => (took, NEW),
                false => (supposed(index + 1), SUPPOSED),
            };
            *seconds += weight * (new - *seconds);
        }
    }

    /// What a step with so many rows takes, as far as it is known.
    pub(crate) fn of(&self, rows: usize) -> Option<Duration> {
        let seconds = self.seconds.get(rows.min(MOST_ROWS).checked_sub(1)?)?;
        Some(Duration::from_secs_f64(*seconds))
    }

    /// Learns what a head or a smaller model took to guess one token further.
    pub(crate) fn observe_draft(&mut self, took: Duration) {
        #[cfg(test)]
        if self.fixed {
            return;
        }
        let took = took.as_secs_f64();
        let draft = self.draft.get_or_insert(took);
        *draft += NEW * (took - *draft);
    }

    /// What it takes to guess one token further; a row's share of a step until it was measured.
    pub(crate) fn draft_seconds(&self) -> f64 {
        self.draft.or_else(|| self.seconds.first().map(|one| ROW * one)).unwrap_or(0.0)
    }

    /// Whether a step was measured.
    pub(crate) fn is_known(&self) -> bool {
        !self.seconds.is_empty()
    }

    /// How many of `most` guesses bring the most tokens a second, when each is right with this likelihood, in a step that has
    /// `rows` rows already for `sequences` sequences. None before a step was measured.
    pub(crate) fn worthwhile(&self, likelihood: f64, rows: usize, sequences: usize, most: usize) -> usize {
        self.best(likelihood, rows, sequences, most, 0.0).0
    }

    /// As [`Self::worthwhile`], where making a guess takes so many seconds; and how many tokens a second that brings.
    pub(crate) fn best(
        &self,
        likelihood: f64,
        rows: usize,
        sequences: usize,
        most: usize,
        each: f64,
    ) -> (usize, f64) {
        let Some(alone) = self.seconds.get(rows.wrapping_sub(1)) else { return (0, 0.0) };
        let speed = |tokens: f64, seconds: f64| tokens / seconds;
        let (mut best, mut best_speed) = (0, speed(sequences as f64, *alone) * WORTH);
        let (mut tokens, mut all_right) = (sequences as f64, 1.0);
        for (guesses, seconds) in self.seconds.iter().skip(rows).take(most).enumerate() {
            all_right *= likelihood;
            tokens += all_right;
            let seconds = seconds + each * (guesses + 1) as f64;
            if speed(tokens, seconds) > best_speed {
                (best, best_speed) = (guesses + 1, speed(tokens, seconds));
            }
        }
        (best, best_speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(row: f64) -> StepCosts {
        let mut costs = StepCosts::default();
        for _ in 0..200 {
            for rows in 1..=12 {
                costs.observe(rows, Duration::from_secs_f64(0.01 * (1.0 + row * (rows - 1) as f64)));
            }
        }
        costs
    }

    #[test]
    fn nothing_is_guessed_before_anything_was_measured() {
        assert_eq!(StepCosts::default().worthwhile(1.0, 1, 1, 8), 0);
    }

    #[test]
    fn cheap_rows_and_likely_guesses_are_worth_more() {
        let (cheap, dear) = (learned(0.1), learned(0.9));
        assert_eq!(cheap.worthwhile(1.0, 1, 1, 8), 8);
        assert_eq!(cheap.worthwhile(0.05, 1, 1, 8), 0);
        let some = cheap.worthwhile(0.6, 1, 1, 8);
        assert!((2..7).contains(&some), "{some}");
        assert_eq!(dear.worthwhile(0.7, 1, 1, 8), 0, "each costs as much as a step");
    }

    #[test]
    fn guesses_that_take_longer_to_make_are_fewer() {
        let costs = learned(0.1);
        let (free, speed) = costs.best(0.8, 1, 1, 8, 0.0);
        let (dear, slower) = costs.best(0.8, 1, 1, 8, 0.003);
        assert!(0 < dear && dear < free && slower < speed, "{dear} of {free}, {slower} of {speed}");
        assert_eq!(costs.best(0.8, 1, 1, 8, 0.01).0, 0, "as long as a step");
    }

    #[test]
    fn others_in_the_step_pay_for_its_rows() {
        let costs = learned(0.3);
        assert!(costs.worthwhile(0.8, 6, 6, 6) < costs.worthwhile(0.8, 1, 1, 6));
        assert_eq!(costs.worthwhile(1.0, MOST_ROWS, 8, 6), 0, "and no step grows beyond what is known");
    }

    #[test]
    fn what_was_slow_is_tried_again_after_a_while() {
        let mut costs = learned(0.1);
        (0..50).for_each(|_| costs.observe(2, Duration::from_secs(1)));
        assert_eq!(costs.worthwhile(1.0, 1, 1, 1), 0);
        (0..3000).for_each(|_| costs.observe(1, Duration::from_millis(10)));
        assert_eq!(costs.worthwhile(1.0, 1, 1, 1), 1);
    }
}
