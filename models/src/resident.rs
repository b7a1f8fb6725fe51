//! The packed weights of a loaded model, and what is done for them when there is time.

use std::sync::Arc;

use lantern_kernels::{Arena, Pool, QMatrix};

/// Packed weights as a whole.
pub(crate) struct Resident {
    /// Where they are.
    arena: Arena,
    /// Those that are packed when they are first used, in the file's order.
    deferred: Vec<Arc<QMatrix>>,
}

impl Resident {
    pub(crate) fn new(arena: Arena, deferred: Vec<Arc<QMatrix>>) -> Self {
        Resident { arena, deferred }
    }

    /// Packs an expert or, when all are, moves a piece to a large page. Whether there may be more to do.
    pub(crate) fn settle(&self, pool: &Pool) -> bool {
        self.deferred.iter().any(|matrix| matrix.pack_next(pool)) || self.arena.settle()
    }
}
