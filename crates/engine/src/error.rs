//! Everything that can go wrong in the engine, with a stable code and the next step for the person.

use lantern_gguf::GgufError;
use lantern_models::ModelError;

use crate::request::MOST_LOGPROBS;
use crate::text::{GrammarError, SampleError, SamplingError, TemplateError, TokenizerError};

/// Why a model was not loaded or an answer not written.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file cannot be read as GGUF.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The model cannot be built from the file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file's tokenizer is unusable, or a text cannot be tokenised.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template refused the conversation or is missing.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Weights, cache and scratch space together exceed what is free.
    #[error(
        "the model needs {} of memory (weights {}, a cache for {context} tokens {}, work space {}), but only {} are available",
        size(*.needed), size(*.weights), size(*.cache), size(*.scratch), size(*.available)
    )]
    ModelTooLarge {
        /// Sum of the three parts, in bytes.
        needed: u64,
        /// Bytes of the weights.
        weights: u64,
        /// Bytes of keys and values at `context` tokens.
        cache: u64,
        /// Bytes of everything else: activations, logits, tokenizer, buffers, the program.
        scratch: u64,
        /// The smallest context that would have been accepted.
        context: usize,
        /// Bytes the engine may use.
        available: u64,
        /// What would fit.
        proposal: String,
    },
    /// A file that should be a picture and is none, or one that cannot be used.
    #[error("the picture cannot be read: {reason}")]
    BadPicture {
        /// What is wrong.
        reason: String,
    },
    /// A picture for a model that sees none.
    #[error("this model cannot be shown pictures: {reason}")]
    NoVision {
        /// Why not.
        reason: String,
    },
    /// The chat template did not put each picture in its place.
    #[error("the chat template has no place for each of the {pictures} pictures")]
    PicturePlaces {
        /// Pictures in the conversation.
        pictures: usize,
    },
    /// Layers were asked for on a GPU by number, but there is none that computes.
    #[error("{layers} layers were asked for on a GPU, but there is none to use: {reason}")]
    NoDevice {
        /// How many.
        layers: u32,
        /// Why there is none.
        reason: String,
    },
    /// The layers that were asked for do not fit a device.
    #[error(
        "{layers} layers with their cache and work space need {} of {device}, but only {} are free",
        size(*.needed), size(*.available)
    )]
    DeviceTooSmall {
        /// The device.
        device: String,
        /// How many layers.
        layers: usize,
        /// Bytes of weights, cache and work space.
        needed: u64,
        /// Bytes a model may take there.
        available: u64,
        /// How many layers would fit.
        fitting: usize,
    },
    /// A model that should guess for another one has other tokens.
    #[error("{draft} cannot guess for this model: {reason}")]
    DraftVocabulary {
        /// The file.
        draft: String,
        /// Where they differ.
        reason: String,
    },
    /// The prompt alone fills the context.
    #[error(
        "the prompt has {prompt} tokens, but the context holds {context} and one must be left for the answer"
    )]
    ContextOverflow {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens asked for on top, when limited.
        max_tokens: Option<usize>,
        /// Tokens the context holds.
        context: usize,
    },
    /// Two models whose tokens are different cannot be compared token by token.
    #[error("the two models have different tokens: {0}")]
    DifferentTokens(String),
    /// Ended by whoever asked for it.
    #[error("it was stopped")]
    Cancelled,
    /// A text without a whole window.
    #[error("the text has {tokens} tokens, but a window has {context}")]
    TextTooShort {
        /// Tokens of the text.
        tokens: usize,
        /// Tokens of a window.
        context: usize,
    },
    /// A text that becomes a vector is longer than what the model reads.
    #[error("text {index} has {tokens} tokens, but the model reads at most {context}")]
    TextTooLong {
        /// Which of the texts, counted from 0.
        index: usize,
        /// Its tokens.
        tokens: usize,
        /// Tokens of the longest text.
        context: usize,
    },
    /// A text that has no tokens cannot become a vector.
    #[error("text {index} is empty: it has no tokens")]
    EmptyText {
        /// Which of the texts, counted from 0.
        index: usize,
    },
    /// Nothing to continue.
    #[error("the prompt is empty: it has no tokens")]
    EmptyPrompt,
    /// A token id that the model does not have.
    #[error("token {token} does not exist: the model's vocabulary has {vocab_size} tokens")]
    UnknownToken {
        /// The id.
        token: u32,
        /// Ids run from 0 to this, exclusive.
        vocab_size: usize,
    },
    /// A sampling parameter is out of its range.
    #[error(transparent)]
    InvalidSampling(#[from] SamplingError),
    /// An answer cannot be held to its constraint.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// More alternatives were asked for than there are.
    #[error("{0} log probabilities were asked for; at most {MOST_LOGPROBS} are given")]
    TooManyLogprobs(usize),
    /// A tool must be called that the request does not have.
    #[error("the tool `{0}` must be called, but the request has no such tool")]
    UnknownTool(String),
    /// No token can be chosen from a model's logits.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// An option of the engine is out of its range.
    #[error("{0}")]
    InvalidOptions(String),
    /// An engine on another machine did not answer, or not to the end.
    #[error("{message}")]
    Remote {
        /// Stable and machine-readable.
        code: &'static str,
        /// What happened.
        message: String,
        /// What the person can do about it.
        next_step: String,
    },
    /// The engine thread has ended.
    #[error("the engine has stopped")]
    EngineStopped,
    /// A forward pass or the sampling after it panicked.
    #[error("a step of the model panicked: {0}")]
    StepPanicked(String),
    /// A forward pass returned an error.
    #[error("a step of the model failed: {0}")]
    StepFailed(String),
}

