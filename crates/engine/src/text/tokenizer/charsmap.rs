//! SentencePiece's table of normalisations (`tokenizer.ggml.precompiled_charsmap`): what stretches of text are written
//! as instead.
//!
//! The table is a trie in the form of an XOR-compressed double array (Kanda, 2018): 32-bit units whose upper bits lead
//! to the children, whose lowest byte must be the byte that led here, and whose bit 8 says that the path so far has a
//! replacement. Behind the units lie the replacements, each ended by a zero byte.

use super::TokenizerError;

const KEY: &str = "tokenizer.ggml.precompiled_charsmap";
/// Bits 31 and 0 to 7: the label of a unit, which the bit makes impossible for units that hold a value.
const LABEL: u32 = 1 << 31 | 0xFF;

/// The table, checked as it is used: what leads outside is an end.
#[derive(Debug, Default)]
pub struct CharsMap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharsMap {
    /// Reads the table. An empty one changes nothing.
    pub fn read(bytes: &[u8]) -> Result<Self, TokenizerError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(damaged(format!("it has {} bytes, too few for its own length", bytes.len())));
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length >= rest.len() {
            return Err(damaged(format!("its trie takes {length} of {} bytes", rest.len())));
        }
        let (trie, replacements) = rest.split_at(length);
        let unit = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let units = trie.chunks_exact(4).map(unit).collect();
        Ok(Self { units, replacements: replacements.to_vec() })
    }

    /// The replacement of the longest beginning of `text` that has one, and that beginning's length.
    pub fn longest(&self, text: &[u8]) -> Option<(&str, usize)> {
        let mut at = base(*self.units.first()?);
        let mut found = None;
        for (i, &byte) in text.iter().enumerate() {
            at ^= u32::from(byte);
            let Some(&unit) = self.units.get(at as usize) else { break };
            if byte == 0 || unit & LABEL != u32::from(byte) {
                break;
            }
            at ^= base(unit);
            if unit >> 8 & 1 == 1 {
                let Some(&value) = self.units.get(at as usize) else { break };
                found = self.replacement(value & !(1 << 31)).map(|text| (text, i + 1)).or(found);
            }
        }
        found
    }

    fn replacement(&self, start: u32) -> Option<&str> {
        let rest = self.replacements.get(start as usize..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }
}

/// The error for a table that cannot be right.
pub fn damaged(cause: String) -> TokenizerError {
    TokenizerError::Damaged { key: KEY, cause }
}

/// Where the children of a unit lie, to be XORed with their labels.
fn base(unit: u32) -> u32 {
    unit >> 10 << ((unit & 1 << 9) >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that writes `A` as `a` and drops `B`: the root's children are XORed onto 256.
    fn table() -> Vec<u8> {
        let mut units = vec![0u32; 1024];
        units[0] = 256 << 10;
        for (byte, value) in [(b'A', 0), (b'B', 2)] {
            let place = 256 ^ usize::from(byte);
            let child = 512 ^ usize::from(byte);
            units[place] = ((place ^ child) as u32) << 10 | 1 << 8 | u32::from(byte);
            units[child] = 1 << 31 | value;
        }
        let mut bytes = (4096u32).to_le_bytes().to_vec();
        units.iter().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        bytes.extend(b"a\0\0");
        bytes
    }

    #[test]
    fn finds_replacements_and_their_length() {
        let map = CharsMap::read(&table()).unwrap();
        assert_eq!(map.longest(b"Ax"), Some(("a", 1)));
        assert_eq!(map.longest(b"BA"), Some(("", 1)));
        assert_eq!(map.longest(b"x"), None);
        assert_eq!(map.longest(b""), None);
        assert_eq!(CharsMap::default().longest(b"A"), None);
    }

    #[test]
    fn damage_is_refused_or_leads_nowhere() {
        let bytes = table();
        assert!(CharsMap::read(&bytes[..3]).is_err());
        assert!(CharsMap::read(&bytes[..5]).is_err(), "the trie is longer than the table");
        for at in 4..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xFF;
            let map = CharsMap::read(&damaged).unwrap();
            for text in ["A", "B", "AB", "\u{FF}A"] {
                assert!(map.longest(text.as_bytes()).is_none_or(|(_, length)| length <= text.len()));
            }
        }
    }
}
