//! Where guesses at the next tokens come from, and how likely those of each are right.

/// Who guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guesser {
    /// What stood in the sequence before ([`crate::lookup`]). Costs nothing.
    Lookup,
    /// The head of the model that predicts further tokens.
    Head,
    /// A smaller model beside it.
    Model,
    /// The sequence's grammar, which leaves no choice: always right.
    Grammar,
}

/// How much of a guess's right or wrong is believed.
const NEW: f64 = 0.1;
/// How likely guesses that cost something are taken to be right before any was checked.
const HOPE: f64 = 0.7;
/// How fast hope comes back where nothing is guessed, each step.
const HOPING: f64 = 0.0005;

/// How often the next guess was right lately, from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Likelihood(f64);

impl Likelihood {
    /// As likely right as wrong.
    pub(crate) const EVEN: Likelihood = Likelihood(0.5);
    /// Likely enough to be tried.
    pub(crate) const HOPEFUL: Likelihood = Likelihood(HOPE);

    /// The likelihood that the next guess is right.
    pub(crate) fn get(self) -> f64 {
        self.0
    }

    /// Learns whether a guess was right whose predecessors were.
    pub(crate) fn learn(&mut self, right: bool) {
        self.0 += NEW * (f64::from(u8::from(right)) - self.0);
    }

    /// A step without guesses: sooner or later they are worth another try.
    pub(crate) fn hope(&mut self) {
        self.0 += HOPING * (HOPE - self.0);
    }

    /// Where a sequence begins when others' guesses were this likely: it may be different.
    pub(crate) fn of_another(self) -> Self {
        Likelihood((self.0 + HOPE) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likelihood_follows_what_was_right() {
        let mut likelihood = Likelihood::EVEN;
        (0..40).for_each(|_| likelihood.learn(true));
        assert!(likelihood.get() > 0.95);
        (0..40).for_each(|_| likelihood.learn(false));
        assert!(likelihood.get() < 0.05);
    }

    #[test]
    fn hope_comes_back() {
        let mut likelihood = Likelihood(0.0);
        (0..50).for_each(|_| likelihood.hope());
        assert!(likelihood.get() < 0.1, "not at once");
        (0..5000).for_each(|_| likelihood.hope());
        assert!((0.5..=HOPE).contains(&likelihood.get()));
        assert!(Likelihood(0.1).of_another().get() > 0.3);
    }
}
