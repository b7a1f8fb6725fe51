//! Which guesses a step checks, and how many: those that bring the most tokens a second by what steps take, what guessing
//! itself takes, and how likely guesses of each origin were right.

use std::time::Duration;

use super::{Scheduled, Scheduler};
use crate::guesser::{Guesser, Likelihood};
use crate::sequence::{Sequence, SequenceId};

/// How many tokens a head or a smaller model is to guess in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) id: SequenceId,
    /// None where another guess is better this time, but theirs are worth it on the whole: a head then reads on.
    pub(crate) guesses: usize,
}

impl Scheduler {
    /// Lets a head or a smaller model guess too, or nobody but the lookup any more.
    pub(crate) fn set_drafter(&mut self, drafter: Option<Guesser>) {
        self.drafter = drafter;
    }

    /// Whether guesses of a head may pay in a sequence that begins.
    pub(crate) fn drafts_may_pay(&self) -> bool {
        self.may_pay(self.drafts_right.of_another())
    }

    /// Whether they may pay in any of a step's sequences, so that the head must see what the step computes.
    pub(crate) fn drafts_may_pay_in(&self, step: &[Scheduled]) -> bool {
        let prompts = self.drafts_may_pay();
        step.iter().filter_map(|part| self.get(part.id)).any(|sequence| match sequence.is_decoding() {
            true => self.may_pay(sequence.drafts_right),
            false => prompts,
        })
    }

    fn may_pay(&self, right: Likelihood) -> bool {
        let each = self.costs.draft_seconds();
        !self.costs.is_known() || self.costs.best(right.get(), 1, 1, self.limits.guesses, each).0 > 0
    }

    /// How many tokens the head or the smaller model is to guess for the next step.
    pub(crate) fn wanted_drafts(&mut self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let is_ready = |s: &Sequence| s.remaining() == 1 && !s.is_loading() && s.pictures.is_empty();
        let sequences = self.running.iter().filter(|sequence| is_ready(sequence)).count();
        if self.drafter.is_none() || sequences == 0 {
            return wanted;
        }
        // They guess for all sequences together.
        let each = self.costs.draft_seconds() / sequences as f64;
        let mut rows = sequences;
        for sequence in self.running.iter_mut().filter(|sequence| is_ready(sequence)) {
            let room = self.limits.context.saturating_sub(sequence.tokens.len());
            let most = self.limits.guesses.min(room);
            let best =
                |right: Likelihood, most, each| self.costs.best(right.get(), rows, sequences, most, each);
            let found = sequence.lookup.guess(&sequence.tokens, most).len();
            let (_, with_lookup) = best(sequence.lookup_right, found, 0.0);
            let (mut guesses, with_drafts) = best(sequence.drafts_right, most, each);
            if guesses == 0 {
                sequence.drafts_right.hope();
                continue;
            }
            if with_lookup >= with_drafts
                || !sequence.forced.is_empty()
                || !self.blocks.extend(&mut sequence.tables, sequence.tokens.len() + guesses)
            {
                guesses = 0;
            }
            rows += guesses;
            wanted.push(Wanted { id: sequence.id, guesses });
        }
        wanted
    }

