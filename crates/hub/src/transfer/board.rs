//! Who fetches which bytes: what nobody fetches yet, what each connection has taken, and how it gets on.
//!
//! A connection takes a piece, and gives back what it did not receive. Once nothing is left to take, an idle connection takes
//! from the one that would need the longest: half of what it still has, or all if it hardly moves. So the last bytes do not
//! wait for the slowest connection, and one that is stuck holds up nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ranges::{Range, Ranges};

/// Pieces are about what a connection brings in this time, so that the request for the next costs little beside it.
const PIECE_TIME: f64 = 2.0;
const SMALLEST_PIECE: u64 = 2 << 20;
const LARGEST_PIECE: u64 = 64 << 20;
/// What is too little to be shared.
const LEAST_TO_SHARE: u64 = 256 << 10;
/// A connection gets this long before it is called slow.
const GRACE: Duration = Duration::from_secs(3);
/// A connection is stuck when it is slower than the others by this factor.
const STUCK: f64 = 8.0;

/// A connection's name for its piece.
pub(super) type ClaimId = u64;

#[derive(Debug)]
struct Claim {
    id: ClaimId,
    /// The next byte that is to come.
    at: u64,
    end: u64,
    from: u64,
    since: Instant,
}

impl Claim {
    /// Bytes a second since it was taken.
    fn rate(&self, now: Instant) -> f64 {
        (self.at - self.from) as f64 / now.duration_since(self.since).as_secs_f64().max(1e-3)
    }
}

#[derive(Debug)]
struct State {
    free: Vec<Range>,
    claims: Vec<Claim>,
    next: ClaimId,
    received: u64,
}

/// Shared by all connections of a file.
#[derive(Debug)]
pub(super) struct Board(Mutex<State>);

/// What became of bytes that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Where they belong.
    pub(super) at: u64,
    /// How many of them are wanted.
    pub(super) count: usize,
    /// Whether the piece is whole now.
    pub(super) done: bool,
}

