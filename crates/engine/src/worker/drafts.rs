//! What the engine thread does between steps for guesses that take computing.

use std::time::Instant;

use super::Worker;
use crate::drafter::{Drafter, Drafts, by_head};
use crate::scheduler::Scheduled;

impl Worker {
    /// Lets the head or the draft model guess for the next step, behind `step`, of whose guesses so many in each part were
    /// right. Should it fail, it is left alone from then on: nobody needs guesses.
    pub(super) fn draft(&mut self, step: &[Scheduled], right: &[usize]) {
        let Some(drafter) = &mut self.drafter else { return };
        let wanted = self.scheduler.wanted_drafts();
        let started = Instant::now();
        let drafts = match drafter {
            Drafter::Head(_) if !self.runner.keeps_hidden() => return,
            Drafter::Head(predictor) => {
                by_head(&mut self.runner, *predictor, &self.scheduler, (step, right), &wanted)
            }
            Drafter::Model(model) => model.draft(&self.scheduler, &wanted),
        };
        match drafts {
            Ok(Drafts { guesses, passes }) => {
                if passes > 0 {
                    self.scheduler.observe_draft(started.elapsed() / passes);
                }
                guesses.into_iter().for_each(|(id, drafts)| self.scheduler.put_drafts(id, drafts));
            }
            Err(error) => {
                tracing::error!(%error, "guessing failed; what stood before is all that is guessed from now on");
                self.drafter = None;
                self.scheduler.set_drafter(None);
            }
        }
    }
}
