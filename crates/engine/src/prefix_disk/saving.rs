//! Copies blocks out of the cache for the thread that writes them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use lantern_models::KvCache;

use super::PrefixDisk;
use super::name::FileName;
use super::point::Point;
use super::threads::{NewFile, Reply, WriteTask};
use crate::block_manager::{BlockHash, BlockManager};
use crate::memory::BLOCK_SIZE;
use crate::request::Priority;
use crate::sequence::Sequence;

/// A segment ends once it has so many bytes or blocks.
pub(super) const SEGMENT_BYTES: usize = 16 << 20;
const SEGMENT_BLOCKS: usize = 64;
/// Bytes that may wait to be written. A single file may be larger.
pub(super) const MOST_QUEUED: usize = 48 << 20;
/// Sequences that may wait to be copied.
const MOST_JOBS: usize = 64;
/// Fewer new blocks than this are left to the next turn: they are computed faster than files are opened.
const LEAST_BLOCKS: usize = 4;

/// What is to be kept of sequences, the oldest first.
#[derive(Default)]
pub(super) struct Saves {
    jobs: VecDeque<Job>,
    /// Bytes that the writer was given and has not done.
    queued: usize,
    /// Who wants to know when nothing is left to do.
    waiting: Vec<Reply>,
    /// Whose tokens are not to be kept any more.
    forgotten: HashSet<Arc<str>>,
}

/// The published blocks of one sequence.
struct Job {
    tokens: Vec<u32>,
    chain: Vec<BlockHash>,
    points: Vec<Point>,
    owner: Option<Arc<str>>,
    stage: Stage,
}

enum Stage {
    /// Nobody has looked yet what is on the disk already.
    New,
    Segments(Draft),
}

/// A segment that grows.
struct Draft {
    first: usize,
    payload: Vec<u8>,
    /// Bytes of each block.
    lens: Vec<usize>,
}

/// Where blocks come from.
pub(crate) struct Memory<'a> {
    pub(crate) kv: &'a KvCache,
    pub(crate) blocks: &'a BlockManager,
}

impl Saves {
    /// A file was written or given up.
    pub(super) fn written(&mut self, bytes: usize) {
        self.queued = self.queued.saturating_sub(bytes);
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.queued == 0 || self.queued + bytes <= MOST_QUEUED
    }
}

impl Draft {
    fn at(first: usize) -> Self {
        Draft { first, payload: Vec::new(), lens: Vec::new() }
    }

    fn end(&self) -> usize {
        self.first + self.lens.len()
    }

    fn is_full(&self) -> bool {
        self.lens.len() >= SEGMENT_BLOCKS || self.payload.len() >= SEGMENT_BYTES
    }
}

impl PrefixDisk {
    /// Keeps what is published of a sequence, some time later.
    pub(crate) fn keep(&mut self, sequence: &Sequence, owner: Option<Arc<str>>) {
        if let Some(job) = self.job(sequence, owner) {
            if self.saves.jobs.len() >= MOST_JOBS {
                // The disk is too slow, and memory has long found another use for these blocks.
                self.saves.jobs.pop_front();
            }
            self.saves.jobs.push_back(job);
        }
    }

    /// Deletes what `owner` alone has a share in, and keeps no more of it. Answers when that is done.
    pub(crate) fn forget(&mut self, owner: Arc<str>, reply: Reply) {
        self.saves.jobs.retain(|job| job.owner.as_ref() != Some(&owner));
        self.saves.forgotten.insert(owner.clone());
        // Without a writer the reply is dropped, which is an answer too.
        let _ = self.threads.writes.send(WriteTask::Forget { owner, reply });
    }

    /// Keeps a snapshot of a prompt that was read just now, if that is worth a file: its state is among the first that
    /// memory gives up.
    pub(crate) fn keep_prompt(&mut self, sequence: &Sequence, owner: Option<Arc<str>>, memory: &Memory<'_>) {
        if !self.in_segments.contains(&false) {
            return;
        }
        let Some(job) = self.job(sequence, owner) else { return };
        let blocks = job.chain.len();
        let mut before = job.points.iter().rev().take(LEAST_BLOCKS);
        let is_far = !before.any(|point| self.index.has_snapshot(*point));
        if is_far && self.saves.has_room(self.snapshot_bytes(blocks, memory)) {
            self.save_snapshot(&job, memory);
        }
    }

