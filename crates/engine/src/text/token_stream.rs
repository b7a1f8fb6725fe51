//! Token ids to text, one token at a time, without ever showing half a character.
//!
//! It holds back at most three bytes: the beginning of a UTF-8 character that the next token may complete. It
//! knows nothing of stop strings.

use std::sync::Arc;

use super::Tokenizer;

/// An incremental decoder of one sequence.
#[derive(Debug)]
pub struct TokenStream {
    tokenizer: Arc<Tokenizer>,
    pending: Vec<u8>,
    /// The first space is the encoder's own and must go.
    drop_space: bool,
}

impl TokenStream {
    /// A stream that goes on after the token `previous` (the prompt's last, `None` at the start of a text): where
    /// the vocabulary puts a space in front of a text, that space isn't part of the answer.
    pub fn new(tokenizer: Arc<Tokenizer>, previous: Option<u32>) -> Self {
        let drop_space = tokenizer.prefixes_space_after(previous);
        Self { tokenizer, pending: Vec::new(), drop_space }
    }

    /// The text that token `id` completes; special tokens print nothing.
    pub fn push(&mut self, id: u32) -> String {
        if self.tokenizer.is_special(id) {
            return String::new();
        }
        let mut bytes = self.tokenizer.token_bytes(id);
        if self.drop_space && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.drop_space = false;
        }
        self.pending.extend_from_slice(bytes);
        take_complete(&mut self.pending)
    }

    /// What is left at the end: half a character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        rest
    }
}

/// Takes everything but the beginning of an unfinished character off `bytes`; what can't be completed any more
/// becomes U+FFFD, as `String::from_utf8_lossy` would have it for the whole text.
fn take_complete(bytes: &mut Vec<u8>) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut keep = 0;
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        let invalid = chunk.invalid();
        keep = 0;
        if !invalid.is_empty() {
            // `utf8_chunks` ends an invalid chunk where no continuation can repair it; only at the very end of
            // the input may more bytes still do so.
            keep = invalid.len();
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    let tail = &bytes[bytes.len() - keep..];
    if keep > 0 && is_unfinished(tail) {
        out.pop();
        bytes.drain(..bytes.len() - keep);
    } else {
        bytes.clear();
    }
    out
}

/// Whether `tail` is a proper beginning of a UTF-8 character.
fn is_unfinished(tail: &[u8]) -> bool {
    matches!(std::str::from_utf8(tail), Err(error) if error.error_len().is_none() && error.valid_up_to() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bytes: &[u8], cuts: &[usize]) -> String {
        let mut pending = Vec::new();
        let mut out = String::new();
        let mut start = 0;
        for &cut in cuts.iter().chain([&bytes.len()]) {
            pending.extend_from_slice(&bytes[start..cut]);
            let text = take_complete(&mut pending);
            assert!(pending.len() < 4, "holds back {pending:?}");
            out.push_str(&text);
            start = cut;
        }
        out + &String::from_utf8_lossy(&pending)
    }

    const SAMPLES: &[&[u8]] = &[
        "Grüße, 世界 😀!".as_bytes(),
        b"",
        b"\xFF\xFEabc",
        b"a\xE4\xB8",
        b"\xF0\x9F\x98x\x80\x80",
        b"\xE2\x28\xA1\xC0\x80\xED\xA0\x80",
        b"\xF4\x90\x80\x80ok\xC3",
    ];

    #[test]
    fn every_split_gives_the_text_of_the_whole() {
        for bytes in SAMPLES {
            let whole = String::from_utf8_lossy(bytes);
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    assert_eq!(run(bytes, &[first, second]), whole, "{bytes:?} cut at {first} and {second}");
                }
            }
            let each: Vec<usize> = (0..bytes.len()).collect();
            assert_eq!(run(bytes, &each), whole, "{bytes:?} byte by byte");
        }
    }

    #[test]
    fn a_hopeless_byte_is_not_held_back() {
        let mut pending = b"\xF0\x9F".to_vec();
        assert_eq!(take_complete(&mut pending), "");
        pending.push(b'x');
        assert_eq!(take_complete(&mut pending), "\u{FFFD}x");
    }
}
