//! The engine thread: takes commands, plans a step, runs it, samples, sends events, and again. It owns everything
//! that changes; whoever wants something sends it a [`Command`]. With nothing to do it sleeps in the channel.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::drafter::Drafter;
use crate::error::EngineError;
use crate::generation::{Generation, Submission};
use crate::marks;
use crate::masks::MaskThread;
use crate::options::EngineStats;
use crate::pacing::Pacer;
use crate::prefix_disk::{DiskEvent, PrefixDisk, Reply};
use crate::pressure::{IDLE_PAUSE, Pressure};
use crate::prompt::PromptTokens;
use crate::request::{FinishReason, Priority};
use crate::runner::{LogitRows, ModelRunner, Piece, guarded};
use crate::scheduler::{Extent, Scheduled, Scheduler};
use crate::sequence::{Sequence, SequenceId};
use crate::text::Tokenizer;
use crate::vision::Vision;

/// How often somebody may cancel while all wait for the disk.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// Everything that can be asked of the engine thread.
pub(crate) enum Command {
    /// Continue a prompt. Lengths, ids and parameters are checked already.
    Generate { prompt: PromptTokens, priority: Priority, submission: Box<Submission> },
    /// Make room for longer sequences or give some back, and say whether that went well.
    Resize { extent: Extent, reply: std::sync::mpsc::Sender<Result<(), EngineError>> },
    /// Logits at every position.
    Logits { ids: Vec<u32>, reply: tokio::sync::oneshot::Sender<Result<Vec<f32>, EngineError>> },
    /// Say when everything that is to be kept so far is on the disk.
    SavePrefixes(Reply),
    /// Delete what an owner alone has a share in, and say when that is done.
    ForgetPrefixes { owner: Arc<str>, reply: Reply },
    /// Make an owner's prefixes the last that memory forgets, or forget them like others.
    Pin { owner: Arc<str>, is_pinned: bool },
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
    /// Who guesses beside the lookup.
    pub(crate) drafter: Option<Drafter>,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) step_tokens: usize,
    pub(crate) stats: Arc<Mutex<EngineStats>>,
    pub(crate) generations: HashMap<SequenceId, Generation>,
    pub(crate) pacer: Pacer,
    /// For the pictures it keeps.
    pub(crate) vision: Arc<Vision>,
    pub(crate) pressure: Pressure,
    pub(crate) next_id: SequenceId,
    /// What the current step computes; kept for its allocation.
    pub(crate) plan: Vec<Scheduled>,
    /// Finds what grammars allow; there since the first answer that has one.
    pub(crate) masks: Option<MaskThread>,
}