    /// Copies blocks of about so many bytes. Whether there may be more to do at once.
    pub(crate) fn save_some(&mut self, memory: &Memory<'_>, budget: usize) -> bool {
        let Some(mut job) = self.saves.jobs.pop_front() else {
            self.answer_waiting();
            return false;
        };
        let needed = match job.stage {
            Stage::New => self.snapshot_bytes(job.chain.len(), memory).max(SEGMENT_BYTES),
            Stage::Segments(_) => SEGMENT_BYTES,
        };
        // Without a writer all of it comes to its end, and nothing is kept.
        if !self.saves.has_room(needed) && !self.threads.writer_is_gone() {
            self.saves.jobs.push_front(job);
            return false;
        }
        let goes_on = match job.stage {
            Stage::New => self.begin(&mut job, memory),
            Stage::Segments(ref mut draft) => {
                let draft = std::mem::replace(draft, Draft::at(0));
                self.save_blocks(&mut job, draft, memory, budget)
            }
        };
        if goes_on {
            self.saves.jobs.push_front(job);
        } else {
            self.touch(&job.points, job.owner);
        }
        true
    }

    /// Answers once everything that is to be kept so far is on the disk, or given up.
    pub(crate) fn when_saved(&mut self, reply: Reply) {
        self.saves.waiting.push(reply);
    }

    /// Whether blocks wait to be copied.
    pub(crate) fn is_saving(&self) -> bool {
        !self.saves.jobs.is_empty()
    }

    /// `None` when nothing of it is worth a file, or may be kept.
    fn job(&self, sequence: &Sequence, owner: Option<Arc<str>>) -> Option<Job> {
        let is_forgotten = owner.as_ref().is_some_and(|owner| self.saves.forgotten.contains(owner));
        if sequence.priority == Priority::Background || sequence.chain.len() < LEAST_BLOCKS || is_forgotten {
            return None;
        }
        let tokens = sequence.tokens[..sequence.chain.len() * BLOCK_SIZE].to_vec();
        let points = self.root.chain(&tokens, BLOCK_SIZE);
        Some(Job { tokens, chain: sequence.chain.clone(), points, owner, stage: Stage::New })
    }

    /// Decides what of a job is new. False: nothing that is worth it, or that can be had.
    fn begin(&mut self, job: &mut Job, memory: &Memory<'_>) -> bool {
        let blocks = job.chain.len();
        if blocks < self.index.reach(&job.points) + LEAST_BLOCKS {
            return false;
        }
        self.touch(&job.points, job.owner.clone());
        let needs_snapshot = self.in_segments.contains(&false);
        if needs_snapshot && !self.index.has_snapshot(job.points[blocks]) && !self.save_snapshot(job, memory)
        {
            return false;
        }
        if !self.in_segments.contains(&true) {
            return false;
        }
        job.stage = Stage::Segments(Draft::at(self.index.saved(&job.points)));
        true
    }

    /// Goes on with a job's segments. False: that was the last of them.
    fn save_blocks(&mut self, job: &mut Job, mut draft: Draft, memory: &Memory<'_>, budget: usize) -> bool {
        let before = draft.payload.len();
        while draft.end() < job.chain.len() && !draft.is_full() {
            if draft.payload.len() - before >= budget {
                job.stage = Stage::Segments(draft);
                return true;
            }
            if !self.copy_block(job, &mut draft, memory) {
                // What follows a block that is gone is of no use.
                self.save_segment(job, draft);
                return false;
            }
        }
        let end = draft.end();
        self.save_segment(job, draft);
        job.stage = Stage::Segments(Draft::at(end));
        end < job.chain.len()
    }

