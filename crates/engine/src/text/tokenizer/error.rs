//! What can be wrong with the vocabulary a model file carries.

use lantern_gguf::GgufError;

/// A tokenizer that can't be built from the file's metadata.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A key is missing or has another type than the format says.
    #[error("the tokenizer in the model file can't be read: {0}")]
    Metadata(#[from] GgufError),
    /// `tokenizer.ggml.model` names a kind of vocabulary that isn't supported.
    #[error("tokenizer kind `{0}` is not supported (known: gpt2, llama, gemma4, t5, bert)")]
    UnknownModel(String),
    /// `tokenizer.ggml.pre` names a way of splitting words that isn't known; guessing would garble the text.
    #[error("pre-tokenizer `{0}` is not known to this version")]
    UnknownPreTokenizer(String),
    /// Two arrays that belong together have different lengths.
    #[error("`{key}` has {found} entries, but the vocabulary has {expected}")]
    LengthMismatch {
        /// The metadata key.
        key: &'static str,
        /// Its number of entries.
        found: usize,
        /// The number of tokens.
        expected: usize,
    },
    /// A key holds what no converter writes.
    #[error("`{key}` is damaged: {cause}")]
    Damaged {
        /// The metadata key.
        key: &'static str,
        /// What is wrong, with numbers.
        cause: String,
    },
    /// The vocabulary has no tokens, or more than an id can number.
    #[error("the vocabulary has {0} tokens")]
    VocabSize(usize),
    /// The vocabulary can't spell every text: a byte has no token.
    #[error("the vocabulary has no token for byte 0x{0:02X}")]
    MissingByte(u8),
    /// The vocabulary can't spell every text, and has no token for what it can't.
    #[error("the vocabulary has no token for unknown text")]
    NoUnknown,
    /// More text than any context holds.
    #[error("the text has {bytes} bytes, and at most {limit} can be tokenised at once")]
    TextTooLong {
        /// Its length.
        bytes: usize,
        /// The longest there may be.
        limit: usize,
    },
    /// A word-splitting pattern failed to run.
    #[error("the pre-tokenizer's pattern failed: {0}")]
    Pattern(String),
}

impl TokenizerError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Metadata(error) => error.code(),
            Self::UnknownModel(_) | Self::UnknownPreTokenizer(_) => "unknown_tokenizer",
            Self::TextTooLong { .. } => "text_too_long",
            _ => "invalid_tokenizer",
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Metadata(error) => error.next_step(),
            Self::UnknownModel(_) | Self::UnknownPreTokenizer(_) => {
                "Look for a newer version of Lantern, or choose another model.".into()
            }
            Self::TextTooLong { .. } => "Shorten the text, or send it in parts.".into(),
            _ => "The model file is damaged or was converted wrongly: fetch it again, or choose another conversion."
                .into(),
        }
    }
}
