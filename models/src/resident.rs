//! The packed weights of a loaded model, and what is done for them when there is time.

use std::sync::Arc;

use lantern_kernels::{Arena, ExpertCounts, ExpertStore, Pool, QMatrix};

/// Packed weights as a whole.
pub(crate) struct Resident {
    /// Where they are.
    arena: Arena,
    /// Those that are packed when they are first used, in the file's order.
    deferred: Vec<Arc<QMatrix>>,
    /// The experts, when there is room for some of them only.
    experts: Option<Arc<ExpertStore>>,
}

impl Resident {
    pub(crate) fn new(arena: Arena, deferred: Vec<Arc<QMatrix>>, experts: Option<Arc<ExpertStore>>) -> Self {
        Resident { arena, deferred, experts }
    }

    /// Packs an expert for which there is room or, when there is none, moves a piece to a large page. Whether there may be
    /// more to do.
    pub(crate) fn settle(&self, pool: &Pool) -> bool {
        self.deferred.iter().any(|matrix| matrix.pack_next(pool))
            || self.experts.as_ref().is_some_and(|experts| experts.fill_next(pool))
            || self.arena.settle()
    }

    /// What became of the experts, when there is room for some of them only.
    pub(crate) fn expert_counts(&self) -> Option<ExpertCounts> {
        self.experts.as_ref().map(|experts| experts.counts())
    }
}
