//! The prefix cache on disk: what published blocks held, so that a later process goes on where this one ended.
//!
//! # What is kept
//!
//! A *segment* is a run of blocks of a chain, of those layers that see everything: up to 64 blocks or 16 MiB, and what is
//! left at the end of a turn. Segments follow each other without a gap, and one that begins in the middle of another is a
//! branch, so no block is written twice. A *snapshot* is what all other layers keep for the token behind a prefix: the
//! blocks of its windows, and states. Snapshots are made where a later prompt will go on: at the end of a turn, and at the
//! end of a prompt. They are files of their own, so that those of former turns, which nobody reads any more, grow
//! old while the segments below them are used, and are the first to go.
//!
//! A file's name says which prefix it holds ([`point`]), so the folder's list is the whole index. A file carries its
//! tokens, which are compared on every read, the key of the model, and checksums ([`file`]). Whatever does not match is a
//! miss, and a file that is damaged is removed.
//!
//! # When
//!
//! Blocks are copied to be written between steps, a little at a time while anybody runs, as fast as the disk takes them
//! otherwise, and at once before a newcomer drives them out of memory. Nobody holds them meanwhile: what the disk is too slow
//! for is not saved. A sequence is looked
//! for when it was admitted and has its blocks. While it waits for the disk it has no part in steps; each piece that was
//! read is copied in between two steps, and then the blocks are published like computed ones.
//!
//! Sequences of the lowest class are not kept: nobody waits for them. What a conversation alone has a share in is deleted
//! with it ([`owners`]), and what is pinned is the last to go ([`pins`]).

mod file;
mod folder;
mod index;
mod loading;
mod name;
mod owners;
mod pins;
mod point;
mod saving;
#[cfg(test)]
mod tests;
mod threads;

use std::sync::mpsc::Sender;
use std::time::Duration;

use lantern_models::{KvCache, Reach};

use crate::block_manager::BlockManager;
use crate::memory::BLOCK_SIZE;
use crate::worker::Command;

pub use folder::DiskCacheOptions;
use folder::ModelFolder;
use index::Index;
use loading::Loads;
use point::{ModelKey, Point};
pub(crate) use saving::Memory;
use saving::Saves;
use threads::Threads;
pub(crate) use threads::{DiskEvent, Reply};

/// Raised when what a token leaves in the cache changes although its model's file has not.
const NUMBERS_VERSION: u32 = 1;
/// What an engine may hold of blocks that were read or wait to be written, beside the cache itself.
pub(crate) const TRANSFER_BYTES: u64 = saving::MOST_QUEUED as u64 + 2 * saving::SEGMENT_BYTES as u64;

/// The engine thread's side of it.
pub(crate) struct PrefixDisk {
    index: Index,
    threads: Threads,
    root: Point,
    /// Whether each group of layers is in segments; the others are in snapshots.
    in_segments: Vec<bool>,
    saves: Saves,
    loads: Loads,
}

impl PrefixDisk {
    /// Opens the folder for a model and its cache. Without threads there is no cache on disk.
    pub(crate) fn open(
        options: &DiskCacheOptions,
        fingerprint: &str,
        kv: &KvCache,
        blocks: &BlockManager,
        events: Sender<Command>,
    ) -> Option<Self> {
        let reaches: Vec<Reach> = blocks.reaches().collect();
        let (version, format) = (env!("CARGO_PKG_VERSION"), kv.byte_format());
        let words = format!("{version} {NUMBERS_VERSION}; {fingerprint}; {format}; {reaches:?}");
        let model = ModelKey::new(&words);
        let folder = ModelFolder::new(options.clone(), model);
        let in_segments: Vec<bool> = reaches.iter().map(|reach| *reach == Reach::All).collect();
        let needs = [true, false].map(|kind| in_segments.contains(&kind));
        let index = Index::new(folder.clone(), BLOCK_SIZE, needs[0], needs[1]);
        let threads = Threads::start(folder, events);
        if let Err(error) = &threads {
            tracing::warn!("prefixes are not kept on disk, for want of a thread: {error}");
        }
        let (saves, loads) = Default::default();
        Some(PrefixDisk {
            index,
            threads: threads.ok()?,
            root: Point::root(&model),
            in_segments,
            saves,
            loads,
        })
    }

    /// The groups of layers that are in segments, or those that are in snapshots.
    fn groups(&self, in_segments: bool) -> impl Iterator<Item = usize> {
        let groups = self.in_segments.iter().enumerate();
        groups.filter(move |(_, is_in)| **is_in == in_segments).map(|(group, _)| group)
    }

    /// Takes note of what a thread did. What was read waits for [`Self::import`].
    pub(crate) fn take(&mut self, event: DiskEvent) {
        match event {
            DiskEvent::Read { ticket, name, result } => self.loads.arrived(ticket, name, result),
            DiskEvent::Written { name, bytes, is_kept } => {
                self.saves.written(bytes);
                match is_kept {
                    // Whoever looked for it before it was written took it for missing.
                    true => self.index.insert(name, None),
                    false => self.index.remove(name),
                }
            }
            DiskEvent::Gone(names) => names.into_iter().for_each(|name| self.index.remove(name)),
        }
    }

    /// Whether something was read that nobody has taken yet.
    pub(crate) fn has_arrived(&self) -> bool {
        self.loads.has_arrived()
    }

    /// Ends the threads when what they were given is done, or the time is over.
    pub(crate) fn close(self, time: Duration) {
        let (reply, done) = std::sync::mpsc::channel();
        let flush = threads::WriteTask::Flush(vec![Box::new(move || reply.send(()).unwrap_or_default())]);
        let is_sent = self.threads.writes.send(flush).is_ok();
        // Late or not: what is not written by then is not kept.
        let answered = is_sent && done.recv_timeout(time).is_ok();
        self.threads.end(answered);
    }
}
