//! The engine thread: takes commands, plans a step, runs it, samples, sends events, and again. It owns everything
//! that changes; whoever wants something sends it a [`Command`]. With nothing to do it sleeps in the channel.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::EngineError;
use crate::generation::{Generation, Submission};
use crate::options::EngineStats;
use crate::pacing::Pacer;
use crate::prefix_disk::{DiskEvent, PrefixDisk, Reply};
use crate::prompt::PromptTokens;
use crate::request::{FinishReason, Priority};
use crate::runner::{LogitRows, ModelRunner, Piece, guarded};
use crate::scheduler::{Scheduled, Scheduler};
use crate::sequence::{Sequence, SequenceId};
use crate::text::Tokenizer;

/// How often somebody may cancel while all wait for the disk.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// Everything that can be asked of the engine thread.
pub(crate) enum Command {
    /// Continue a prompt. Lengths, ids and parameters are checked already.
    Generate { prompt: PromptTokens, priority: Priority, submission: Box<Submission> },
    /// Logits at every position.
    Logits { ids: Vec<u32>, reply: tokio::sync::oneshot::Sender<Result<Vec<f32>, EngineError>> },
    /// Say when everything that is to be kept so far is on the disk.
    SavePrefixes(Reply),
    /// Delete what an owner alone has a share in, and say when that is done.
    ForgetPrefixes { owner: Arc<str>, reply: Reply },
    /// Use the disk no more, and say when that is so.
    DropDisk(Reply),
    /// A thread that reads or writes cached prefixes has done something.
    Disk(DiskEvent),
    /// End the thread; what is running fails with `engine_stopped`.
    Stop,
}

/// The thread's whole state.
pub(crate) struct Worker {
    pub(crate) commands: Receiver<Command>,
    pub(crate) runner: ModelRunner,
    pub(crate) scheduler: Scheduler,
    pub(crate) disk: Option<PrefixDisk>,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) context_length: usize,
    pub(crate) step_tokens: usize,
    pub(crate) stats: Arc<Mutex<EngineStats>>,
    pub(crate) generations: HashMap<SequenceId, Generation>,
    pub(crate) pacer: Pacer,
    pub(crate) next_id: SequenceId,
    /// What the current step computes; kept for its allocation.
    pub(crate) plan: Vec<Scheduled>,
}

impl Worker {
    /// Runs until it is told to stop or nobody can send commands any more.
    pub(crate) fn run(mut self) {
        while self.take_commands() {
            self.drop_cancelled();
            self.step();
            self.tell_positions();
            self.note_stats();
        }
        self.keep_running();
        for (_, generation) in self.generations.drain() {
            generation.fail(EngineError::EngineStopped);
        }
        self.leave_disk();
    }

