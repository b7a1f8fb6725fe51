//! Why a file was not made.

use std::path::PathBuf;

use lantern_gguf::GgufError;

/// Why a file was not made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The GGUF file to read, or the one that was written, is wrong.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The system refused to read or write a file.
    #[error("{} cannot be {action}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `read`, `written`.
        action: &'static str,
        /// The system's words.
        reason: String,
    },
    /// A file of a model's folder is not what it should be.
    #[error("{} cannot be used: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model is of a kind that cannot be converted.
    #[error("models of the kind {found:?} cannot be converted; supported are {}", supported.join(", "))]
    UnknownModel {
        /// What `config.json` names.
        found: String,
        /// What can be.
        supported: Vec<String>,
    },
    /// The model has a variant of a setting that GGUF or Lantern has no word for.
    #[error("this model sets {key} to {value} in config.json, which cannot be converted")]
    UnsupportedSetting {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// The tokenizer is of a kind that cannot be converted.
    #[error("the tokenizer cannot be converted: {0}")]
    UnsupportedTokenizer(String),
    /// A tensor is not one that this kind of model has; leaving it out could be silently wrong.
    #[error("the tensor {0:?} has no place in this kind of model")]
    UnknownTensor(String),
    /// A tensor that others ask for is not there, or has another shape than they say.
    #[error("the tensor {tensor:?} {reason}")]
    BadTensor {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// Weights that are no numbers.
    #[error("the tensor {tensor:?} holds {count} values that are not finite")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// How many.
        count: u64,
    },
    /// The file that was written does not read as what was to be written.
    #[error("the file was written wrongly: {0}")]
    WrittenWrongly(String),
    /// The input and the output are the same file.
    #[error("{} would be overwritten while it is read", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
}

impl ConvertError {
    /// A stable name for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            ConvertError::Gguf(error) => error.code(),
            ConvertError::Io { .. } => "io_error",
            ConvertError::BadFile { .. } => "bad_model_folder",
            ConvertError::UnknownModel { .. } => "unknown_architecture",
            ConvertError::UnsupportedSetting { .. } => "unsupported_setting",
            ConvertError::UnsupportedTokenizer(_) => "unsupported_tokenizer",
            ConvertError::UnknownTensor(_) => "unused_tensors",
            ConvertError::BadTensor { .. } => "bad_tensor",
            ConvertError::NotFinite { .. } => "not_finite",
            ConvertError::WrittenWrongly(_) => "written_wrongly",
            ConvertError::SameFile { .. } => "same_file",
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            ConvertError::Gguf(error) => return error.next_step(),
            ConvertError::Io { .. } => "Check the path, its permissions and the room on the disk.",
            ConvertError::BadFile { .. }
            | ConvertError::BadTensor { .. }
            | ConvertError::NotFinite { .. } => {
                "Download the model again; if it stays, its publisher has to mend it."
            }
            ConvertError::UnknownModel { .. }
            | ConvertError::UnsupportedSetting { .. }
            | ConvertError::UnsupportedTokenizer(_)
            | ConvertError::UnknownTensor(_) => {
                "Look for a GGUF file of this model on the Hub, and use that."
            }
            ConvertError::WrittenWrongly(_) => "Check the disk, and try again.",
            ConvertError::SameFile { .. } => "Give the new file another name.",
        }
        .to_owned()
    }

    pub(crate) fn io<'a>(
        path: &'a std::path::Path,
        action: &'static str,
    ) -> impl Fn(std::io::Error) -> Self + 'a {
        move |error| ConvertError::Io { path: path.to_owned(), action, reason: error.to_string() }
    }
}
