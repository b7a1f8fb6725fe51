//! Byte-pair encoding by merge rank: of all neighbouring pairs the one that was learnt first is joined first.
//!
//! Works on ids, with a heap, so a word of n bytes costs n·log n however long it is. It knows no
//! pre-tokenizer: the caller passes one word at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::vocab::{Index, Pieces, mix};

/// How a merge is learnt from the file: two tokens become a third.
#[derive(Debug, Clone, Copy)]
struct Merge {
    pair: u64,
    rank: u32,
    merged: u32,
}

impl Merge {
    /// Reads consecutive lines of the list, the first of which has rank `rank`.
    fn read_all(
        lines: &[String],
        rank: usize,
        pieces: &Pieces,
        index: &Index,
        decode: fn(&str, &mut Vec<u8>) -> bool,
    ) -> Vec<Self> {
        let mut merges = Vec::with_capacity(lines.len());
        let mut bytes = Vec::new();
        let mut last = 0;
        for (rank, line) in (rank as u32..).zip(lines) {
            // The left half may itself begin with a space, never be empty.
            let Some(space) = line.bytes().skip(1).position(|byte| byte == b' ').map(|at| at + 1) else {
                continue;
            };
            bytes.clear();
            decode(&line[..space], &mut bytes);
            let split = bytes.len();
            decode(&line[space + 1..], &mut bytes);
            // Vocabularies number their tokens in the order of the merges, so the next one is a good guess.
            let guess = Some(last + 1).filter(|&id| pieces.get(id as usize) == bytes);
            let merged = guess.or_else(|| index.find(pieces, &bytes));
            let (left, right) = (index.find(pieces, &bytes[..split]), index.find(pieces, &bytes[split..]));
            if let (Some(left), Some(right), Some(merged)) = (left, right, merged) {
                last = merged;
                merges.push(Self { pair: key(left, right), rank, merged });
            }
        }
        merges
    }
}

const FREE: u32 = u32::MAX;

/// Merge ranks by pair of ids, in one flat table.
#[derive(Debug)]
pub struct Merges {
    slots: Vec<Merge>,
    mask: usize,
}

