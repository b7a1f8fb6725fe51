//! WordPiece, the vocabulary of BERT and its kin: text is cleaned and cut into words, and each word is spelt by the
//! longest pieces that fit, from its beginning.
//!
//! Source: Google's BERT. A GGUF file writes a piece that begins a word with a space in front and the others bare. A
//! word that cannot be spelt to its end is the unknown token as a whole.

use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    normalizers::BertNormalizer,
};

use super::TokenizerError;
use super::vocab::{Index, Pieces};

/// Longer words are unknown without a look, as in BERT's own code.
const MAX_WORD: usize = 100;

/// The model: how text is cleaned, and the token of what has no spelling.
#[derive(Debug)]
pub struct WordPiece {
    normalizer: BertNormalizer,
    unknown: u32,
}

impl WordPiece {
    /// `lowercase` is for uncased vocabularies; accents then go too, unless `strip_accents` says otherwise.
    pub fn new(lowercase: bool, strip_accents: Option<bool>, unknown: u32) -> Self {
        Self { normalizer: BertNormalizer::new(true, true, strip_accents, lowercase), unknown }
    }

    /// Appends the ids of `text`.
    pub fn encode(
        &self,
        text: &str,
        pieces: &Pieces,
        index: &Index,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let failed = |error: tokenizers::Error| TokenizerError::Pattern(error.to_string());
        let mut text = NormalizedString::from(text);
        self.normalizer.normalize(&mut text).map_err(failed)?;
        let mut words = PreTokenizedString::from(text);
        BertPreTokenizer.pre_tokenize(&mut words).map_err(failed)?;
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            let start = out.len();
            if word.chars().count() > MAX_WORD || spell(word, pieces, index, out).is_none() {
                out.truncate(start);
                out.push(self.unknown);
            }
        }
        Ok(())
    }
}

/// Appends the pieces of a word; `None` where no piece fits.
fn spell(word: &str, pieces: &Pieces, index: &Index, out: &mut Vec<u32>) -> Option<()> {
    let spaced = format!(" {word}");
    let mut start = 0;
    while start < spaced.len() {
        // The space alone is no beginning of a word.
        let least = if start == 0 { 2 } else { 1 };
        let (end, id) = (start + least..=spaced.len())
            .rev()
            .filter(|&end| spaced.is_char_boundary(end))
            .find_map(|end| Some((end, index.find(pieces, &spaced.as_bytes()[start..end])?)))?;
        out.push(id);
        start = end;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelt_by_the_longest_pieces_or_unknown() {
        let mut pieces = Pieces::default();
        for word in ["[UNK]", " play", " pl", "ing", "in", "g", " !", " 世", " cafe", "ay"] {
            pieces.push_with(|out| out.extend_from_slice(word.as_bytes()));
        }
        let mut index = Index::with_capacity(16);
        (1..pieces.len() as u32).for_each(|id| index.insert(&pieces, id));
        let ids = |lowercase, text: &str| {
            let mut out = Vec::new();
            WordPiece::new(lowercase, None, 0).encode(text, &pieces, &index, &mut out).unwrap();
            out
        };
        assert_eq!(ids(true, "Playing!  "), [1, 3, 6]);
        assert_eq!(ids(true, "Café 世世"), [8, 7, 7]);
        assert_eq!(ids(false, "Playing"), [0], "a cased vocabulary has no capital P here");
        assert_eq!(ids(true, "playx play"), [0, 1], "a word is unknown as a whole");
        assert_eq!(ids(true, &"g".repeat(101)), [0]);
        assert_eq!(ids(true, " \u{0} "), [] as [u32; 0]);
    }
}
