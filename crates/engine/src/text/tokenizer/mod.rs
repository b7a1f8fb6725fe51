//! Text to token ids and back, from nothing but the metadata of a GGUF file.
//!
//! Five kinds of vocabulary: byte-level BPE (`gpt2`), SentencePiece BPE by score (`llama`: Llama 2, Mistral, Phi-3,
//! Gemma 1–3), BPE by rank over characters (`gemma4`), SentencePiece's unigram model (`t5`: T5, XLM-RoBERTa) and
//! WordPiece (`bert`). Pieces are kept as the bytes they stand for, so decoding is concatenation.
//!
//! The model sees exactly the ids that its own tokenizer would have made: what isn't known is an error, not a guess.

mod added;
mod bpe;
mod byte_level;
mod charsmap;
mod encode;
mod error;
mod model;
mod patterns;
mod pre_tokenizer;
mod special;
mod spm;
mod unigram;
mod vocab;
mod wordpiece;

use lantern_gguf::{GgufFile, Metadata};

pub use error::TokenizerError;

use added::AddedTokens;
use model::{Model, Vocabulary};
use special::SpecialIds;
use vocab::{Index, Pieces, TokenKind};

/// SentencePiece writes a space as this character.
const META_SPACE: char = '\u{2581}';

/// A model's vocabulary and its way of cutting text into tokens. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Tokenizer {
    pieces: Pieces,
    kinds: Vec<TokenKind>,
    index: Index,
    added: AddedTokens,
    special: SpecialIds,
    model: Model,
}

