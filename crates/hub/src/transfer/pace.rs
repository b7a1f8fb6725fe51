//! How many connections: few at first, more for as long as that brings more, up to a limit.

use std::time::{Duration, Instant};

/// At the start, if the file is large enough.
const FIRST: usize = 4;
/// Fewer bytes than this for each connection are not worth one.
const LEAST_FOR_ONE: u64 = 4 << 20;
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// A connection more must have brought this factor.
const GROWTH: f64 = 1.15;
/// Looks after which one more is tried although the last ones brought nothing.
const PATIENCE: u32 = 30;

#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    /// Bytes a second before the last connections were added.
    before: f64,
    last: (Instant, u64),
    idle_looks: u32,
}

impl Pace {
    /// For a file of which this many bytes are missing.
    pub(super) fn new(most: usize, missing: u64, now: Instant) -> Self {
        let worth = usize::try_from(missing / LEAST_FOR_ONE).unwrap_or(usize::MAX);
        Self { most: most.min(worth).max(1), before: 0.0, last: (now, 0), idle_looks: 0 }
    }

    pub(super) fn first(&self) -> usize {
        FIRST.min(self.most)
    }

    /// A server wants fewer connections than there were.
    pub(super) fn not_more_than(&mut self, connections: usize) {
        self.most = connections.max(1);
    }

    /// How many connections to add to those that there are, given all bytes received so far.
    pub(super) fn look(&mut self, connections: usize, received: u64, now: Instant) -> usize {
        let (then, had) = std::mem::replace(&mut self.last, (now, received));
        let seconds = now.duration_since(then).as_secs_f64();
        if connections >= self.most || seconds <= 0.0 {
            return 0;
        }
        let rate = received.saturating_sub(had) as f64 / seconds;
        self.idle_looks += 1;
        let grows = rate > self.before * GROWTH;
        if !grows && self.idle_looks < PATIENCE {
            return 0;
        }
        let more = if grows { connections } else { 1 };
        (self.before, self.idle_looks) = (rate, 0);
        more.min(self.most - connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections after ten seconds of a link that gives each connection `each`, and all of them `all`, bytes a second.
    fn settled(most: usize, missing: u64, each: u64, all: u64) -> usize {
        let mut now = Instant::now();
        let mut pace = Pace::new(most, missing, now);
        let (mut connections, mut received) = (pace.first(), 0);
        for _ in 0..50 {
            now += LOOK;
            received += (connections as u64 * each).min(all) / 5;
            connections += pace.look(connections, received, now);
        }
        connections
    }

    #[test]
    fn connections_are_added_while_they_bring_more() {
        let (gigabyte, megabyte) = (1_000_000_000, 1_000_000);
        assert_eq!(settled(8, gigabyte, 10 * megabyte, gigabyte), 8);
        assert_eq!(settled(32, gigabyte, 10 * megabyte, gigabyte), 32);
        assert!(
            settled(32, gigabyte, 10 * megabyte, 40 * megabyte) <= 11,
            "what brings nothing is not piled up"
        );
        assert_eq!(settled(8, 600_000, 10 * megabyte, gigabyte), 1, "small files take one");
    }
}
