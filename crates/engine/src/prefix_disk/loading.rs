//! Brings what the disk has of admitted sequences into their blocks: one sequence at a time, one file between two steps.

use std::collections::VecDeque;
use std::sync::Arc;

use lantern_models::KvCache;

use super::PrefixDisk;
use super::file::Miss;
use super::index::Route;
use super::name::FileName;
use super::threads::{Prompt, ReadTask, Wanted};
use crate::memory::BLOCK_SIZE;
use crate::request::Priority;
use crate::scheduler::Scheduler;
use crate::sequence::{Sequence, SequenceId};

/// Files that are read ahead.
const AHEAD: usize = 2;

/// Sequences that wait for the disk.
#[derive(Default)]
pub(super) struct Loads {
    waiting: Vec<Load>,
    active: Option<Load>,
    arrived: VecDeque<Arrival>,
    last_ticket: u64,
    loaded_blocks: usize,
}

struct Load {
    id: SequenceId,
    rank: (Priority, SequenceId),
    prompt: Arc<Prompt>,
    owner: Option<Arc<str>>,
    route: Route,
    /// Blocks that are in memory, or were brought there.
    have: usize,
    /// Blocks that were in memory at first.
    had: usize,
    /// Names the requests of this load, so that answers to others are told apart.
    ticket: u64,
    /// How many of the route's files were asked for, and how many are in.
    asked: usize,
    done: usize,
}

struct Arrival {
    ticket: u64,
    name: FileName,
    result: Result<Vec<u8>, Miss>,
}

impl Loads {
    pub(super) fn arrived(&mut self, ticket: u64, name: FileName, result: Result<Vec<u8>, Miss>) {
        self.arrived.push_back(Arrival { ticket, name, result });
    }

    pub(super) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }
}

impl Load {
    fn files(&self) -> usize {
        self.route.reads.len() + usize::from(self.route.snapshot.is_some())
    }

    fn wanted(&self, file: usize) -> Option<Wanted> {
        match self.route.reads.get(file) {
            Some(read) => Some(Wanted::Segment(*read)),
            None => self.route.snapshot.map(|name| Wanted::Snapshot { name, blocks: self.route.to }),
        }
    }
}

impl PrefixDisk {
    /// Tokens that were brought into memory since the start.
    pub(crate) fn loaded_tokens(&self) -> u64 {
        (self.loads.loaded_blocks * BLOCK_SIZE) as u64
    }

    /// Looks for a sequence that was admitted just now. True: the disk has more of it than memory, and the sequence
    /// waits until [`Self::import`] says otherwise.
    pub(crate) fn look_up(&mut self, sequence: &Sequence, owner: Option<Arc<str>>) -> bool {
        // The last token's logits are computed in any case.
        let reusable = sequence.tokens.len().saturating_sub(1) / BLOCK_SIZE;
        let had = sequence.chain.len();
        if had >= reusable {
            return false;
        }
        let tokens = sequence.tokens[..reusable * BLOCK_SIZE].to_vec();
        let points = self.root.chain(&tokens, BLOCK_SIZE);
        let Some(route) = self.index.route(&points, had, had) else { return false };
        let prompt = Arc::new(Prompt { tokens, points, block_size: BLOCK_SIZE });
        let (id, rank, ticket) = (sequence.id, sequence.rank(), self.loads.next_ticket());
        // One that it waited for before it had to give its blocks back.
        self.loads.active.take_if(|load| load.id == id);
        self.loads.waiting.retain(|load| load.id != id);
        let (have, asked, done) = (had, 0, 0);
        self.loads.waiting.push(Load { id, rank, prompt, owner, route, have, had, ticket, asked, done });
        self.ask();
        true
    }

    /// Puts one file that was read into the blocks of the sequence that waits for it.
    pub(crate) fn import(&mut self, scheduler: &mut Scheduler, kv: &mut KvCache) {
        if self.threads.reader_is_gone() {
            return self.give_up(scheduler);
        }
        let is_over = |load: &mut Load| scheduler.loading(load.id).is_none();
        if self.loads.active.take_if(|load| is_over(load)).is_some() {
            self.ask();
        }
        let Some(Arrival { ticket, name, result }) = self.loads.arrived.pop_front() else { return };
        let Some(mut load) = self.loads.active.take_if(|load| load.ticket == ticket) else { return };
        let result = result.and_then(|bytes| self.place(&mut load, &bytes, scheduler, kv));
        match result {
            Ok(()) => load.done += 1,
            Err(miss) => {
                tracing::debug!(file = %name, "a prefix is looked for again: {miss}");
                self.index.remove(name);
                if !self.take_another_route(&mut load) {
                    self.end(&load, scheduler);
                    return self.ask();
                }
            }
        }
        if load.done < load.files() {
            self.loads.active = Some(load);
        } else {
            self.end(&load, scheduler);
        }
        self.ask();
    }