impl Tokenizer {
    /// Builds the tokenizer of a model file.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TokenizerError> {
        Self::from_metadata(file.metadata())
    }

    /// Builds the tokenizer from metadata alone (`tokenizer.ggml.*`, `general.name`).
    pub fn from_metadata(meta: &Metadata) -> Result<Self, TokenizerError> {
        let tokens = meta.strings("tokenizer.ggml.tokens")?;
        if tokens.is_empty() || tokens.len() > i32::MAX as usize {
            return Err(TokenizerError::VocabSize(tokens.len()));
        }
        let mut kinds = read_kinds(meta, tokens.len())?;
        let model = meta.str("tokenizer.ggml.model")?;
        let decode: fn(&str, &mut Vec<u8>) -> bool = match model {
            "gpt2" => byte_level::decode,
            "llama" | "gemma4" | "t5" | "bert" => decode_meta_space,
            other => return Err(TokenizerError::UnknownModel(other.into())),
        };
        let special = SpecialIds::read(meta, tokens, &mut kinds)?;

        let total = tokens.iter().map(String::len).sum();
        let mut pieces = Pieces::with_capacity(tokens.len(), total);
        let mut index = Index::with_capacity(tokens.len());
        for (id, (text, kind)) in tokens.iter().zip(&kinds).enumerate() {
            let mut reachable = matches!(kind, TokenKind::Normal | TokenKind::UserDefined)
                || model == "t5" && *kind == TokenKind::Unused;
            pieces.push_with(|out| match kind {
                TokenKind::Control | TokenKind::Unknown => out.extend_from_slice(text.as_bytes()),
                TokenKind::Byte => match byte_token(text) {
                    Some(byte) => out.push(byte),
                    None => out.extend_from_slice(text.as_bytes()),
                },
                TokenKind::UserDefined if model == "gpt2" => {
                    out.extend_from_slice(text.as_bytes());
                    reachable = text.is_ascii();
                }
                TokenKind::Unused => _ = decode(text, out),
                _ => reachable &= decode(text, out),
            });
            if reachable {
                index.insert(&pieces, id as u32);
            }
        }
        let added = AddedTokens::new(&kinds, |id| std::str::from_utf8(pieces.get(id)).unwrap_or(""));
        let vocabulary = Vocabulary {
            meta,
            tokens,
            kinds: &kinds,
            pieces: &pieces,
            index: &index,
            unknown: special.unknown,
        };
        let model = Model::new(model, &vocabulary)?;
        Ok(Self { pieces, kinds, index, added, special, model })
    }

    /// The exact bytes a token stands for; for a control token its spelling. Empty outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.pieces.get(id as usize)
    }

    /// The text that these ids are, from its beginning: a space that the encoder put in front is taken off. What isn't
    /// UTF-8 becomes U+FFFD. Control tokens are spelt out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.token_bytes(id)).copied().collect();
        let prefixed = self.prefixes_space_after(None) && ids.first().is_some_and(|&id| !self.is_special(id));
        let text = bytes.strip_prefix(b" ").filter(|_| prefixed).unwrap_or(&bytes);
        String::from_utf8_lossy(text).into_owned()
    }

    /// The id of the token that is spelt exactly so.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.added.find(text).or_else(|| self.index.find(&self.pieces, text.as_bytes()))
    }

    /// The id of the control token that is spelt exactly so.
    pub fn control_id(&self, spelling: &str) -> Option<u32> {
        let is_it = |id: &u32| self.is_special(*id) && self.token_bytes(*id) == spelling.as_bytes();
        self.token_id(spelling).filter(is_it)
    }

    /// Whether the token ends an answer: EOS, end of turn, end of message, …
    pub fn is_eog(&self, id: u32) -> bool {
        self.special.end_of_generation.contains(&id)
    }

    /// Every token that ends an answer, in rising order.
    pub fn eog_ids(&self) -> &[u32] {
        &self.special.end_of_generation
    }

    /// Whether the token is never text for the user: control, unknown or unused tokens, and ids outside the
    /// vocabulary.
    pub fn is_special(&self, id: u32) -> bool {
        self.kinds.get(id as usize).is_none_or(|kind| kind.is_special() || *kind == TokenKind::Unused)
    }

    /// The token that begins a sequence.
    pub fn bos(&self) -> Option<u32> {
        self.special.bos
    }

    /// The token that ends a sequence.
    pub fn eos(&self) -> Option<u32> {
        self.special.eos
    }

    /// Whether a prompt begins with BOS.
    pub fn adds_bos(&self) -> bool {
        self.special.add_bos && self.special.bos.is_some()
    }

    /// The number of tokens; logits may have more columns.
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// Whether text after the token `previous` (or at the very start) is encoded with a space in front, which a
    /// decoder must then take off again.
    pub(crate) fn prefixes_space_after(&self, previous: Option<u32>) -> bool {
        matches!(self.model, Model::Scores { space_prefix: true, .. })
            && previous
                .is_none_or(|id| self.is_special(id) || self.kinds[id as usize] == TokenKind::UserDefined)
    }
}

fn read_kinds(meta: &Metadata, count: usize) -> Result<Vec<TokenKind>, TokenizerError> {
    const KEY: &str = "tokenizer.ggml.token_type";
    match meta.opt_i32s(KEY)? {
        Some(kinds) => {
            check_len(KEY, kinds.len(), count)?;
            Ok(kinds.into_iter().map(TokenKind::from_id).collect())
        }
        None => Ok(vec![TokenKind::Normal; count]),
    }
}

fn check_len(key: &'static str, found: usize, expected: usize) -> Result<(), TokenizerError> {
    if found == expected { Ok(()) } else { Err(TokenizerError::LengthMismatch { key, found, expected }) }
}

/// Appends a piece in SentencePiece's spelling. A plain space in it says that no text leads to this token but an
/// exact match: text has its spaces written the other way.
fn decode_meta_space(text: &str, out: &mut Vec<u8>) -> bool {
    for (i, part) in text.split(META_SPACE).enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(part.as_bytes());
    }
    !text.contains(' ')
}

/// The byte that `<0x0A>` stands for.
fn byte_token(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() == 2 { u8::from_str_radix(hex, 16).ok() } else { None }
}
