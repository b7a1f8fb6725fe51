//! The thread that finds what grammars allow next while the model runs.
//!
//! The engine thread hands over where answers are in their grammars and gets them back with their masks; nobody else touches
//! them meanwhile. The thread sleeps when there is nothing to find.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::EngineError;
use crate::runner::guarded;
use crate::sequence::SequenceId;
use crate::text::{GrammarError, Matching};

/// One answer's part of it.
pub(crate) struct Search {
    pub(crate) id: SequenceId,
    pub(crate) matching: Box<Matching>,
    /// What the step checks behind the answer.
    pub(crate) guesses: Vec<u32>,
}

/// The thread, and whether it has something to do.
pub(crate) struct MaskThread {
    searches: Option<Sender<Vec<Search>>>,
    found: Receiver<(Vec<Search>, Duration)>,
    is_searching: bool,
    thread: Option<JoinHandle<()>>,
}

impl MaskThread {
    pub(crate) fn start() -> Result<Self, EngineError> {
        let (searches, to_search) = channel::<Vec<Search>>();
        let (to_give, found) = channel();
        let work = move || {
            for mut searches in to_search {
                let started = Instant::now();
                searches.iter_mut().for_each(Search::run);
                if to_give.send((searches, started.elapsed())).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("lantern-masks".into()).spawn(work);
        let thread =
            thread.map_err(|error| EngineError::StepFailed(format!("no thread for masks: {error}")))?;
        Ok(Self { searches: Some(searches), found, is_searching: false, thread: Some(thread) })
    }

    /// Begins to search. [`Self::finish`] must follow.
    pub(crate) fn begin(&mut self, searches: Vec<Search>) {
        self.is_searching = self.searches.as_ref().is_some_and(|thread| thread.send(searches).is_ok());
    }

    /// Waits for what was begun; says how long the search took.
    pub(crate) fn finish(&mut self) -> (Vec<Search>, Duration) {
        match std::mem::take(&mut self.is_searching) {
            // A search catches its panics, so the thread lives as long as this.
            true => self.found.recv().unwrap_or_default(),
            false => (Vec::new(), Duration::ZERO),
        }
    }
}

impl Search {
    fn run(&mut self) {
        match guarded(|| Ok(self.matching.look_ahead(&self.guesses)?)) {
            Ok(()) => {}
            Err(EngineError::Grammar(error)) => self.matching.give_up(error),
            Err(error) => self.matching.give_up(GrammarError::Failed(error.to_string())),
        }
    }
}

impl Drop for MaskThread {
    fn drop(&mut self) {
        self.searches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
