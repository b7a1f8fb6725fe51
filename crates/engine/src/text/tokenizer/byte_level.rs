//! The alphabet of byte-level vocabularies: each of the 256 bytes is written as one printable character.
//!
//! Source: GPT-2's `bytes_to_unicode`. Printable Latin-1 characters stand for themselves, the other bytes for
//! U+0100, U+0101, … in order, so a space is `Ġ` and a newline `Ċ`.

/// The byte a character stands for, if it is of the alphabet.
fn byte_of(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => Some(code as u8),
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121) as u8 + 0x7F),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// Appends the bytes that `text` spells. Text outside the alphabet is appended as it stands, and the answer is
/// `false`: such a token can't come from merging bytes.
pub fn decode(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => out.push(byte),
            None => {
                out.truncate(start);
                out.extend_from_slice(text.as_bytes());
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_exactly_one_character() {
        let mut seen = [false; 256];
        for c in (0..0x200).filter_map(char::from_u32) {
            if let Some(byte) = byte_of(c) {
                assert!(!std::mem::replace(&mut seen[usize::from(byte)], true), "byte {byte} twice");
            }
        }
        assert!(seen.iter().all(|&byte| byte));
    }

    #[test]
    fn spells_spaces_newlines_and_utf8() {
        let mut out = Vec::new();
        assert!(decode("ĠHiĊ", &mut out));
        assert_eq!(out, b" Hi\n");
        out.clear();
        assert!(decode("Ã©", &mut out));
        assert_eq!(out, "é".as_bytes());
        out.clear();
        assert!(!decode("<｜end｜>", &mut out));
        assert_eq!(out, "<｜end｜>".as_bytes());
    }
}
