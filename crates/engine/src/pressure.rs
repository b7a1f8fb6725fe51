//! Watches what the system has left, so that caches shrink before other programs have to.
//!
//! Looking costs some reads of small files: at most once a second while the engine works, every few seconds while it does
//! not and there is something to give back, and never when there is nothing.

use std::time::{Duration, Instant};

use crate::ledger::{HostMemory, Ledger};

/// Between two looks of an engine that works.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks of one that does not.
pub(crate) const IDLE_PAUSE: Duration = Duration::from_secs(5);

/// The engine thread's watch.
pub(crate) struct Pressure {
    ledger: Ledger,
    last: Option<Instant>,
}

impl Pressure {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, last: None }
    }

    /// Looks, unless that was done a moment ago. Bytes to give back, if any are missing.
    pub(crate) fn missing(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return None;
        }
        self.last = Some(Instant::now());
        missing(self.ledger.host_memory())
    }
}

/// What brings the system from below its reserve to twice as much, so that the next breath is not the next alarm.
fn missing(memory: HostMemory) -> Option<u64> {
    let HostMemory { available, reserve, .. } = memory;
    (available < reserve).then(|| (2 * reserve).saturating_sub(available))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_below_its_reserve_is_brought_to_twice_as_much() {
        let of = |available| missing(HostMemory { available, reserve: 100, ..HostMemory::default() });
        assert_eq!([of(1000), of(100), of(99), of(0)], [None, None, Some(101), Some(200)]);
    }
}