impl Board {
    pub(super) fn new(have: &Ranges, total: u64) -> Self {
        Self(Mutex::new(State { free: have.gaps(0..total), claims: Vec::new(), next: 0, received: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece for a connection, the foremost that is free; `rate` is what the connection brought so far in bytes a second.
    pub(super) fn take(
        &self,
        connections: usize,
        rate: Option<f64>,
        now: Instant,
    ) -> Option<(ClaimId, Range)> {
        let mut state = self.lock();
        let wanted = state.piece(connections, rate);
        let range = match state.free.first_mut() {
            Some(first) => {
                let rest = first.end - first.start;
                // No crumbs.
                let count = if rest < wanted + SMALLEST_PIECE / 2 { rest } else { wanted };
                let range = first.start..first.start + count;
                first.start += count;
                state.free.retain(|range| range.start < range.end);
                range
            }
            None => state.share(now)?,
        };
        let id = state.next;
        state.next += 1;
        state.claims.push(Claim { id, at: range.start, end: range.end, from: range.start, since: now });
        Some((id, range))
    }

    /// Notes that `count` bytes arrived for a piece.
    pub(super) fn advance(&self, id: ClaimId, count: usize) -> Taken {
        let mut state = self.lock();
        let Some(claim) = state.claims.iter_mut().find(|claim| claim.id == id) else {
            return Taken { at: 0, count: 0, done: true };
        };
        let at = claim.at;
        let count = count.min(usize::try_from(claim.end - at).unwrap_or(usize::MAX));
        claim.at += count as u64;
        let done = claim.at >= claim.end;
        state.received += count as u64;
        if done {
            state.claims.retain(|claim| claim.id != id);
        }
        Taken { at, count, done }
    }

    /// Whether all of a piece has come, or others have taken it.
    pub(super) fn is_done(&self, id: ClaimId) -> bool {
        !self.lock().claims.iter().any(|claim| claim.id == id && claim.at < claim.end)
    }

    /// Gives back what has not come of a piece.
    pub(super) fn give_back(&self, id: ClaimId) {
        let mut state = self.lock();
        let Some(at) = state.claims.iter().position(|claim| claim.id == id) else { return };
        let claim = state.claims.swap_remove(at);
        if claim.at < claim.end {
            let place = state.free.partition_point(|range| range.start < claim.at);
            state.free.insert(place, claim.at..claim.end);
        }
    }

    /// Bytes that arrived since the board was made.
    pub(super) fn received(&self) -> u64 {
        self.lock().received
    }

    /// Bytes that nobody has received.
    pub(super) fn missing(&self) -> u64 {
        let state = self.lock();
        let length = |from: u64, to: u64| to - from;
        state.free.iter().map(|range| length(range.start, range.end)).sum::<u64>()
            + state.claims.iter().map(|claim| length(claim.at, claim.end)).sum::<u64>()
    }
}

impl State {
    fn piece(&self, connections: usize, rate: Option<f64>) -> u64 {
        let free: u64 = self.free.iter().map(|range| range.end - range.start).sum();
        let share = free / connections.max(1) as u64;
        // Saturates, as wanted.
        let by_rate = rate.map_or(SMALLEST_PIECE * 4, |rate| (rate * PIECE_TIME) as u64);
        by_rate.min(share).clamp(SMALLEST_PIECE, LARGEST_PIECE)
    }

    /// Takes from the claim that would need the longest.
    fn share(&mut self, now: Instant) -> Option<Range> {
        let rates: Vec<f64> = self.claims.iter().map(|claim| claim.rate(now)).collect();
        let best = rates.iter().copied().fold(0.0, f64::max);
        let time = |claim: &Claim| (claim.end - claim.at) as f64 / claim.rate(now).max(1.0);
        let stuck = |claim: &Claim| {
            // Alone there is nothing to compare with, but ten seconds for a byte are too many.
            let slow = claim.rate(now) * STUCK < best || claim.rate(now) < 10_000.0;
            slow && now.duration_since(claim.since) > GRACE
        };
        let slowest = self
            .claims
            .iter_mut()
            .filter(|claim| claim.end - claim.at > LEAST_TO_SHARE || (claim.at < claim.end && stuck(claim)))
            .max_by(|a, b| time(a).total_cmp(&time(b)))?;
        let (at, end) = (slowest.at, slowest.end);
        let middle = if stuck(slowest) { at } else { at + (end - at) / 2 };
        slowest.end = middle;
        Some(middle..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn every_byte_is_given_out_once() {
        let have = Ranges::from(vec![(3 * MB, 5 * MB), (40 * MB, 41 * MB)]);
        let (board, now) = (Board::new(&have, 64 * MB), Instant::now());
        let mut got = have.clone();
        while let Some((id, range)) = board.take(1, None, now) {
            assert!(got.gaps(range.clone()) == [range.clone()], "{range:?} was given out before");
            got.insert(range.clone());
            let count = usize::try_from(range.end - range.start).unwrap();
            assert_eq!(board.advance(id, count + 100), Taken { at: range.start, count, done: true });
        }
        assert_eq!((got.front(), board.missing(), board.received()), (64 * MB, 0, 61 * MB));
    }

    #[test]
    fn what_a_broken_connection_did_not_bring_is_given_out_again() {
        let (board, now) = (Board::new(&Ranges::default(), 3 * MB), Instant::now());
        let (id, range) = board.take(4, None, now).unwrap();
        assert_eq!(range, 0..2 * MB);
        board.advance(id, 100);
        board.give_back(id);
        assert_eq!(board.take(4, None, now).unwrap().1, 100..2 * MB);
    }

    #[test]
    fn an_idle_connection_takes_half_of_the_longest_rest_or_all_of_one_that_is_stuck() {
        let (board, now) = (Board::new(&Ranges::default(), 4 * MB), Instant::now());
        let (slow, _) = board.take(2, None, now).unwrap();
        let (fast, _) = board.take(2, None, now).unwrap();
        board.advance(fast, 1 << 20);
        board.advance(slow, 10);
        assert_eq!(board.take(2, None, later(1)).unwrap().1, 10 + (2 * MB - 10) / 2..2 * MB);
        // The new one has nothing yet, but is younger than the grace.
        let (_, range) = board.take(2, None, later(5)).unwrap();
        assert!(range.start == 10 || range.start >= MB, "{range:?}");
        assert!(!board.is_done(fast));
    }
}
