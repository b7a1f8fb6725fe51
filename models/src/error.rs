//! Why a model cannot be loaded or run.

use lantern_gguf::GgufError;
use lantern_kernels::KernelError;

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file itself is wrong.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// No family here implements this architecture.
    #[error("the architecture {found:?} is not supported; supported are {}", supported.join(", "))]
    UnknownArchitecture {
        /// What the file names.
        found: String,
        /// What this version has.
        supported: Vec<String>,
    },
    /// The model does not turn texts into vectors, or no family here implements how.
    #[error(
        "this file's model (architecture {found:?}) does not turn texts into vectors; embedding models of these \
         architectures do: {}",
        supported.join(", ")
    )]
    NotAnEmbedder {
        /// What the file names.
        found: String,
        /// What this version has.
        supported: Vec<String>,
    },
    /// The model turns texts into vectors and generates nothing.
    #[error("this file's model (architecture {found:?}) turns texts into vectors and writes no answers")]
    OnlyEmbeds {
        /// What the file names.
        found: String,
    },
    /// A file that guesses for models of another kind, or a model for which none can.
    #[error("it cannot guess for this model: {reason}")]
    WrongAssistant {
        /// Why not.
        reason: String,
    },
    /// Hyper-parameters that this family does not know: running the model without them could be silently wrong.
    #[error("{architecture} files have no meaning here for: {}", keys.join(", "))]
    UnreadKeys {
        /// The architecture.
        architecture: String,
        /// The full keys.
        keys: Vec<String>,
    },
    /// A hyper-parameter has a value that cannot be right.
    #[error("the metadata key {key:?} cannot be used: {reason}")]
    BadHyperParameter {
        /// The full key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that the architecture needs is not in the file.
    #[error("the tensor {tensor:?} is missing")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the hyper-parameters say.
    #[error("the tensor {tensor:?} has the shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// The tensor.
        tensor: String,
        /// Shape by the hyper-parameters, contiguous dimension first.
        expected: Vec<u64>,
        /// Shape in the file.
        found: Vec<u64>,
    },
    /// A tensor's type is known, but nothing here computes with it.
    #[error("the tensor {tensor:?} has the type {ty}, which cannot be computed with yet")]
    UnsupportedTensorType {
        /// The tensor.
        tensor: String,
        /// The type's name.
        ty: &'static str,
    },
    /// The file holds tensors that this family does not use: leaving them out could be silently wrong.
    #[error("{count} tensors of the file have no use in {architecture}: {}", examples.join(", "))]
    UnusedTensors {
        /// The architecture.
        architecture: String,
        /// How many.
        count: usize,
        /// The first few.
        examples: Vec<String>,
    },
    /// The cache's numbers cannot be kept in the type that was chosen.
    #[error("the key-value cache cannot be kept as {kv_type}: {reason}")]
    UnsupportedKvType {
        /// The type's name.
        kv_type: &'static str,
        /// Why not.
        reason: String,
    },
    /// A picture that the model's authors' processor would refuse for its size.
    #[error("a picture of {} by {} pixels cannot be used: {reason}", size[0], size[1])]
    BadPictureSize {
        /// Width and height in pixels.
        size: [usize; 2],
        /// What is wrong with that.
        reason: String,
    },
    /// The batch or the cache does not fit the model. A fault of the program, not of the file.
    #[error("the batch does not fit: {0}")]
    BadBatch(String),
    /// A kernel refused its input. A fault of the program, not of the file.
    #[error("computation failed: {0}")]
    Kernel(#[from] KernelError),
    /// candle refused its input, or a device failed.
    #[error("computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl ModelError {
    /// Somebody asked a model to predict further tokens that has nothing to do so with.
    pub(crate) fn no_predictor() -> Self {
        ModelError::BadBatch("nothing predicts further tokens for this model".to_owned())
    }

    /// A stable name for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            ModelError::Gguf(error) => error.code(),
            ModelError::UnknownArchitecture { .. } => "unknown_architecture",
            ModelError::NotAnEmbedder { .. } => "no_embedding_model",
            ModelError::OnlyEmbeds { .. } => "embedding_model",
            ModelError::WrongAssistant { .. } => "wrong_assistant",
            ModelError::UnreadKeys { .. } => "unknown_hyper_parameter",
            ModelError::BadHyperParameter { .. } => "bad_hyper_parameter",
            ModelError::MissingTensor { .. } => "missing_tensor",
            ModelError::TensorShape { .. } => "wrong_tensor_shape",
            ModelError::UnsupportedTensorType { .. } => "unsupported_tensor_type",
            ModelError::UnusedTensors { .. } => "unused_tensors",
            ModelError::UnsupportedKvType { .. } => "unsupported_kv_type",
            ModelError::BadPictureSize { .. } => "bad_picture",
            ModelError::BadBatch(_) => "bad_batch",
            ModelError::Kernel(_) | ModelError::Tensor(_) => "computation_failed",
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            ModelError::Gguf(error) => return error.next_step(),
            ModelError::UnknownArchitecture { .. } => {
                "Choose a model of a supported architecture, or look for a newer version of Lantern."
            }
            ModelError::NotAnEmbedder { .. } => {
                "Choose a model that was made for embeddings, such as all-MiniLM, BGE, EmbeddingGemma or Qwen3-Embedding."
            }
            ModelError::OnlyEmbeds { .. } => {
                "Use it with `lantern embed` or /v1/embeddings, and choose another model to chat with."
            }
            ModelError::WrongAssistant { .. } => "Choose the assistant that was made for this model, or leave it out.",
            ModelError::UnreadKeys { .. } | ModelError::UnusedTensors { .. } => {
                "This variant of the architecture needs a newer version of Lantern; choose another model until then."
            }
            ModelError::BadHyperParameter { .. }
            | ModelError::MissingTensor { .. }
            | ModelError::TensorShape { .. } => {
                "The file is damaged or was converted wrongly; download it again or choose another conversion."
            }
            ModelError::UnsupportedTensorType { .. } => {
                "Choose another quantisation of this model, such as Q4_K_M or Q8_0."
            }
            ModelError::UnsupportedKvType { .. } => "Keep this model's cache as f16, which works with every model.",
            ModelError::BadPictureSize { .. } => "Cut the picture so that its sides are more alike.",
            ModelError::BadBatch(_) | ModelError::Kernel(_) | ModelError::Tensor(_) => {
                "Try again; if it happens again, please report it with the message above."
            }
        }
        .to_owned()
    }
}
