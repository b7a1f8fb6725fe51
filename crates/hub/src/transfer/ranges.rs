//! A set of bytes of a file, as ranges that neither touch nor overlap, in order.

use serde::{Deserialize, Serialize};

/// From the first byte to the one behind the last.
pub(crate) type Range = std::ops::Range<u64>;

/// Which bytes are there. Serialised as pairs of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(crate) struct Ranges(Vec<Range>);

impl From<Vec<(u64, u64)>> for Ranges {
    /// Whatever stands there becomes a set.
    fn from(pairs: Vec<(u64, u64)>) -> Self {
        let mut set = Self::default();
        for (from, to) in pairs {
            set.insert(from..to);
        }
        set
    }
}

impl From<Ranges> for Vec<(u64, u64)> {
    fn from(set: Ranges) -> Self {
        set.0.into_iter().map(|range| (range.start, range.end)).collect()
    }
}

impl Ranges {
    /// Adds bytes; it does not matter whether some were there.
    pub(crate) fn insert(&mut self, range: Range) {
        if range.start >= range.end {
            return;
        }
        let first = self.0.partition_point(|own| own.end < range.start);
        let behind = self.0.partition_point(|own| own.start <= range.end);
        let joined = self.0[first..behind]
            .iter()
            .fold(range, |all, own| all.start.min(own.start)..all.end.max(own.end));
        self.0.splice(first..behind, [joined]);
    }

    /// The set without what lies at or behind `end`.
    pub(crate) fn below(&self, end: u64) -> Self {
        let cut = self.0.iter().map(|range| range.start.min(end)..range.end.min(end));
        Self(cut.filter(|range| range.start < range.end).collect())
    }

    /// Number of bytes.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// How far the bytes go from the beginning without a hole.
    pub(crate) fn front(&self) -> u64 {
        self.0.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    /// What of `range` is missing.
    pub(crate) fn gaps(&self, range: Range) -> Vec<Range> {
        let (mut gaps, mut at) = (Vec::new(), range.start);
        for own in self.0.iter().filter(|own| own.end > range.start && own.start < range.end) {
            if own.start > at {
                gaps.push(at..own.start);
            }
            at = at.max(own.end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // Lists of gaps, of which some have one.
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let mut set = Ranges::default();
        for range in [10..20, 30..40, 0..5, 20..25, 5..5] {
            set.insert(range);
        }
        assert_eq!(set.0, [0..5, 10..25, 30..40]);
        set.insert(4..31);
        assert_eq!((set.0.as_slice(), set.front(), set.total()), ([0..40].as_slice(), 40, 40));
        assert_eq!(set.below(7).0, [0..7]);
    }

    #[test]
    fn gaps_are_what_is_missing() {
        let set = Ranges::from(vec![(5, 10), (20, 30)]);
        assert_eq!(set.gaps(0..40), [0..5, 10..20, 30..40]);
        assert_eq!(set.gaps(7..25), [10..20]);
        assert_eq!(set.gaps(5..10), []);
        assert_eq!(set.front(), 0);
    }

    #[test]
    fn any_order_gives_the_set_that_a_table_of_bytes_gives() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let (mut set, mut table) = (Ranges::default(), [false; 200]);
        for _ in 0..60 {
            let from = random(190);
            let to = from + random(10);
            set.insert(from..to);
            table[from as usize..to as usize].fill(true);
            let missing: u64 = set.gaps(0..200).iter().map(|gap| gap.end - gap.start).sum();
            assert_eq!(set.total(), table.iter().filter(|there| **there).count() as u64);
            assert_eq!(missing + set.total(), 200);
            assert!(set.0.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
