//! SentencePiece's unigram model (T5, XLM-RoBERTa and what grew from it): of all ways to write a text in pieces, the one
//! whose pieces' scores add up to the most.
//!
//! The text is normalised first, by the table in the file and by what it says of white space.

use super::META_SPACE;
use super::charsmap::CharsMap;
use super::vocab::{Index, Pieces, TokenKind};

/// How much worse than the worst piece an unknown character is.
const UNKNOWN_PENALTY: f64 = 10.0;

/// The model.
#[derive(Debug)]
pub struct Unigram {
    /// Logarithms of probabilities by id.
    scores: Vec<f64>,
    /// Lengths in bytes of pieces with each first byte, shortest first.
    lengths: Vec<Vec<u32>>,
    unknown: u32,
    unknown_score: f64,
    charsmap: CharsMap,
    spaces: Spaces,
}

/// What becomes of white space.
#[derive(Debug, Clone, Copy)]
pub struct Spaces {
    /// A text begins with a space of its own.
    pub prefix: bool,
    /// Runs become one space, and none is left at the ends.
    pub merge: bool,
}

/// The best way to write the text up to some place: its last piece, where that begins, and the sum of scores.
#[derive(Clone, Copy)]
struct Best {
    id: u32,
    start: usize,
    score: f64,
}

impl Unigram {
    /// The model of a vocabulary; `kinds` and `scores` have one entry per piece.
    pub fn new(
        pieces: &Pieces,
        kinds: &[TokenKind],
        scores: &[f32],
        unknown: u32,
        charsmap: CharsMap,
        spaces: Spaces,
    ) -> Self {
        let mut lengths = vec![Vec::new(); 256];
        for (id, kind) in kinds.iter().enumerate() {
            if matches!(kind, TokenKind::Normal | TokenKind::UserDefined | TokenKind::Unused)
                && let [first, ..] = *pieces.get(id)
            {
                lengths[usize::from(first)].push(pieces.get(id).len() as u32);
            }
        }
        for of_byte in &mut lengths {
            of_byte.sort_unstable();
            of_byte.dedup();
        }
        let normal = |(_, kind): &(&f32, &TokenKind)| **kind == TokenKind::Normal;
        let worst = scores.iter().zip(kinds).filter(normal).map(|(score, _)| f64::from(*score));
        let unknown_score = worst.fold(0.0, f64::min) - UNKNOWN_PENALTY;
        // What a person defined as a piece is preferred to whatever was learnt.
        let score = |(score, kind): (&f32, &TokenKind)| match kind {
            TokenKind::UserDefined => 0.0,
            _ => f64::from(*score),
        };
        let scores = scores.iter().zip(kinds).map(score).collect();
        Self { scores, lengths, unknown, unknown_score, charsmap, spaces }
    }

    /// Appends the ids of `text`; neighbouring unknown characters are one unknown token.
    pub fn encode(&self, text: &str, pieces: &Pieces, index: &Index, out: &mut Vec<u32>) {
        let text = self.normalise(text);
        let bytes = text.as_bytes();
        let mut best = vec![Best { id: self.unknown, start: 0, score: f64::NEG_INFINITY }; bytes.len() + 1];
        best[0].score = 0.0;
        let offer = |best: &mut [Best], id, start: usize, end: usize, score: f64| {
            let score = best[start].score + score;
            if score > best[end].score {
                best[end] = Best { id, start, score };
            }
        };
        for (start, c) in text.char_indices() {
            let mut spelt = false;
            for &length in &self.lengths[usize::from(bytes[start])] {
                let end = start + length as usize;
                if end > bytes.len() {
                    break;
                }
                if let Some(id) = index.find(pieces, &bytes[start..end]) {
                    spelt |= end - start == c.len_utf8();
                    offer(&mut best, id, start, end, self.scores[id as usize]);
                }
            }
            if !spelt {
                offer(&mut best, self.unknown, start, start + c.len_utf8(), self.unknown_score);
            }
        }
        let first = out.len();
        let mut end = bytes.len();
        while end > 0 {
            let Best { id, start, .. } = best[end];
            if id != self.unknown || out.len() == first || out.last() != Some(&id) {
                out.push(id);
            }
            end = start;
        }
        out[first..].reverse();
    }

    fn normalise(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 1);
        let (mut in_word, mut prefixed) = (false, false);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (written, taken) = match self.charsmap.longest(rest.as_bytes()) {
                // A table that cuts a character in half is damaged; the character stays.
                Some((written, taken)) if rest.is_char_boundary(taken) => (written, taken),
                _ => (&rest[..c.len_utf8()], c.len_utf8()),
            };
            for c in written.chars() {
                if c != ' ' {
                    if !in_word && (self.spaces.merge || self.spaces.prefix && !prefixed) {
                        out.push(' ');
                        prefixed = true;
                    }
                    in_word = true;
                    out.push(if c == META_SPACE { ' ' } else { c });
                } else {
                    in_word = false;
                    if !self.spaces.merge {
                        out.push(' ');
                    }
                }
            }
            rest = &rest[taken..];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(spaces: Spaces, text: &str) -> Vec<u32> {
        let words = [("<unk>", 0.0), (" a", -1.0), ("b", -2.0), (" ab", -3.5), ("c", -4.0), (" ", -1.5)];
        let mut pieces = Pieces::default();
        let mut index = Index::with_capacity(words.len());
        for (id, (word, _)) in words.iter().enumerate() {
            pieces.push_with(|out| out.extend_from_slice(word.as_bytes()));
            index.insert(&pieces, id as u32);
        }
        let mut kinds = [TokenKind::Normal; 6];
        kinds[0] = TokenKind::Unknown;
        let scores: Vec<f32> = words.iter().map(|word| word.1).collect();
        let mut out = Vec::new();
        let model = Unigram::new(&pieces, &kinds, &scores, 0, CharsMap::default(), spaces);
        model.encode(text, &pieces, &index, &mut out);
        out
    }

    #[test]
    fn the_best_sum_wins() {
        let plain = Spaces { prefix: true, merge: false };
        assert_eq!(ids(plain, "ab"), [1, 2], "-3 beats -3.5");
        assert_eq!(ids(plain, "xyab"), [5, 0, 2], "what has no piece is unknown, and once");
        assert_eq!(ids(plain, ""), [] as [u32; 0]);
    }

    #[test]
    fn white_space_is_kept_or_merged() {
        assert_eq!(ids(Spaces { prefix: true, merge: true }, "  a   a "), [1, 1]);
        assert_eq!(ids(Spaces { prefix: false, merge: false }, " a  c"), [1, 5, 5, 4]);
    }
}