impl EngineError {
    /// Stable and machine-readable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gguf(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::Tokenizer(error) => error.code(),
            Self::Template(error) => error.code(),
            Self::ModelTooLarge { .. } => "model_too_large",
            Self::BadPicture { .. } => "bad_picture",
            Self::NoVision { .. } => "no_vision",
            Self::PicturePlaces { .. } => "picture_places",
            Self::NoDevice { .. } => "no_device",
            Self::DeviceTooSmall { .. } => "device_too_small",
            Self::DraftVocabulary { .. } => "draft_vocabulary",
            Self::ContextOverflow { .. } => "context_overflow",
            Self::DifferentTokens(_) => "different_tokens",
            Self::Cancelled => "cancelled",
            Self::TextTooShort { .. } => "text_too_short",
            Self::TextTooLong { .. } => "text_too_long",
            Self::EmptyText { .. } => "empty_text",
            Self::EmptyPrompt => "empty_prompt",
            Self::UnknownToken { .. } => "unknown_token",
            Self::InvalidSampling(error) => error.code(),
            Self::Grammar(error) => error.code(),
            Self::TooManyLogprobs(_) => "invalid_logprobs",
            Self::UnknownTool(_) => "unknown_tool",
            Self::Sample(error) => error.code(),
            Self::InvalidOptions(_) => "invalid_options",
            Self::Remote { code, .. } => code,
            Self::EngineStopped => "engine_stopped",
            Self::StepPanicked(_) => "step_panicked",
            Self::StepFailed(_) => "step_failed",
        }
    }

    /// What the person can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Gguf(error) => error.next_step(),
            Self::Model(error) => error.next_step(),
            Self::Tokenizer(error) => error.next_step(),
            Self::Template(error) => error.next_step(),
            Self::ModelTooLarge { proposal, .. } => proposal.clone(),
            Self::BadPicture { .. } => "Use a PNG, JPEG, WebP, GIF or BMP file of at most 16384 pixels on a side.".into(),
            Self::NoVision { .. } => {
                "Leave the pictures out, or choose a model that sees: one with its mmproj file in the same folder.".into()
            }
            Self::PicturePlaces { .. } => {
                "Put pictures into messages of the user, and leave the tokens of pictures out of the text.".into()
            }
            Self::NoDevice { .. } => {
                "Leave the number of layers out to compute on the processor; lantern doctor says what it found.".into()
            }
            Self::DeviceTooSmall { fitting, .. } => {
                format!("Ask for at most {fitting} layers or a smaller context, or leave the number out.")
            }
            Self::DraftVocabulary { .. } => {
                "Choose a smaller model of the same family, or leave the draft model out.".into()
            }
            Self::ContextOverflow { prompt, context, .. } => format!(
                "Shorten the conversation by at least {} tokens, start a new one, or allow it a longer context.",
                prompt + 1 - context
            ),
            Self::DifferentTokens(_) => "Choose two files of the same model.".into(),
            Self::Cancelled => "Start it again if it was not meant to be stopped.".into(),
            Self::TextTooShort { tokens, .. } => {
                format!("Give a longer text, or ask for windows of at most {tokens} tokens.")
            }
            Self::TextTooLong { context, .. } => {
                format!("Cut the text into parts of at most {context} tokens, or choose a model that reads longer texts.")
            }
            Self::EmptyText { .. } => "Leave the empty text out.".into(),
            Self::EmptyPrompt => "Write something to continue.".into(),
            Self::UnknownToken { .. } => "Tokenise the text with this model's own tokenizer.".into(),
            Self::InvalidSampling(error) => error.next_step(),
            Self::Grammar(error) => error.next_step(),
            Self::TooManyLogprobs(_) => format!("Ask for at most {MOST_LOGPROBS}."),
            Self::UnknownTool(_) => "Add the tool to the request, or choose one that it has.".into(),
            Self::Sample(error) => error.next_step(),
            Self::InvalidOptions(_) => "Correct the option, or leave it out to use the default.".into(),
            Self::Remote { next_step, .. } => next_step.clone(),
            Self::EngineStopped => "Load the model again.".into(),
            Self::StepPanicked(_) | Self::StepFailed(_) => {
                "Try again. If it happens again, please report it with the model's name and this message."
                    .into()
            }
        }
    }
}

/// Bytes for people: three digits and a decimal unit.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (value, unit) = match bytes {
        b if b >= 1e9 => (b / 1e9, "GB"),
        b if b >= 1e6 => (b / 1e6, "MB"),
        b => (b / 1e3, "kB"),
    };
    let decimals = if value >= 100.0 { 0 } else { 1 };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(98_362_432), "98.4 MB");
        assert_eq!(size(12_345_678_901), "12.3 GB");
        assert_eq!(size(512), "0.5 kB");
        assert_eq!(size(435_000_000), "435 MB");
    }

    #[test]
    fn an_overflow_says_both_numbers_and_what_to_do() {
        let error = EngineError::ContextOverflow { prompt: 9000, max_tokens: None, context: 8192 };
        assert_eq!(error.code(), "context_overflow");
        assert!(error.to_string().contains("9000") && error.to_string().contains("8192"));
        assert!(error.next_step().contains("at least 809 tokens"), "{}", error.next_step());
    }
}