impl Merges {
    /// Reads the file's list (`"left right"`, best first). `decode` turns a half into the bytes that `index` knows.
    /// Lines that name tokens the vocabulary lacks can never apply and are left out.
    pub fn new(
        lines: &[String],
        pieces: &Pieces,
        index: &Index,
        decode: fn(&str, &mut Vec<u8>) -> bool,
    ) -> Self {
        let size = (lines.len().max(4) * 2).next_power_of_two();
        let mut merges = Self { slots: vec![Merge { pair: 0, rank: FREE, merged: 0 }; size], mask: size - 1 };
        // Half a million lines are half a second of look-ups for one thread; a few thousand are not worth one.
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let share = lines.len().div_ceil(threads).max(10_000);
        if lines.len() <= share {
            let all = Merge::read_all(lines, 0, pieces, index, decode);
            all.into_iter().for_each(|merge| merges.insert(merge));
            return merges;
        }
        std::thread::scope(|scope| {
            let read =
                |(i, lines)| scope.spawn(move || Merge::read_all(lines, i * share, pieces, index, decode));
            let parts: Vec<_> = lines.chunks(share).enumerate().map(read).collect();
            for part in parts {
                // A panic in there is a bug of this module; the caller's thread should see it.
                part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).into_iter().for_each(
                    |merge| {
                        merges.insert(merge);
                    },
                );
            }
        });
        merges
    }

    fn insert(&mut self, merge: Merge) {
        let mut slot = mix(merge.pair) as usize & self.mask;
        while self.slots[slot].rank != FREE {
            if self.slots[slot].pair == merge.pair {
                return;
            }
            slot = (slot + 1) & self.mask;
        }
        self.slots[slot] = merge;
    }

    fn get(&self, left: u32, right: u32) -> Option<Merge> {
        let pair = key(left, right);
        let mut slot = mix(pair) as usize & self.mask;
        loop {
            let merge = self.slots[slot];
            if merge.rank == FREE {
                return None;
            }
            if merge.pair == pair {
                return Some(merge);
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// Joins the symbols in `work` as far as the ranks allow and appends the result to `out`.
    pub fn apply(&self, work: &mut Work, out: &mut Vec<u32>) {
        let Work { ids, next, prev, heap } = work;
        let len = ids.len();
        next.clear();
        next.extend(1..=len as u32);
        prev.clear();
        prev.extend((0..len as u32).map(|i| i.wrapping_sub(1)));
        heap.clear();
        let push = |heap: &mut BinaryHeap<_>, ids: &[u32], left: u32, right: u32| {
            if let Some(merge) = self.get(ids[left as usize], ids[right as usize]) {
                heap.push(Reverse((merge.rank, left, right, merge.pair, merge.merged)));
            }
        };
        for right in 1..len as u32 {
            push(heap, ids, right - 1, right);
        }
        while let Some(Reverse((_, left, right, pair, merged))) = heap.pop() {
            // A pair whose halves have changed since it was queued is stale; joined halves hold GONE.
            if next[left as usize] != right || key(ids[left as usize], ids[right as usize]) != pair {
                continue;
            }
            ids[left as usize] = merged;
            ids[right as usize] = GONE;
            let after = next[right as usize];
            next[left as usize] = after;
            if (after as usize) < len {
                prev[after as usize] = left;
                push(heap, ids, left, after);
            }
            let before = prev[left as usize];
            if before != u32::MAX {
                push(heap, ids, before, left);
            }
        }
        out.extend(ids.iter().copied().filter(|&id| id != GONE));
    }
}

/// Marks a symbol that was joined to its left neighbour.
const GONE: u32 = u32::MAX;

fn key(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Buffers used again for each word: fill `ids` with the first symbols, then call [`Merges::apply`].
#[derive(Debug, Default)]
pub struct Work {
    /// The word's symbols, usually one per byte.
    pub ids: Vec<u32>,
    next: Vec<u32>,
    prev: Vec<u32>,
    heap: BinaryHeap<Reverse<Candidate>>,
}

/// A merge that may be done, in the order of doing: rank, left place, right place, the pair, what it becomes.
type Candidate = (u32, u32, u32, u64, u32);

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(words: &[&str], lines: &[&str]) -> (Pieces, Merges) {
        let mut pieces = Pieces::default();
        for word in words {
            pieces.push_with(|out| out.extend_from_slice(word.as_bytes()));
        }
        let mut index = Index::with_capacity(words.len());
        (0..words.len() as u32).for_each(|i| index.insert(&pieces, i));
        let lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
        let merges = Merges::new(&lines, &pieces, &index, |text, out| {
            out.extend_from_slice(text.as_bytes());
            true
        });
        (pieces, merges)
    }

    fn run(merges: &Merges, ids: &[u32]) -> Vec<u32> {
        let mut work = Work { ids: ids.to_vec(), ..Work::default() };
        let mut out = Vec::new();
        merges.apply(&mut work, &mut out);
        out
    }

    #[test]
    fn joins_the_best_rank_first_and_the_leftmost_of_equals() {
        let (_, merges) = merges(&["a", "b", "c", "ab", "bc", "abc", "aa"], &["b c", "a b", "a bc", "a a"]);
        assert_eq!(run(&merges, &[0, 1, 2]), [5]);
        assert_eq!(run(&merges, &[0, 1]), [3]);
        assert_eq!(run(&merges, &[0, 0, 0]), [6, 0]);
        assert_eq!(run(&merges, &[]), [] as [u32; 0]);
    }

    #[test]
    fn a_long_run_takes_no_quadratic_time() {
        let (_, merges) = merges(&["a", "aa", "aaaa"], &["a a", "aa aa"]);
        let started = std::time::Instant::now();
        assert_eq!(run(&merges, &vec![0; 400_000]).len(), 100_000);
        assert!(started.elapsed().as_secs() < 10, "took {:?}", started.elapsed());
    }
}