impl Worker {
    /// Runs until it is told to stop or nobody can send commands any more.
    pub(crate) fn run(mut self) {
        while self.take_commands() {
            self.drop_cancelled();
            self.relieve();
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
                self.relieve();
                self.sleep()
            } else if std::mem::take(&mut waits) {
                self.commands.recv_timeout(LOOK_AROUND).map_err(in_time)
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

    /// Waits for a command. As long as there is something to give back, it looks up now and then.
    fn sleep(&self) -> Result<Command, TryRecvError> {
        match self.could_give_back() {
            true => self.commands.recv_timeout(IDLE_PAUSE).map_err(in_time),
            false => self.commands.recv().map_err(|_| TryRecvError::Disconnected),
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Generate { prompt, priority, submission } => {
                let id = self.next_id;
                self.next_id += 1;
                // The cache may have become smaller since the prompt was measured.
                let context = submission.context.min(self.scheduler.context());
                let submission = Submission { context, ..*submission };
                let (owner, max_tokens) = (submission.owner.clone(), submission.max_tokens);
                let generation = Generation::new(self.tokenizer.clone(), submission);
                let prompt_tokens = prompt.ids.len();
                if prompt_tokens >= context {
                    let max_tokens = Some(max_tokens).filter(|most| *most < usize::MAX);
                    let overflow =
                        EngineError::ContextOverflow { prompt: prompt_tokens, max_tokens, context };
                    return generation.fail(overflow);
                }
                self.generations.insert(id, generation);
                let sequence = Sequence::new(id, priority, prompt.ids).with_pictures(prompt.pictures);
                let marks = marks::marks(prompt.preamble, sequence.prompt_tokens, self.scheduler.blocks());
                self.scheduler.submit(sequence.of(owner).marked(marks));
            }
            Command::Resize { extent, reply } => {
                let _ = reply.send(guarded(|| self.resize(&extent)));
            }
            Command::Logits { ids, reply } => {
                // A caller that went away in the meantime does not need them.
                let _ = reply.send(guarded(|| self.runner.logits(&ids, self.step_tokens)));
            }
            Command::SavePrefixes(reply) => self.when_saved(reply),
            Command::ForgetPrefixes { owner, reply } => self.forget(owner, reply),
            Command::Pin { owner, is_pinned } => self.scheduler.pin(&owner, is_pinned),
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

    /// What runs goes on: its blocks keep their numbers and their content.
    fn resize(&mut self, extent: &Extent) -> Result<(), EngineError> {
        let blocks = self.scheduler.blocks();
        let is_less = extent.context < self.scheduler.context();
        if (is_less && !self.scheduler.is_idle()) || !blocks.can_resize(&extent.n_blocks) {
            return Err(EngineError::StepFailed("the cache is in use".to_owned()));
        }
        self.runner.resize(&extent.n_blocks, |group, block| blocks.has_content(group, block))?;
        self.scheduler.resize(extent);
        Ok(())
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
        self.begin_masks(&mut plan);
        self.note_stats();
        plan.iter().for_each(|part| self.announce_prefill(part.id));
        let is_read =
            matches!(self.drafter, Some(Drafter::Head(_))) && self.scheduler.drafts_may_pay_in(&plan);
        self.runner.keep_hidden(is_read);
        let started = Instant::now();
        let computed = self.forward(&plan);
        let took = started.elapsed();
        self.finish_masks();
        match computed {
            Ok(()) => {
                let (rows, is_paced) = (self.rows_of(&plan), self.is_paced(&plan));
                let (right, settled) = self.postprocess(&plan);
                self.pace(rows, is_paced, took + settled);
                self.draft(&plan, &right);
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
                guesses: part.guesses,
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
                Ok(()) => {
                    self.postprocess(alone);
                }
                Err(error) => self.fail(part.id, error),
            }
        }
    }

    fn remove(&mut self, id: SequenceId) {
        self.scheduler.remove(id);
        if let Some(drafter) = &mut self.drafter {
            drafter.forget(id);
        }
    }

    fn finish(&mut self, id: SequenceId, reason: FinishReason) {
        self.keep(id);
        self.remove(id);
        if let Some(generation) = self.generations.remove(&id) {
            lock(&self.stats).cached_tokens += generation.usage().cached_tokens as u64;
            // The figures are right before the caller hears of the end.
            self.note_stats();
            generation.finish(reason);
        }
    }

    fn fail(&mut self, id: SequenceId, error: EngineError) {
        self.remove(id);
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

    /// Rows of a step that belong to answers, and those of prompts.
    fn rows_of(&self, plan: &[Scheduled]) -> (usize, usize) {
        let decoding = |part: &&Scheduled| self.scheduler.get(part.id).is_some_and(Sequence::is_decoding);
        let decode_rows: usize = plan.iter().filter(decoding).map(|part| part.rows).sum();
        (decode_rows, plan.iter().map(|part| part.rows).sum::<usize>() - decode_rows)
    }

    /// Whether others' prompts have the rows in a step that the pacer allowed them beside a chat, and no chat's prompt any.
    fn is_paced(&self, plan: &[Scheduled]) -> bool {
        let is_others = |part: &Scheduled| {
            self.scheduler.get(part.id).is_some_and(|s| s.is_decoding() || s.priority > Priority::Chat)
        };
        self.scheduler.chat_is_decoding() && plan.iter().all(is_others)
    }

    fn pace(&mut self, (decode_rows, prompt_rows): (usize, usize), is_paced: bool, took: Duration) {
        if prompt_rows == 0 {
            self.scheduler.observe(decode_rows, took);
            self.pacer.observe_decode(took);
        } else if let (true, Some(alone)) = (is_paced, self.scheduler.decode_time(decode_rows)) {
            self.pacer.observe_mixed(prompt_rows, took, alone);
        }
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

mod drafts;
mod masks;
mod prefixes;
mod relief;
mod sampling;

fn in_time(error: RecvTimeoutError) -> TryRecvError {
    match error {
        RecvTimeoutError::Timeout => TryRecvError::Empty,
        RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
    }
}

/// Figures are plain numbers: a panic while they were held leaves nothing half done.
pub(crate) fn lock(stats: &Mutex<EngineStats>) -> std::sync::MutexGuard<'_, EngineStats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}