    /// Takes what lies in the channel; waits for something when there is nothing else to do. False: stop.
    fn take_commands(&mut self) -> bool {
        let mut waits = self.waits_for_disk();
        loop {
            let idle = self.scheduler.is_idle();
            let command = if idle && !self.save_some() && !self.runner.settle() {
                self.commands.recv().map_err(|_| TryRecvError::Disconnected)
            } else if std::mem::take(&mut waits) {
                self.commands.recv_timeout(LOOK_AROUND).map_err(|error| match error {
                    RecvTimeoutError::Timeout => TryRecvError::Empty,
                    RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                })
            } else {
                self.commands.try_recv()
            };
            match command {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Ok(command) => self.execute(command),
                Err(TryRecvError::Empty) if idle => {}
                Err(TryRecvError::Empty) => return true,
            }
            if self.scheduler.is_idle() {
                // A command that left nothing to run; its effects still belong in the figures.
                self.note_stats();
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Generate { prompt, priority, submission } => {
                let id = self.next_id;
                self.next_id += 1;
                let generation = Generation::new(self.tokenizer.clone(), *submission);
                self.generations.insert(id, generation);
                self.scheduler.submit(Sequence::new(id, priority, prompt.ids).with_pictures(prompt.pictures));
            }
            Command::Logits { ids, reply } => {
                // A caller that went away in the meantime does not need them.
                let _ = reply.send(guarded(|| self.runner.logits(&ids, self.step_tokens)));
            }
            Command::SavePrefixes(reply) => self.when_saved(reply),
            Command::ForgetPrefixes { owner, reply } => self.forget(owner, reply),
            Command::DropDisk(reply) => {
                self.drop_disk();
                reply();
            }
            Command::Disk(event) => {
                if let Some(disk) = &mut self.disk {
                    disk.take(event);
                }
            }
            Command::Stop => {}
        }
    }

    /// Forgets generations whose stream was dropped, and ends those that were cancelled.
    fn drop_cancelled(&mut self) {
        let over = |g: &Generation| g.is_abandoned() || g.is_cancelled();
        let ids: Vec<_> = self.generations.iter().filter(|(_, g)| over(g)).map(|(&id, _)| id).collect();
        for id in ids {
            self.finish(id, FinishReason::Cancelled);
        }
    }

    fn step(&mut self) {
        let mut plan = std::mem::take(&mut self.plan);
        self.save_what_may_go();
        self.scheduler.admit();
        self.look_up();
        self.import();
        self.scheduler.schedule(self.pacer.beside_chat(), &mut plan);
        self.note_stats();
        plan.iter().for_each(|part| self.announce_prefill(part.id));
        let started = Instant::now();
        match self.forward(&plan) {
            Ok(()) => {
                self.pace(&plan, started);
                self.postprocess(&plan);
            }
            Err(error) => self.isolate(&plan, error),
        }
        if !self.scheduler.is_idle() {
            self.save_some();
        }
        self.plan = plan;
    }

    /// One pass for all of `plan`; the runner has a row of logits for each part that samples afterwards.
    fn forward(&mut self, plan: &[Scheduled]) -> Result<(), EngineError> {
        if plan.is_empty() {
            return Ok(());
        }
        let scheduler = &self.scheduler;
        let piece = |part: &Scheduled| {
            let sequence = scheduler.get(part.id)?;
            Some(Piece {
                tokens: &sequence.tokens[sequence.computed..sequence.computed + part.rows],
                start: sequence.computed,
                tables: &sequence.tables,
                logits: match part {
                    Scheduled { guesses: 1.., .. } => LogitRows::All,
                    Scheduled { samples: true, .. } => LogitRows::Last,
                    _ => LogitRows::None,
                },
                pictures: &sequence.pictures,
            })
        };
        self.runner.run(plan.iter().filter_map(piece))
    }

    /// A step failed: each sequence runs alone, and only those that fail again are ended. They may write the same
    /// keys and values twice, which changes nothing.
    fn isolate(&mut self, plan: &[Scheduled], error: EngineError) {
        tracing::error!(%error, sequences = plan.len(), "a step failed");
        if let [only] = plan {
            return self.fail(only.id, error);
        }
        for part in plan {
            let alone = std::slice::from_ref(part);
            match self.forward(alone) {
                Ok(()) => self.postprocess(alone),
                Err(error) => self.fail(part.id, error),
            }
        }
    }

    fn postprocess(&mut self, plan: &[Scheduled]) {
        let (mut sampled, mut guessed, mut row) = (0, 0, 0);
        for part in plan {
            let guesses = self.scheduler.take_guesses(part.id);
            self.scheduler.advance(part.id, part.rows - part.guesses);
            self.announce_prefill(part.id);
            if part.samples {
                let is_first = self.scheduler.get(part.id).is_some_and(|sequence| !sequence.is_decoding());
                self.accept(part.id, row);
                sampled += 1;
                if is_first {
                    self.keep_prompt(part.id);
                }
                guessed += self.accept_guesses(part.id, row, &guesses);
                row += 1 + part.guesses;
            }
        }
        let mut stats = lock(&self.stats);
        stats.steps += u64::from(!plan.is_empty());
        stats.computed_tokens += plan.iter().map(|part| part.rows as u64).sum::<u64>();
        stats.sampled_tokens += (sampled + guessed) as u64;
        stats.guessed_tokens += guessed as u64;
    }

    /// Samples for one sequence from a row of logits and ends it where it ends.
    fn accept(&mut self, id: SequenceId, row: usize) {
        let (Some(sequence), Some(generation)) = (self.scheduler.get(id), self.generations.get_mut(&id))
        else {
            return;
        };
        let Some(row) = self.runner.row(row) else {
            return self.fail(id, EngineError::StepFailed("too few rows of logits".into()));
        };
        match guarded(|| generation.accept(row, &sequence.tokens, self.context_length)) {
            Ok((token, None)) => self.scheduler.append(id, token),
            Ok((_, Some(reason))) => self.finish(id, reason),
            Err(error) => self.fail(id, error),
        }
    }

    /// Goes on behind the token that was just sampled from `row`, as long as tokens are what was guessed. Gives how many more
    /// were sampled.
    fn accept_guesses(&mut self, id: SequenceId, row: usize, guesses: &[u32]) -> usize {
        let idle = self.scheduler.take_idle_guess(id);
        for (index, &guess) in guesses.iter().chain(&idle).enumerate() {
            // Without a sequence the answer has ended.
            let Some(sequence) = self.scheduler.get(id) else { return index };
            let right = sequence.tokens.last() == Some(&guess);
            self.scheduler.learn(id, right);
            if !right || index == guesses.len() {
                return index;
            }
            self.scheduler.advance(id, 1);
            self.accept(id, row + index + 1);
        }
        guesses.len()
    }

    fn finish(&mut self, id: SequenceId, reason: FinishReason) {
        self.keep(id);
        self.scheduler.remove(id);
        if let Some(generation) = self.generations.remove(&id) {
            lock(&self.stats).cached_tokens += generation.usage().cached_tokens as u64;
            // The figures are right before the caller hears of the end.
            self.note_stats();
            generation.finish(reason);
        }
    }

    fn fail(&mut self, id: SequenceId, error: EngineError) {
        self.scheduler.remove(id);
        if let Some(generation) = self.generations.remove(&id) {
            self.note_stats();
            generation.fail(error);
        }
    }

    /// Tells a prompt how far it is: before its first pass and after each.
    fn announce_prefill(&mut self, id: SequenceId) {
        if let (Some(sequence), Some(generation)) = (self.scheduler.get(id), self.generations.get_mut(&id)) {
            generation.prefilling(sequence);
        }
    }

    fn tell_positions(&mut self) {
        for (position, sequence) in self.scheduler.waiting().iter().enumerate() {
            if let Some(generation) = self.generations.get_mut(&sequence.id) {
                generation.queued(position);
            }
        }
    }

    fn pace(&mut self, plan: &[Scheduled], started: Instant) {
        let took = started.elapsed();
        let decoding = |part: &&Scheduled| self.scheduler.get(part.id).is_some_and(Sequence::is_decoding);
        let decode_rows: usize = plan.iter().filter(decoding).map(|part| part.rows).sum();
        let rows: usize = plan.iter().map(|part| part.rows).sum();
        if decode_rows == rows {
            self.scheduler.observe(rows, took);
        }
        self.pacer.observe(decode_rows, rows - decode_rows, took);
    }

    fn note_stats(&self) {
        let blocks = self.scheduler.blocks();
        let mut stats = lock(&self.stats);
        stats.running = self.scheduler.running();
        stats.waiting = self.scheduler.waiting().len();
        stats.blocks_total = blocks.total();
        stats.blocks_used = blocks.total() - blocks.available();
        stats.blocks_cached = blocks.idle();
        stats.block_size = blocks.block_size();
        stats.preemptions = self.scheduler.preemptions();
        if let Some(experts) = self.runner.expert_counts() {
            (stats.expert_uses, stats.expert_hits) = (experts.uses, experts.hits);
            stats.expert_read_bytes = experts.read_bytes;
        }
        stats.loaded_tokens = self.disk.as_ref().map_or(0, PrefixDisk::loaded_tokens);
    }
}

mod prefixes;

/// Figures are plain numbers: a panic while they were held leaves nothing half done.
pub(crate) fn lock(stats: &Mutex<EngineStats>) -> std::sync::MutexGuard<'_, EngineStats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}
