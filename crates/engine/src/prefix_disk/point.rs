//! Names for what a cache file holds: whose numbers, and of which tokens. They are the same in every process.
//!
//! A [`Point`] names a prefix of whole blocks by a chain of hashes, each over its parent and the tokens of one more block.
//! The chain begins with what the numbers mean (the [`ModelKey`]), so prefixes of different models have no points in
//! common. SHA-256 cut to 128 bits: nobody can prepare prompts that collide.

use std::fmt;

use sha2::{Digest, Sha256};

/// What the bytes of blocks mean: model, type, layout, version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelKey(pub(crate) [u8; 32]);

/// A prefix of whole blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Point(pub(crate) [u8; 16]);

impl ModelKey {
    /// The key of everything that these words say.
    pub(crate) fn new(words: &str) -> Self {
        ModelKey(Sha256::digest(words).into())
    }

    /// The name of the folder with its files.
    pub(crate) fn folder(&self) -> String {
        hex(&self.0[..16])
    }
}

impl Point {
    /// The empty prefix.
    pub(crate) fn root(model: &ModelKey) -> Self {
        Self::cut(Sha256::new().chain_update(b"root").chain_update(model.0))
    }

    /// This prefix and one more block.
    pub(crate) fn after(self, tokens: &[u32]) -> Self {
        let mut hash = Sha256::new().chain_update(self.0);
        tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        Self::cut(hash)
    }

    /// The prefixes of none, one, two, … blocks of these tokens.
    pub(crate) fn chain(self, tokens: &[u32], block_size: usize) -> Vec<Point> {
        let mut chain = vec![self];
        let mut last = self;
        for block in tokens.chunks_exact(block_size) {
            last = last.after(block);
            chain.push(last);
        }
        chain
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Point(bytes))
    }

    fn cut(hash: Sha256) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Point(bytes)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_name_model_order_and_tokens() {
        let root = |words| Point::root(&ModelKey::new(words));
        let chain = root("a").chain(&[1, 2, 3, 4, 5], 2);
        assert_eq!(chain.len(), 3, "whole blocks only");
        assert_eq!(chain, root("a").chain(&[1, 2, 3, 4], 2), "the same in every process");
        let others = [root("a"), root("b"), root("a").after(&[2, 1]), root("b").after(&[1, 2])];
        assert!(!others[1..].iter().any(|other| chain.contains(other)));
        assert_eq!(chain[1], root("a").after(&[1, 2]));
        assert_eq!(Point::from_hex(&chain[2].to_string()), Some(chain[2]));
        let word = chain[2].to_string();
        assert_eq!([&word[1..], &word.to_uppercase(), "+f"].map(Point::from_hex), [None; 3]);
    }
}
