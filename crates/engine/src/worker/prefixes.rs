//! What the engine thread does for the prefix cache on disk, between steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Command, Worker};
use crate::generation::Generation;
use crate::prefix_disk::{Memory, PrefixDisk, Reply};
use crate::sequence::{Sequence, SequenceId};

/// Bytes that are copied to be written between two steps, and while nobody runs. The first take about a millisecond.
const BESIDE_STEPS: usize = 4 << 20;
const WHEN_IDLE: usize = 16 << 20;
/// How long the engine's end waits for the disk.
const LAST_WRITES: Duration = Duration::from_secs(5);

impl Worker {
    /// Looks on the disk for the sequences that were admitted just now.
    pub(super) fn look_up(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        let owner = |id| self.generations.get(&id).and_then(Generation::owner);
        let mut look_up = |sequence: &Sequence| (sequence.id, disk.look_up(sequence, owner(sequence.id)));
        let found: Vec<_> = self.scheduler.not_looked_up().map(&mut look_up).collect();
        for (id, is_loading) in found {
            self.scheduler.looked_up(id, is_loading);
            if is_loading {
                self.announce_prefill(id);
            }
        }
    }

    /// Takes one file that was read.
    pub(super) fn import(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.import(&mut self.scheduler, self.runner.cache_mut());
        }
    }

    /// Whether nothing can be done before the disk has read something.
    pub(super) fn waits_for_disk(&self) -> bool {
        self.scheduler.only_loads() && self.disk.as_ref().is_some_and(|disk| !disk.has_arrived())
    }

    /// Copies some blocks to be written. Whether there may be more to do at once.
    pub(super) fn save_some(&mut self) -> bool {
        self.save_up_to(if self.scheduler.is_idle() { WHEN_IDLE } else { BESIDE_STEPS })
    }

    fn save_up_to(&mut self, budget: usize) -> bool {
        let memory = Memory { kv: self.runner.cache(), blocks: self.scheduler.blocks() };
        self.disk.as_mut().is_some_and(|disk| disk.save_some(&memory, budget))
    }

    /// Copies what the next sequence would drive out of memory, as far as the writer takes it.
    pub(super) fn save_what_may_go(&mut self) {
        let is_saving = |worker: &Self| worker.disk.as_ref().is_some_and(PrefixDisk::is_saving);
        while is_saving(self) && self.scheduler.next_drives_out() && self.save_up_to(WHEN_IDLE) {}
    }

    /// Keeps what is published of a sequence that ends.
    pub(super) fn keep(&mut self, id: SequenceId) {
        if let (Some(disk), Some(sequence)) = (&mut self.disk, self.scheduler.get(id)) {
            disk.keep(sequence, self.generations.get(&id).and_then(Generation::owner));
        }
    }

    /// Keeps a snapshot of a prompt whose first token was sampled just now.
    pub(super) fn keep_prompt(&mut self, id: SequenceId) {
        let Some(disk) = &mut self.disk else { return };
        if let Some(sequence) = self.scheduler.get(id) {
            let memory = Memory { kv: self.runner.cache(), blocks: self.scheduler.blocks() };
            let owner = self.generations.get(&id).and_then(Generation::owner);
            disk.keep_prompt(sequence, owner, &memory);
        }
    }

    /// Keeps a snapshot where a step has ended at a mark of its prompt.
    pub(super) fn keep_mark(&mut self, id: SequenceId) {
        let Some(disk) = &mut self.disk else { return };
        let is_there = |sequence: &&Sequence| sequence.marks.contains(&sequence.computed);
        if let Some(sequence) = self.scheduler.get(id).filter(is_there) {
            let memory = Memory { kv: self.runner.cache(), blocks: self.scheduler.blocks() };
            let owner = self.generations.get(&id).and_then(Generation::owner);
            disk.keep_prompt(sequence, owner, &memory);
        }
    }

    /// Answers when everything that is to be kept so far is on the disk.
    pub(super) fn when_saved(&mut self, reply: Reply) {
        match &mut self.disk {
            Some(disk) => disk.when_saved(reply),
            None => reply(),
        }
    }

    /// Deletes what an owner alone has a share in, and answers.
    pub(super) fn forget(&mut self, owner: Arc<str>, reply: Reply) {
        match &mut self.disk {
            Some(disk) => disk.forget(owner, reply),
            None => reply(),
        }
    }

    /// Uses the disk no more; what waits to be written is not kept.
    pub(super) fn drop_disk(&mut self) {
        if let Some(mut disk) = self.disk.take() {
            disk.give_up(&mut self.scheduler);
            disk.close(Duration::ZERO);
        }
    }

    /// Keeps what running sequences have published.
    pub(super) fn keep_running(&mut self) {
        let running: Vec<SequenceId> = self.scheduler.sequences().iter().map(|s| s.id).collect();
        running.into_iter().for_each(|id| self.keep(id));
    }

    /// Gives the writer all that it has not got, and waits for the disk a while.
    pub(super) fn leave_disk(&mut self) {
        let ends = Instant::now() + LAST_WRITES;
        let left = || ends.saturating_duration_since(Instant::now());
        while self.disk.as_ref().is_some_and(PrefixDisk::is_saving) && !left().is_zero() {
            if self.save_some() {
                continue;
            }
            // The writer has more than enough to do; it tells of each file.
            match self.commands.recv_timeout(left()) {
                Ok(Command::Disk(event)) => {
                    if let Some(disk) = &mut self.disk {
                        disk.take(event);
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        if let Some(disk) = self.disk.take() {
            disk.close(left());
        }
    }
}
