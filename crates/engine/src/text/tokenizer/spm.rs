//! SentencePiece's BPE: of all neighbouring pairs the one whose joined piece has the highest score is joined
//! first, the leftmost of equals. Characters the vocabulary lacks become byte tokens.
//!
//! Unlike rank-based BPE there is no list of merges: any two symbols whose joined spelling is a piece may join.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::vocab::{Index, Pieces};

/// A pair waiting in the queue.
#[derive(Debug, PartialEq)]
struct Candidate {
    score: f32,
    left: u32,
    right: u32,
    /// Bytes of the joined piece: tells a stale candidate from a fresh one.
    len: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A stretch of the text; `len` 0 means it was joined to its left neighbour.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: u32,
    len: u32,
    prev: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

/// The model: scores by id, and the tokens of single bytes.
#[derive(Debug)]
pub struct Spm {
    /// One score per token.
    pub scores: Vec<f32>,
    /// The token of each byte.
    pub bytes: Box<[u32; 256]>,
}

impl Spm {
    /// Appends the ids of `text`, in which spaces are already written as U+2581.
    pub fn encode(&self, text: &str, pieces: &Pieces, index: &Index, out: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(i, (start, c))| Symbol {
                start: start as u32,
                len: c.len_utf8() as u32,
                prev: (i as u32).wrapping_sub(1),
                next: i as u32 + 1,
            })
            .collect();
        let Some(last) = symbols.last_mut() else { return };
        last.next = NONE;

        let find = |symbol: &Symbol, len: u32| {
            index.find(pieces, &text.as_bytes()[symbol.start as usize..(symbol.start + len) as usize])
        };
        let mut queue = BinaryHeap::new();
        let push = |queue: &mut BinaryHeap<Candidate>, symbols: &[Symbol], left: u32, right: u32| {
            if left == NONE || right == NONE {
                return;
            }
            let len = symbols[left as usize].len + symbols[right as usize].len;
            if let Some(id) = find(&symbols[left as usize], len) {
                queue.push(Candidate { score: self.scores[id as usize], left, right, len });
            }
        };
        for right in 1..symbols.len() as u32 {
            push(&mut queue, &symbols, right - 1, right);
        }
        while let Some(Candidate { left, right, len, .. }) = queue.pop() {
            let (l, r) = (symbols[left as usize], symbols[right as usize]);
            if l.len == 0 || r.len == 0 || l.next != right || l.len + r.len != len {
                continue;
            }
            symbols[left as usize].len = len;
            symbols[left as usize].next = r.next;
            symbols[right as usize].len = 0;
            if r.next != NONE {
                symbols[r.next as usize].prev = left;
            }
            push(&mut queue, &symbols, l.prev, left);
            push(&mut queue, &symbols, left, r.next);
        }

        for symbol in symbols.iter().filter(|symbol| symbol.len > 0) {
            match find(symbol, symbol.len) {
                Some(id) => out.push(id),
                None => {
                    let bytes = &text.as_bytes()[symbol.start as usize..(symbol.start + symbol.len) as usize];
                    out.extend(bytes.iter().map(|&byte| self.bytes[usize::from(byte)]));
                }
            }
        }
    }
}
