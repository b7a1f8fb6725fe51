//! The ways in which text between added tokens becomes ids, each built from what the file says of its vocabulary.

use lantern_gguf::{Array, Metadata, Value};

use super::bpe::Merges;
use super::charsmap::CharsMap;
use super::pre_tokenizer::{self, PreTokenizer};
use super::spm::Spm;
use super::unigram::{Spaces, Unigram};
use super::vocab::{Index, Pieces, TokenKind};
use super::wordpiece::WordPiece;
use super::{TokenizerError, byte_level, byte_token, check_len, decode_meta_space};

/// One of them.
#[derive(Debug)]
pub enum Model {
    /// Byte-level BPE.
    Bytes { pre: PreTokenizer, merges: Merges, bytes: Box<[Option<u32>; 256]>, whole_words: bool, nfc: bool },
    /// BPE by rank over characters; runs of newlines are words of their own.
    Chars { pre: PreTokenizer, merges: Merges, bytes: Box<[u32; 256]> },
    /// SentencePiece BPE by score.
    Scores { spm: Spm, space_prefix: bool, strip_after_special: bool },
    /// SentencePiece's unigram model.
    Unigram(Unigram),
    /// WordPiece.
    Words(WordPiece),
}

/// A vocabulary as far as it is read when its model is built.
pub struct Vocabulary<'a> {
    pub meta: &'a Metadata,
    pub tokens: &'a [String],
    pub kinds: &'a [TokenKind],
    pub pieces: &'a Pieces,
    pub index: &'a Index,
    pub unknown: Option<u32>,
}

impl Model {
    /// The model that `tokenizer.ggml.model` names.
    pub fn new(name: &str, vocabulary: &Vocabulary<'_>) -> Result<Self, TokenizerError> {
        match name {
            "gpt2" => vocabulary.byte_level(),
            "gemma4" => vocabulary.char_level(),
            "t5" => vocabulary.unigram(),
            "bert" => vocabulary.word_piece(),
            _ => vocabulary.scored(),
        }
    }
}

impl Vocabulary<'_> {
    fn byte_level(&self) -> Result<Model, TokenizerError> {
        let Self { meta, pieces, index, .. } = *self;
        let name = meta.opt_str("tokenizer.ggml.pre")?.unwrap_or_else(|| {
            tracing::warn!(
                "the file does not say how its vocabulary cuts words: the format's default is taken"
            );
            "default"
        });
        let rules =
            pre_tokenizer::rules(name).ok_or_else(|| TokenizerError::UnknownPreTokenizer(name.into()))?;
        let merges = Merges::new(meta.strings("tokenizer.ggml.merges")?, pieces, index, byte_level::decode);
        let bytes = Box::new(std::array::from_fn(|byte| index.find(pieces, &[byte as u8])));
        let pre = PreTokenizer::new(rules.patterns)?;
        Ok(Model::Bytes { pre, merges, bytes, whole_words: rules.whole_words, nfc: rules.nfc })
    }

    fn char_level(&self) -> Result<Model, TokenizerError> {
        let lines = self.meta.strings("tokenizer.ggml.merges")?;
        let merges = Merges::new(lines, self.pieces, self.index, decode_meta_space);
        Ok(Model::Chars { pre: PreTokenizer::new(&[r"[^\n]+|[\n]+"])?, merges, bytes: self.byte_tokens()? })
    }

    fn scored(&self) -> Result<Model, TokenizerError> {
        // Phi-3's own tokenizer drops white space after its added tokens; the format has no field for that.
        let name = self.meta.opt_str("general.name")?.unwrap_or_default().to_lowercase();
        Ok(Model::Scores {
            spm: Spm { scores: self.scores()?.to_vec(), bytes: self.byte_tokens()? },
            space_prefix: self.meta.opt_bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true),
            strip_after_special: name.contains("phi-3") || name.contains("phi3"),
        })
    }

    fn unigram(&self) -> Result<Model, TokenizerError> {
        let flag = |name: &str| self.meta.opt_bool(&format!("tokenizer.ggml.{name}"));
        let spaces = Spaces {
            prefix: flag("add_space_prefix")?.unwrap_or(false),
            merge: flag("remove_extra_whitespaces")?.unwrap_or(false),
        };
        let charsmap = match self.meta.get("tokenizer.ggml.precompiled_charsmap") {
            Some(Value::Array(Array::U8(bytes))) => CharsMap::read(bytes)?,
            Some(Value::Array(Array::I8(bytes))) => {
                CharsMap::read(&bytes.iter().map(|&byte| byte as u8).collect::<Vec<_>>())?
            }
            // An empty list may have any type.
            Some(Value::Array(array)) if array.is_empty() => CharsMap::default(),
            None => CharsMap::default(),
            Some(other) => {
                return Err(super::charsmap::damaged(format!("it is {}, not bytes", other.kind())));
            }
        };
        let unknown = self.unknown.ok_or(TokenizerError::NoUnknown)?;
        let scores = self.scores()?;
        Ok(Model::Unigram(Unigram::new(self.pieces, self.kinds, scores, unknown, charsmap, spaces)))
    }

    fn word_piece(&self) -> Result<Model, TokenizerError> {
        let flag = |name: &str| self.meta.opt_bool(&format!("tokenizer.ggml.normalizer.{name}"));
        let lowercase = flag("lowercase")?.unwrap_or(true);
        let unknown = self.unknown.ok_or(TokenizerError::NoUnknown)?;
        Ok(Model::Words(WordPiece::new(lowercase, flag("strip_accents")?, unknown)))
    }

    fn scores(&self) -> Result<&[f32], TokenizerError> {
        let scores = self.meta.f32s("tokenizer.ggml.scores")?;
        check_len("tokenizer.ggml.scores", scores.len(), self.tokens.len())?;
        Ok(scores)
    }

    /// The token of each byte; a byte without one takes the unknown token.
    fn byte_tokens(&self) -> Result<Box<[u32; 256]>, TokenizerError> {
        let mut bytes = [None; 256];
        for (id, text) in self.tokens.iter().enumerate() {
            if matches!(self.kinds[id], TokenKind::Byte | TokenKind::Normal)
                && text.len() == 6
                && let Some(byte) = byte_token(text)
            {
                bytes[usize::from(byte)] = Some(id as u32);
            }
        }
        let mut out = Box::new([0; 256]);
        for (byte, id) in bytes.iter().enumerate() {
            out[byte] = id.or(self.unknown).ok_or(TokenizerError::MissingByte(byte as u8))?;
        }
        Ok(out)
    }
}
