//! What the engine thread does for answers with a grammar, around a step.

use std::time::Instant;

use super::{Worker, lock};
use crate::error::EngineError;
use crate::masks::{MaskThread, Search};
use crate::runner::guarded;
use crate::scheduler::Scheduled;
use crate::sequence::SequenceId;

impl Worker {
    /// Cuts guesses that a grammar forbids off a planned step, and begins to find what grammars allow in each of its rows.
    pub(super) fn begin_masks(&mut self, plan: &mut Vec<Scheduled>) {
        let mut searches = Vec::new();
        let mut failed = Vec::new();
        for part in plan.iter_mut().filter(|part| part.samples) {
            let generation = self.generations.get_mut(&part.id);
            let Some(mut matching) = generation.and_then(|generation| generation.take_matching()) else {
                continue;
            };
            let tokens = self.scheduler.get(part.id).map_or(&[][..], |sequence| &sequence.tokens);
            let guesses = tokens[tokens.len() - part.guesses.min(tokens.len())..].to_vec();
            let allowed = match guesses.is_empty() {
                true => Ok(0),
                false => guarded(|| Ok(matching.allowed(&guesses)?)),
            };
            match allowed {
                Ok(kept) => {
                    let guesses = guesses[..kept.min(guesses.len())].to_vec();
                    self.scheduler.cut_guesses(part, kept);
                    searches.push(Search { id: part.id, matching, guesses });
                }
                Err(error) => failed.push((part.id, error)),
            }
        }
        for (id, error) in failed {
            plan.retain(|part| part.id != id);
            self.fail(id, error);
        }
        if searches.is_empty() {
            return;
        }
        if self.masks.is_none() {
            match MaskThread::start() {
                Ok(thread) => self.masks = Some(thread),
                // It is found when it is needed.
                Err(error) => {
                    tracing::error!(%error, "masks are found between steps");
                    return searches.into_iter().for_each(|search| self.give_back(search));
                }
            }
        }
        if let Some(masks) = &mut self.masks {
            masks.begin(searches);
        }
    }

    /// Waits until what was begun is found. Where that failed, sampling does.
    pub(super) fn finish_masks(&mut self) {
        let Some(masks) = &mut self.masks else { return };
        let started = Instant::now();
        let (searches, took) = masks.finish();
        if searches.is_empty() {
            return;
        }
        let mut stats = lock(&self.stats);
        stats.mask_wait += started.elapsed();
        stats.mask_time += took;
        drop(stats);
        searches.into_iter().for_each(|search| self.give_back(search));
    }

    fn give_back(&mut self, search: Search) {
        if let Some(generation) = self.generations.get_mut(&search.id) {
            generation.put_matching(search.matching);
        }
    }

    /// Says what a sequence's grammar leaves no choice about, for the next step to take along.
    pub(super) fn force(&mut self, id: SequenceId) -> Result<(), EngineError> {
        let Some(generation) = self.generations.get_mut(&id) else { return Ok(()) };
        if let Some(forced) = generation.forced()? {
            self.scheduler.put_forced(id, forced);
        }
        Ok(())
    }
}
