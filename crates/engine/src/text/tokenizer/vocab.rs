//! The vocabulary: what bytes each token stands for, what kind it is, and the way back from bytes to ids.
//!
//! All spellings lie in one buffer and the index is one flat table, so that 262,144 tokens load in
//! milliseconds. It knows nothing of merges or special ids.

/// What the file says a token is (`tokenizer.ggml.token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An ordinary piece of text.
    Normal,
    /// Stands for text the vocabulary can't spell.
    Unknown,
    /// Steers the model and is never text: `<|im_end|>`.
    Control,
    /// Text that is always one token, wherever it occurs.
    UserDefined,
    /// Reserved, without a meaning.
    Unused,
    /// A single byte, spelt `<0x0A>`.
    Byte,
}

impl TokenKind {
    /// From the number in the file; an unknown number is an ordinary token.
    pub fn from_id(id: i32) -> Self {
        match id {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }

    /// Whether the token is never part of the text a user reads.
    pub fn is_special(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }
}

/// A list of byte strings in one buffer.
#[derive(Debug, Default)]
pub struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Pieces {
    /// Room for `count` strings of about `bytes` in all.
    pub fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Appends one string that `write` produces.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    /// The string at `index`; empty outside the list.
    pub fn get(&self, index: usize) -> &[u8] {
        let Some(&end) = self.ends.get(index) else { return &[] };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..end as usize]
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Finds a string's index in a [`Pieces`] by open addressing. A slot holds the index and half of the hash, so
/// that a look-up rarely compares strings that differ.
#[derive(Debug)]
pub struct Index {
    slots: Vec<u64>,
    mask: usize,
}

const EMPTY: u64 = u64::MAX;

impl Index {
    /// A table with room for `count` strings.
    pub fn with_capacity(count: usize) -> Self {
        let size = (count.max(4) * 2).next_power_of_two();
        Self { slots: vec![EMPTY; size], mask: size - 1 }
    }

    /// Adds string `index` of `pieces`; a string that is there already keeps its first index.
    pub fn insert(&mut self, pieces: &Pieces, index: u32) {
        if let Err(slot) = self.locate(pieces, pieces.get(index as usize)) {
            self.slots[slot] = hash(pieces.get(index as usize)) & TAG | u64::from(index);
        }
    }

    /// The index of `key`, if it was added.
    pub fn find(&self, pieces: &Pieces, key: &[u8]) -> Option<u32> {
        self.locate(pieces, key).ok()
    }

    /// The index of `key`, or the slot where it belongs.
    fn locate(&self, pieces: &Pieces, key: &[u8]) -> Result<u32, usize> {
        let hash = hash(key);
        let mut slot = hash as usize & self.mask;
        loop {
            let entry = self.slots[slot];
            if entry == EMPTY {
                return Err(slot);
            }
            if (entry ^ hash) & TAG == 0 && pieces.get(entry as u32 as usize) == key {
                return Ok(entry as u32);
            }
            slot = (slot + 1) & self.mask;
        }
    }
}

/// The half of the hash that a slot keeps.
const TAG: u64 = 0xFFFF_FFFF_0000_0000;

/// A quick hash of short strings (multiply and rotate, eight bytes at a time), finished so that the low bits are
/// good. A crafted vocabulary can make it slow, not wrong.
fn hash(key: &[u8]) -> u64 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = key.len() as u64;
    let mut chunks = key.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes"));
        state = (state.rotate_left(5) ^ word).wrapping_mul(K);
    }
    let mut tail = 0u64;
    for &byte in chunks.remainder() {
        tail = tail << 8 | u64::from(byte);
    }
    mix((state.rotate_left(5) ^ tail).wrapping_mul(K))
}

/// Spreads all bits over all bits.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x = (x ^ x >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ x >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_piece_and_nothing_else() {
        let mut pieces = Pieces::default();
        let words: Vec<String> = (0..5000).map(|i| format!("word{}", i * 7919)).collect();
        for word in &words {
            pieces.push_with(|out| out.extend_from_slice(word.as_bytes()));
        }
        let mut index = Index::with_capacity(words.len());
        (0..words.len() as u32).for_each(|i| index.insert(&pieces, i));
        for (i, word) in words.iter().enumerate() {
            assert_eq!(index.find(&pieces, word.as_bytes()), Some(i as u32), "{word}");
        }
        assert_eq!(index.find(&pieces, b"word"), None);
        assert_eq!(index.find(&pieces, b""), None);
    }

    #[test]
    fn the_first_of_two_equal_pieces_wins() {
        let mut pieces = Pieces::default();
        for word in ["a", "b", "a"] {
            pieces.push_with(|out| out.extend_from_slice(word.as_bytes()));
        }
        let mut index = Index::with_capacity(3);
        (0..3).for_each(|i| index.insert(&pieces, i));
        assert_eq!(index.find(&pieces, b"a"), Some(0));
    }
}
