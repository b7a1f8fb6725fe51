//! One answer on its way through its grammar: which tokens may come next, and which must.

use llguidance::Matcher;
use toktrie::SimpleVob;

use super::GrammarError;

/// The tokens that may come next.
#[derive(Debug, Clone)]
pub(crate) enum Mask {
    /// The grammar leaves no choice.
    Only(u32),
    Of(SimpleVob),
}

impl Mask {
    /// Bans all other tokens.
    pub(crate) fn apply(&self, logits: &mut [f32]) {
        match self {
            Self::Only(token) => {
                let kept = logits.get(*token as usize).copied();
                logits.fill(f32::NEG_INFINITY);
                if let (Some(logit), Some(kept)) = (logits.get_mut(*token as usize), kept) {
                    *logit = kept;
                }
            }
            Self::Of(allowed) => {
                let mut words = allowed.as_slice().iter();
                for group in logits.chunks_mut(u32::BITS as usize) {
                    match words.next().copied().unwrap_or(0) {
                        u32::MAX => {}
                        0 => group.fill(f32::NEG_INFINITY),
                        word => {
                            let banned = group.iter_mut().enumerate().filter(|(bit, _)| word >> bit & 1 == 0);
                            banned.for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
                        }
                    }
                }
            }
        }
    }
}

/// An answer's place in its grammar. Between two steps that is behind the answer's last token.
pub(crate) struct Matching {
    matcher: Matcher,
    /// Tokens that must come next, in this order.
    forced: Vec<u32>,
    /// Whether nothing was found to be forced here.
    is_open: bool,
    /// Guesses that the matcher is ahead with, and how many of them the answer has by now.
    ahead: Vec<u32>,
    right: usize,
    /// What may come behind the answer, and behind each of the guesses.
    masks: Vec<Mask>,
    /// Why it cannot go on.
    broken: Option<GrammarError>,
}

impl Matching {
    pub(super) fn new(matcher: Matcher) -> Self {
        Self {
            matcher,
            forced: Vec::new(),
            is_open: false,
            ahead: Vec::new(),
            right: 0,
            masks: Vec::new(),
            broken: None,
        }
    }

    /// Can go on no further than what was found.
    pub(crate) fn give_up(&mut self, why: GrammarError) {
        self.broken.get_or_insert(why);
    }

    /// How many of these guesses the grammar allows.
    pub(crate) fn allowed(&mut self, guesses: &[u32]) -> Result<usize, GrammarError> {
        self.settle()?;
        let forced = self.forced.iter().zip(guesses).take_while(|(forced, guess)| forced == guess).count();
        if forced < self.forced.len() {
            return Ok(forced);
        }
        self.matcher.validate_tokens(guesses).map_err(failed)
    }

    /// Finds what may come next, and behind each of the guesses as far as the grammar allows them. Takes most of the time that a
    /// grammar takes, and needs nothing else of the step.
    pub(crate) fn look_ahead(&mut self, guesses: &[u32]) -> Result<(), GrammarError> {
        self.settle()?;
        self.masks.clear();
        let mask = self.next_mask()?;
        self.masks.push(mask);
        for &guess in guesses {
            let may_come = match self.masks.last() {
                Some(Mask::Only(token)) => *token == guess,
                Some(Mask::Of(allowed)) => (guess as usize) < allowed.len() && allowed.is_allowed(guess),
                None => false,
            };
            if !may_come {
                return Ok(());
            }
            self.consume(guess)?;
            self.ahead.push(guess);
            if self.matcher.is_stopped() {
                return Ok(());
            }
            let mask = self.next_mask()?;
            self.masks.push(mask);
        }
        Ok(())
    }

    /// What may come in a row of the step: behind so many guesses.
    pub(crate) fn mask(&mut self, row: usize) -> Result<&Mask, GrammarError> {
        if row >= self.masks.len() {
            // Nobody looked ahead so far.
            self.settle()?;
            let mask = self.next_mask()?;
            self.masks.resize_with(row, || Mask::Only(u32::MAX));
            self.masks.push(mask);
        }
        Ok(&self.masks[row])
    }

    /// The answer has one more token. Whether nothing can follow it.
    pub(crate) fn accept(&mut self, token: u32) -> Result<bool, GrammarError> {
        if self.ahead.get(self.right) == Some(&token) {
            self.right += 1;
            return Ok(self.right == self.ahead.len() && self.is_over());
        }
        self.settle()?;
        self.masks.clear();
        self.consume(token)?;
        Ok(self.is_over())
    }

    /// The tokens that must come next, as far as the grammar leaves no choice.
    pub(crate) fn forced(&mut self) -> Result<&[u32], GrammarError> {
        self.settle()?;
        self.find_forced()?;
        Ok(&self.forced)
    }

    fn is_over(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// Takes guesses back that were wrong.
    fn settle(&mut self) -> Result<(), GrammarError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let wrong = self.ahead.len() - self.right;
        self.ahead.clear();
        self.right = 0;
        if wrong > 0 {
            self.forced.clear();
            self.is_open = false;
            self.matcher.rollback(wrong).map_err(failed)?;
        }
        Ok(())
    }

    fn consume(&mut self, token: u32) -> Result<(), GrammarError> {
        self.is_open = false;
        if self.forced.first() == Some(&token) {
            self.forced.remove(0);
        } else {
            self.forced.clear();
        }
        self.matcher.consume_token(token).map_err(failed)
    }

    fn next_mask(&mut self) -> Result<Mask, GrammarError> {
        self.find_forced()?;
        match self.forced.first() {
            Some(&token) => Ok(Mask::Only(token)),
            None => self.matcher.compute_mask().map(Mask::Of).map_err(failed),
        }
    }

    fn find_forced(&mut self) -> Result<(), GrammarError> {
        if self.forced.is_empty() && !self.is_open && !self.matcher.is_stopped() {
            self.forced = self.matcher.compute_ff_tokens();
            self.is_open = self.forced.is_empty();
        }
        match self.matcher.get_error() {
            Some(error) => Err(GrammarError::Failed(reason(&error))),
            None => Ok(()),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> GrammarError {
    GrammarError::Failed(reason(&error.to_string()))
}

/// The first lines of what the library says, without its own marks.
pub(super) fn reason(error: &str) -> String {
    const LONGEST: usize = 600;
    let words = error.replace("<non-verbose/>", "");
    let words = words.split("<backtrace>").next().unwrap_or_default();
    words.trim().chars().take(LONGEST).collect()
}