    /// Takes what was guessed at the next tokens of a sequence, for the next step that it has a part in.
    pub(crate) fn put_drafts(&mut self, id: SequenceId, drafts: Vec<u32>) {
        if let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) {
            sequence.drafts = drafts;
        }
    }

    /// Takes what a sequence's grammar says must come next.
    pub(crate) fn put_forced(&mut self, id: SequenceId, forced: &[u32]) {
        if let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) {
            sequence.forced.clear();
            sequence.forced.extend_from_slice(forced);
        }
    }

    /// Whether a grammar left no choice about the last guesses in a sequence.
    pub(crate) fn is_forced(&self, id: SequenceId) -> bool {
        self.get(id).is_some_and(|sequence| sequence.guessed_by == Guesser::Grammar)
    }

    /// Leaves only the first `kept` guesses of a planned part of a step.
    pub(crate) fn cut_guesses(&mut self, part: &mut Scheduled, kept: usize) {
        let Some(sequence) = self.running.iter_mut().find(|s| s.id == part.id) else { return };
        let cut = part.guesses.saturating_sub(kept);
        sequence.tokens.truncate(sequence.tokens.len() - cut);
        sequence.guesses -= cut;
        part.guesses -= cut;
        part.rows -= cut;
    }

    /// Learns what it took to guess one token further.
    pub(crate) fn observe_draft(&mut self, took: Duration) {
        self.costs.observe_draft(took);
    }

    /// Adds guesses to decoding sequences where that is likely to pay, and where there are blocks that nobody must give up.
    pub(super) fn add_guesses(&mut self, decoding: &mut [Scheduled], budget: &mut usize) {
        let (sequences, mut rows) = (decoding.len(), decoding.len());
        for part in decoding {
            let Some(sequence) = self.running.iter_mut().find(|s| s.id == part.id) else { continue };
            let room = self.limits.context.saturating_sub(sequence.tokens.len());
            let most = self.limits.guesses.min(*budget).min(room);
            let mut drafts = std::mem::take(&mut sequence.drafts);
            let mut forced = std::mem::take(&mut sequence.forced);
            if most == 0 {
                continue;
            }
            // One guess is looked up in any case: whether it would have been right is learned for nothing.
            let worthwhile = self.costs.worthwhile(sequence.lookup_right.get(), rows, sequences, most);
            let found = sequence.look_up(worthwhile.max(1));
            let first = found.first().copied();
            (sequence.guessed_by, drafts) = match (self.drafter, drafts.is_empty()) {
                _ if !forced.is_empty() => {
                    forced.truncate(most);
                    (Guesser::Grammar, forced)
                }
                (Some(drafter), false) => {
                    drafts.truncate(most);
                    (drafter, drafts)
                }
                _ if worthwhile > 0 => (Guesser::Lookup, found),
                _ => (Guesser::Lookup, Vec::new()),
            };
            if self.blocks.extend(&mut sequence.tables, sequence.tokens.len() + drafts.len()) {
                sequence.guess(&drafts);
            }
            let looked_up = sequence.guesses > 0 && sequence.guessed_by == Guesser::Lookup;
            sequence.idle_guess = first.filter(|_| !looked_up);
            part.guesses = sequence.guesses;
            part.rows += part.guesses;
            rows += part.guesses;
            *budget -= part.guesses;
        }
    }

    /// Takes back what was guessed of a sequence for the step that has been run.
    pub(crate) fn take_guesses(&mut self, id: SequenceId) -> Vec<u32> {
        self.running.iter_mut().find(|s| s.id == id).map(Sequence::take_guesses).unwrap_or_default()
    }

    /// Takes what the lookup guessed at a sequence's next token where that was not worth a row.
    pub(crate) fn take_idle_guess(&mut self, id: SequenceId) -> Option<u32> {
        self.running.iter_mut().find(|s| s.id == id).and_then(|sequence| sequence.idle_guess.take())
    }

    /// Learns whether a guess that was checked was right.
    pub(crate) fn learn(&mut self, id: SequenceId, right: bool) {
        let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) else { return };
        match sequence.guessed_by {
            Guesser::Lookup => sequence.lookup_right.learn(right),
            Guesser::Grammar => {}
            Guesser::Head | Guesser::Model => {
                sequence.drafts_right.learn(right);
                self.drafts_right.learn(right);
            }
        }
    }

    /// Learns whether a guess of the lookup would have been right.
    pub(crate) fn learn_idle(&mut self, id: SequenceId, right: bool) {
        if let Some(sequence) = self.running.iter_mut().find(|s| s.id == id) {
            sequence.lookup_right.learn(right);
        }
    }
}