    /// Copies what was read; what it is was checked when it was read.
    fn place(
        &mut self,
        load: &mut Load,
        bytes: &[u8],
        scheduler: &mut Scheduler,
        kv: &mut KvCache,
    ) -> Result<(), Miss> {
        let targets: Vec<(usize, usize)> = match load.route.reads.get(load.done) {
            Some(read) => {
                let groups: Vec<usize> = self.groups(true).collect();
                let blocks = read.start..read.start + read.blocks;
                blocks.flat_map(|index| groups.iter().map(move |group| (*group, index))).collect()
            }
            None => {
                let seen = |group| scheduler.blocks().seen_behind(group, load.route.to);
                self.groups(false).flat_map(|group| seen(group).map(move |index| (group, index))).collect()
            }
        };
        let len: usize = targets.iter().map(|(group, _)| kv.block_bytes(*group)).sum();
        if len != bytes.len() {
            return Err(Miss::Other);
        }
        match load.route.reads.get(load.done) {
            Some(read) => load.have = read.start + read.blocks,
            // For want of blocks the sequence goes on with what it had.
            None if !scheduler.jump(load.id, load.route.to) => {
                load.route.to = load.had;
                return Ok(());
            }
            None => {}
        }
        let mut rest = bytes;
        for (group, index) in targets {
            let (piece, behind) = rest.split_at(kv.block_bytes(group));
            rest = behind;
            // What was in memory before is shared and stays as it is.
            if index < load.had {
                continue;
            }
            let table = scheduler.loading(load.id).and_then(|sequence| sequence.tables.get(group));
            let block = table.and_then(|table| table.blocks().get(index).copied());
            if block.is_none_or(|block| kv.import_block(group, block, piece).is_err()) {
                // Some of what the sequence had may be gone by now.
                scheduler.start_again(load.id);
                return Err(Miss::Other);
            }
        }
        Ok(())
    }

    /// After a miss: what else leads beyond what is there by now.
    fn take_another_route(&mut self, load: &mut Load) -> bool {
        let Some(route) = self.index.route(&load.prompt.points, load.have, load.had) else {
            load.route.to = load.had;
            return false;
        };
        load.route = route;
        load.ticket = self.loads.next_ticket();
        (load.asked, load.done) = (0, 0);
        true
    }

    /// The sequence goes on, with as much as there is.
    fn end(&mut self, load: &Load, scheduler: &mut Scheduler) {
        if scheduler.loading(load.id).is_some() {
            scheduler.loaded(load.id, load.route.to);
            self.loads.loaded_blocks += load.route.to - load.had;
        }
        self.touch(&load.prompt.points[..=load.route.to], load.owner.clone());
    }

    /// Asks for the next files of the sequence whose turn it is.
    fn ask(&mut self) {
        let loads = &mut self.loads;
        if loads.active.is_none() {
            let next = (0..loads.waiting.len()).min_by_key(|&index| loads.waiting[index].rank);
            loads.active = next.map(|index| loads.waiting.swap_remove(index));
        }
        let Some(load) = &mut loads.active else { return };
        while load.asked < load.files().min(load.done + AHEAD) {
            let Some(what) = load.wanted(load.asked) else { return };
            let task = ReadTask { ticket: load.ticket, what, prompt: load.prompt.clone() };
            // Without a reader `import` gives up.
            let _ = self.threads.reads.send(task);
            load.asked += 1;
        }
    }

    /// Nobody reads any more: all go on with what they have.
    pub(crate) fn give_up(&mut self, scheduler: &mut Scheduler) {
        self.loads.arrived.clear();
        let loads = self.loads.active.take().into_iter().chain(self.loads.waiting.drain(..));
        loads.for_each(|load| scheduler.loaded(load.id, load.had));
    }
}
