//! What the engine thread makes of a step's logits: tokens, and how many guesses were right.

use std::time::{Duration, Instant};

use super::{Worker, lock};
use crate::error::EngineError;
use crate::request::FinishReason;
use crate::runner::guarded;
use crate::scheduler::Scheduled;
use crate::sequence::SequenceId;

/// How an answer ends.
type End = Result<FinishReason, EngineError>;

/// What came of one sequence's part of a step.
struct Outcome {
    id: SequenceId,
    /// Guesses that were right.
    right: usize,
    /// How its answer ended, if it did.
    end: Option<End>,
}

impl Worker {
    /// Samples what a step gives, and ends what has ended. Gives how many guesses of each part were right, and the time that
    /// these took beside that.
    pub(super) fn postprocess(&mut self, plan: &[Scheduled]) -> (Vec<usize>, Duration) {
        let (mut sampled, mut forced, mut row) = (0, 0, 0);
        let mut outcomes = Vec::with_capacity(plan.len());
        for part in plan {
            let guesses = self.scheduler.take_guesses(part.id);
            self.scheduler.advance(part.id, part.rows - part.guesses);
            self.keep_mark(part.id);
            self.announce_prefill(part.id);
            let mut outcome = Outcome { id: part.id, right: 0, end: None };
            if part.samples {
                let is_first = self.scheduler.get(part.id).is_some_and(|sequence| !sequence.is_decoding());
                (outcome.right, outcome.end) = self.sample(part.id, row, &guesses);
                if outcome.end.is_none()
                    && let Err(error) = guarded(|| self.force(part.id))
                {
                    outcome.end = Some(Err(error));
                }
                forced += if self.scheduler.is_forced(part.id) { outcome.right } else { 0 };
                sampled += 1 + outcome.right;
                if is_first && outcome.end.is_none() {
                    self.keep_prompt(part.id);
                }
                row += 1 + part.guesses;
            }
            outcomes.push(outcome);
        }
        let guessed: usize = outcomes.iter().map(|outcome| outcome.right).sum();
        let mut stats = lock(&self.stats);
        stats.steps += u64::from(!plan.is_empty());
        stats.computed_tokens += plan.iter().map(|part| part.rows as u64).sum::<u64>();
        stats.sampled_tokens += sampled as u64;
        stats.guessed_tokens += guessed as u64;
        stats.forced_tokens += forced as u64;
        drop(stats);
        self.settle(outcomes)
    }

    /// Takes over the guesses that were right, and ends what has ended. Gives how many were, and the time that the first took.
    fn settle(&mut self, mut outcomes: Vec<Outcome>) -> (Vec<usize>, Duration) {
        let started = Instant::now();
        let right: Vec<usize> = outcomes.iter().map(|outcome| outcome.right).collect();
        if let Err(error) = self.runner.accept_guesses(&right) {
            tracing::error!(%error, "right guesses could not be taken over");
            // Where none were right, nothing was changed.
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.right > 0) {
                let error = EngineError::StepFailed(error.to_string());
                (outcome.right, outcome.end) = (0, Some(Err(error)));
            }
        }
        let took = started.elapsed();
        for Outcome { id, right, end } in outcomes {
            self.scheduler.advance(id, right);
            match end {
                None => {}
                Some(Ok(reason)) => self.finish(id, reason),
                Some(Err(error)) => self.fail(id, error),
            }
        }
        (right, took)
    }

    /// Samples for one sequence, from `row` of the logits on, as long as tokens are what was guessed. Gives how many were, and
    /// how the answer ended, if it did.
    fn sample(&mut self, id: SequenceId, row: usize, guesses: &[u32]) -> (usize, Option<End>) {
        let idle = self.scheduler.take_idle_guess(id);
        for right in 0..=guesses.len() {
            match self.accept(id, row, right) {
                Ok(None) => {}
                Ok(Some(reason)) => return (right, Some(Ok(reason))),
                Err(error) => return (right, Some(Err(error))),
            }
            let sampled = self.scheduler.get(id).and_then(|sequence| sequence.tokens.last().copied());
            if let Some(idle) = idle.filter(|_| right == 0) {
                self.scheduler.learn_idle(id, sampled == Some(idle));
            }
            let Some(&guess) = guesses.get(right) else { break };
            self.scheduler.learn(id, sampled == Some(guess));
            if sampled != Some(guess) {
                return (right, None);
            }
        }
        (guesses.len(), None)
    }

    /// Samples for one sequence from the row of logits behind so many right guesses; says when its answer ends there.
    fn accept(
        &mut self,
        id: SequenceId,
        row: usize,
        right: usize,
    ) -> Result<Option<FinishReason>, EngineError> {
        let (Some(sequence), Some(generation)) = (self.scheduler.get(id), self.generations.get_mut(&id))
        else {
            return Ok(None);
        };
        let Some(row) = self.runner.row(row + right) else {
            return Err(EngineError::StepFailed("too few rows of logits".into()));
        };
        let (token, end) = guarded(|| generation.accept(row, &sequence.tokens, right))?;
        if end.is_none() {
            self.scheduler.append(id, token);
        }
        Ok(end)
    }
}
