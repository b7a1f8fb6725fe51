//! Text to ids: added tokens first, then the vocabulary's own way with the text between them.

use tokenizers::NormalizedString;

use super::added::Fragment;
use super::bpe::Work;
use super::{META_SPACE, Model, Tokenizer, TokenizerError};
use crate::text::PromptText;

/// The longest text that is taken, in bytes: more than any context holds. Beyond it lie limits of the pattern engine and
/// of 32-bit places.
const MAX_TEXT: usize = 8 << 20;

impl Tokenizer {
    /// Token ids of `text`.
    ///
    /// With `parse_special` the spellings of control tokens in the text become those tokens (a rendered chat
    /// template); without it they are ordinary text. With `add_special` BOS and EOS are added where the model wants
    /// them.
    pub fn encode(
        &self,
        text: &str,
        parse_special: bool,
        add_special: bool,
    ) -> Result<Vec<u32>, TokenizerError> {
        let mut out = Vec::with_capacity(text.len() / 3 + 2);
        if add_special && self.special.add_bos {
            out.extend(self.special.bos);
        }
        self.encode_into(text, |_, _| parse_special, &mut out)?;
        if add_special && self.special.add_eos {
            out.extend(self.special.eos);
        }
        Ok(out)
    }

    /// Token ids of a whole prompt: BOS comes first where the model wants it, but not a second time when the prompt
    /// spells it already.
    pub fn encode_prompt(&self, prompt: &PromptText) -> Result<Vec<u32>, TokenizerError> {
        let text = prompt.text();
        let mut out = Vec::with_capacity(text.len() / 3 + 2);
        self.encode_into(text, |start, end| prompt.is_meant(start, end), &mut out)?;
        if self.special.add_bos && out.first().copied() != self.special.bos {
            out.splice(0..0, self.special.bos);
        }
        Ok(out)
    }

    /// Token ids of text that stands behind other text, without what belongs to a beginning. `None` where they would not be
    /// exactly that text, because the vocabulary cannot spell it or changes it on the way.
    pub(crate) fn encode_middle(&self, text: &str) -> Option<Vec<u32>> {
        let mut out = Vec::with_capacity(text.len() / 3 + 2);
        match &self.model {
            Model::Scores { spm, .. } => spm.encode(text, &self.pieces, &self.index, &mut out),
            _ => self.encode_into(text, |_, _| false, &mut out).ok()?,
        }
        let spelt = out.iter().flat_map(|&id| self.token_bytes(id));
        (spelt.eq(text.as_bytes()) && !out.iter().any(|&id| self.is_special(id))).then_some(out)
    }

    /// Calls `found` with the start of every spelling of a control token in `text`, of those inside others too.
    pub(crate) fn control_tokens(&self, text: &str, found: impl FnMut(usize)) {
        self.added.control_tokens(text, found);
    }

    fn encode_into(
        &self,
        text: &str,
        is_meant: impl Fn(usize, usize) -> bool,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        if text.len() > MAX_TEXT {
            return Err(TokenizerError::TextTooLong { bytes: text.len(), limit: MAX_TEXT });
        }
        let mut fragments = Vec::new();
        self.added.split(text, is_meant, |fragment| fragments.push(fragment));
        let mut work = Work::default();
        let mut previous = None;
        for fragment in fragments {
            match fragment {
                Fragment::Token(id) => {
                    out.push(id);
                    previous = Some(id);
                }
                Fragment::Text(text) => self.encode_text(text, previous, &mut work, out)?,
            }
        }
        Ok(())
    }

    /// Text lies between added tokens, so it always starts a sequence or follows the token `after`.
    fn encode_text(
        &self,
        text: &str,
        after: Option<u32>,
        work: &mut Work,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let folded;
        let text = match self.model {
            // Pieces have their spaces written as such, so a text that spells one out is brought to the same.
            Model::Chars { .. } | Model::Scores { .. } if text.contains(META_SPACE) => {
                folded = text.replace(META_SPACE, " ");
                &folded
            }
            _ => text,
        };
        match &self.model {
            Model::Bytes { pre, merges, bytes, whole_words, nfc } => {
                let normalized;
                let text = if *nfc && text.chars().any(|c| c >= '\u{300}') {
                    let mut string = NormalizedString::from(text);
                    normalized = string.nfc().get().to_owned();
                    &normalized
                } else {
                    text
                };
                pre.split(text, |word| {
                    if *whole_words && let Some(id) = self.index.find(&self.pieces, word.as_bytes()) {
                        return out.push(id);
                    }
                    work.ids.clear();
                    // A few vocabularies lack a control character, and their own tokenizers leave it out.
                    let id = |&byte: &u8| bytes[usize::from(byte)].or(self.special.unknown);
                    work.ids.extend(word.as_bytes().iter().filter_map(id));
                    merges.apply(work, out);
                });
                Ok(())
            }
            Model::Chars { pre, merges, bytes } => {
                pre.split(text, |word| {
                    if word.starts_with('\n')
                        && let Some(id) = self.index.find(&self.pieces, word.as_bytes())
                    {
                        return out.push(id);
                    }
                    work.ids.clear();
                    let mut buffer = [0; 4];
                    for c in word.chars() {
                        let c = c.encode_utf8(&mut buffer).as_bytes();
                        match self.index.find(&self.pieces, c) {
                            Some(id) => work.ids.push(id),
                            None => work.ids.extend(c.iter().map(|&byte| bytes[usize::from(byte)])),
                        }
                    }
                    merges.apply(work, out);
                });
                Ok(())
            }
            Model::Scores { spm, space_prefix, strip_after_special } => {
                let text = match after {
                    Some(id) if *strip_after_special && self.strips_after(id) => {
                        text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
                    }
                    _ => text,
                };
                if *space_prefix && !text.is_empty() {
                    spm.encode(&format!(" {text}"), &self.pieces, &self.index, out);
                } else {
                    spm.encode(text, &self.pieces, &self.index, out);
                }
                Ok(())
            }
            Model::Unigram(unigram) => {
                unigram.encode(text, &self.pieces, &self.index, out);
                Ok(())
            }
            Model::Words(words) => words.encode(text, &self.pieces, &self.index, out),
        }
    }

    fn strips_after(&self, id: u32) -> bool {
        !matches!(self.token_bytes(id), b"<unk>" | b"<s>" | b"<|endoftext|>")
    }
}
