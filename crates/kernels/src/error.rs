//! What a caller can get wrong, with the numbers.

use lantern_gguf::{GgmlType, GgufError};

/// Why a kernel refused to run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A type no kernel can read.
    #[error("no kernel reads weights of type {ty} yet")]
    UnsupportedType {
        /// The type.
        ty: GgmlType,
    },
    /// Weights that do not fill their matrix.
    #[error("{bytes} bytes of {ty} are not a matrix of {rows} rows and {cols} columns")]
    WeightSize {
        /// The weights' type.
        ty: GgmlType,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
        /// Bytes given.
        bytes: usize,
    },
    /// A slice of the wrong length.
    #[error("{what} has {found} elements, expected {expected}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length its shape asks for.
        expected: usize,
    },
    /// An index outside its table.
    #[error("{what} {index} lies outside the {limit} there are")]
    Index {
        /// Which index.
        what: &'static str,
        /// The index.
        index: usize,
        /// Number of valid indices.
        limit: usize,
    },
    /// Attention dimensions that make no sense.
    #[error("attention cannot run with {0}")]
    Shape(String),
    /// Quantised weights that were not packed before a product.
    #[error("weights of type {ty} must be packed before they are multiplied")]
    NotPacked {
        /// The type.
        ty: GgmlType,
    },
    /// The system gives no more memory.
    #[error("the system refused {bytes} bytes of memory for weights")]
    OutOfMemory {
        /// How much was asked for.
        bytes: usize,
    },
    /// Less memory for experts than a product needs.
    #[error("{bytes} bytes of memory for experts are too little: this model needs at least {least}")]
    ExpertMemory {
        /// How much there was to be.
        bytes: usize,
        /// The least.
        least: usize,
    },
    /// The weights' bytes could not be read.
    #[error(transparent)]
    Gguf(#[from] GgufError),
}

impl KernelError {
    /// A stable name for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            KernelError::UnsupportedType { .. } => "unsupported_tensor_type",
            KernelError::WeightSize { .. } => "bad_tensor",
            KernelError::Length { .. }
            | KernelError::Index { .. }
            | KernelError::Shape(_)
            | KernelError::NotPacked { .. } => "kernel_misuse",
            KernelError::OutOfMemory { .. } => "out_of_memory",
            KernelError::ExpertMemory { .. } => "expert_memory",
            KernelError::Gguf(error) => error.code(),
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            KernelError::UnsupportedType { .. } => {
                "Choose another quantisation of this model, such as Q4_K_M or Q8_0, or update Lantern."
                    .to_owned()
            }
            KernelError::WeightSize { .. } => {
                "Download the file again, or choose another conversion of this model.".to_owned()
            }
            KernelError::Length { .. }
            | KernelError::Index { .. }
            | KernelError::Shape(_)
            | KernelError::NotPacked { .. } => {
                "This is a fault in Lantern; please report it with the model's name.".to_owned()
            }
            KernelError::OutOfMemory { .. } => {
                "Close other programs, or choose a smaller quantisation of this model.".to_owned()
            }
            KernelError::ExpertMemory { least, .. } => {
                format!("Give the experts at least {least} bytes, or choose a smaller model.")
            }
            KernelError::Gguf(error) => error.next_step(),
        }
    }
}

/// Checks a slice's length against its shape.
pub(crate) fn check_len(
    what: &'static str,
    found: usize,
    expected: Option<usize>,
) -> Result<(), KernelError> {
    let expected = expected.ok_or_else(|| KernelError::Shape(format!("a {what} larger than memory")))?;
    if found == expected { Ok(()) } else { Err(KernelError::Length { what, found, expected }) }
}
