//! Sequences that run but wait for the disk: they hold their blocks and have no part in steps until what the disk has of
//! their prefix is in them.

use super::Scheduler;
use crate::sequence::{DiskLookup, Sequence, SequenceId};

impl Scheduler {
    /// The sequences that run and were not looked for on the disk yet.
    pub(crate) fn not_looked_up(&self) -> impl Iterator<Item = &Sequence> {
        self.running.iter().filter(|sequence| sequence.disk == DiskLookup::Unknown)
    }

    /// Notes what a search of the disk gave.
    pub(crate) fn looked_up(&mut self, id: SequenceId, is_loading: bool) {
        if let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) {
            sequence.disk = if is_loading { DiskLookup::Loading } else { DiskLookup::Done };
        }
    }

    /// A sequence that waits for the disk; `None` when it is gone or had to give its blocks back.
    pub(crate) fn loading(&self, id: SequenceId) -> Option<&Sequence> {
        self.get(id).filter(|sequence| sequence.disk == DiskLookup::Loading)
    }

    /// Whether nothing can be computed before the disk has given something.
    pub(crate) fn only_loads(&self) -> bool {
        !self.running.is_empty() && self.running.iter().all(|sequence| sequence.disk == DiskLookup::Loading)
    }

    /// Gives a sequence the blocks that the token behind its first `blocks` sees, see
    /// [`BlockManager::jump`](crate::block_manager::BlockManager::jump).
    pub(crate) fn jump(&mut self, id: SequenceId, blocks: usize) -> bool {
        let sequence = self.running.iter_mut().find(|sequence| sequence.id == id);
        sequence.is_some_and(|sequence| self.blocks.jump(&mut sequence.tables, blocks))
    }

    /// The first `blocks` of a sequence's blocks are there now, as far as its layers look back.
    pub(crate) fn loaded(&mut self, id: SequenceId, blocks: usize) {
        let size = self.blocks.block_size();
        let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) else { return };
        sequence.disk = DiskLookup::Done;
        let more = (blocks * size).saturating_sub(sequence.computed);
        if more > 0 {
            sequence.cached = sequence.cached.max(Some(blocks * size));
            self.advance(id, more);
        }
    }

    /// Sends a sequence back to the queue, to be computed from the beginning.
    pub(crate) fn start_again(&mut self, id: SequenceId) {
        if let Some(index) = self.running.iter().position(|sequence| sequence.id == id) {
            self.running[index].disk = DiskLookup::Done;
            self.preempt(index);
        }
    }
}