    fn copy_block(&self, job: &Job, draft: &mut Draft, memory: &Memory<'_>) -> bool {
        let start = draft.payload.len();
        if start == 0 {
            let bytes: usize = self.groups(true).map(|group| memory.kv.block_bytes(group)).sum();
            let left = job.chain.len() - draft.end();
            draft.payload.reserve(left.min(SEGMENT_BLOCKS).saturating_mul(bytes).min(SEGMENT_BYTES + bytes));
        }
        for group in self.groups(true) {
            if copy(memory, job, group, draft.end(), &mut draft.payload).is_none() {
                draft.payload.truncate(start);
                return false;
            }
        }
        draft.lens.push(draft.payload.len() - start);
        true
    }

    fn save_segment(&mut self, job: &Job, draft: Draft) {
        let (start, end) = (draft.first, draft.end());
        let Ok(blocks) = u32::try_from(end - start) else { return };
        if blocks == 0 {
            return;
        }
        let inner = job.points[start + 1..=end].to_vec();
        let name = FileName::Segment { first: job.points[start + 1], last: job.points[end], blocks };
        let Draft { payload, lens, .. } = draft;
        let tokens = job.tokens[start * BLOCK_SIZE..end * BLOCK_SIZE].to_vec();
        let (parent, owner) = (job.points[start], job.owner.clone());
        self.write(NewFile { name, parent, tokens, payload, lens, owner }, Some(inner));
    }

    /// Whether all of it was there.
    fn save_snapshot(&mut self, job: &Job, memory: &Memory<'_>) -> bool {
        let blocks = job.chain.len();
        let mut payload = Vec::with_capacity(self.snapshot_bytes(blocks, memory));
        let mut lens = Vec::new();
        for group in self.groups(false) {
            for index in memory.blocks.seen_behind(group, blocks) {
                let start = payload.len();
                if copy(memory, job, group, index, &mut payload).is_none() {
                    return false;
                }
                lens.push(payload.len() - start);
            }
        }
        let (name, parent) = (FileName::Snapshot { at: job.points[blocks] }, self.root);
        let (tokens, owner) = (job.tokens.clone(), job.owner.clone());
        self.write(NewFile { name, parent, tokens, payload, lens, owner }, None);
        true
    }

    /// Bytes of what snapshots hold behind so many blocks.
    fn snapshot_bytes(&self, blocks: usize, memory: &Memory<'_>) -> usize {
        let bytes = |group| memory.blocks.seen_behind(group, blocks).len() * memory.kv.block_bytes(group);
        self.groups(false).map(bytes).sum()
    }

    /// From here on it is taken for being on the disk; who looks for it too early finds nothing and asks again.
    fn write(&mut self, file: NewFile, inner: Option<Vec<Point>>) {
        let (name, bytes) = (file.name, file.payload.len());
        if self.threads.writes.send(WriteTask::Write(file)).is_ok() {
            self.saves.queued += bytes;
            self.index.insert(name, inner);
        }
    }

    /// What a prompt goes through is used now, with or without the disk.
    pub(super) fn touch(&mut self, points: &[Point], owner: Option<Arc<str>>) {
        let path = self.index.path(points);
        if !path.is_empty() {
            let owner = owner.filter(|owner| !self.saves.forgotten.contains(owner));
            // Without a writer nothing is kept either.
            let _ = self.threads.writes.send(WriteTask::Touch { names: path, owner });
        }
    }

    fn answer_waiting(&mut self) {
        if !self.saves.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.saves.waiting);
            // Without a writer the replies are dropped, which is an answer too.
            let _ = self.threads.writes.send(WriteTask::Flush(waiting));
        }
    }
}

/// Appends a published block; `None` when memory has it no longer.
fn copy(memory: &Memory<'_>, job: &Job, group: usize, index: usize, to: &mut Vec<u8>) -> Option<()> {
    let block = memory.blocks.published(group, &job.tokens, &job.chain, index)?;
    let start = to.len();
    memory.kv.export_block(group, block, to).inspect_err(|_| to.truncate(start)).ok()
}
