//! What can be wrong with a GGUF file, in words with numbers.

use std::path::PathBuf;

use crate::GgmlType;

/// Why a file, or a part of it, could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The operating system refused.
    #[error("{} cannot be read: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
        /// True when the file does not exist.
        not_found: bool,
    },
    /// The first four bytes are not `GGUF`.
    #[error("this is not a GGUF file: it begins with {found:02x?} instead of \"GGUF\"")]
    NotGguf {
        /// The bytes found (fewer when the file is shorter).
        found: Vec<u8>,
    },
    /// A version of the format this program does not read.
    #[error("the file has GGUF version {version}; versions 2 and 3 are supported")]
    UnsupportedVersion {
        /// The version in the header.
        version: u32,
    },
    /// A big-endian file.
    #[error(
        "the file is big-endian (GGUF version field {version:#010x}); only little-endian files are supported"
    )]
    BigEndian {
        /// The version field as read.
        version: u32,
    },
    /// The file ends before what its header announces.
    #[error("the file is cut short: {what} needs {needed} bytes, the file has {available}")]
    Truncated {
        /// What was being read.
        what: String,
        /// Length the file would need.
        needed: u64,
        /// Length it has.
        available: u64,
    },
    /// The header is not what the format allows.
    #[error("the file's header is damaged: {0}")]
    BadMetadata(String),
    /// The tensor table is not what the format allows.
    #[error("tensor {name:?} is damaged: {reason}")]
    BadTensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A metadata key that is needed is not there.
    #[error("the metadata key {key:?} is missing")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A metadata key has another type than its meaning asks for.
    #[error("the metadata key {key:?} holds {found}, expected {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// The wanted kind of value.
        expected: &'static str,
        /// What the file has.
        found: String,
    },
    /// A tensor of a type this version has no name for.
    #[error("tensor {tensor:?} has the unknown type {id}")]
    UnknownTensorType {
        /// The tensor.
        tensor: String,
        /// The type's id in the file.
        id: u32,
    },
    /// One piece of a model that is split over several files is not beside the others.
    #[error("piece {number} of {count} of this model is missing: {} is not there", path.display())]
    MissingShard {
        /// Where it was looked for.
        path: PathBuf,
        /// Which piece, from 1.
        number: u64,
        /// Number of pieces.
        count: u64,
    },
    /// One piece of a model that is split over several files does not belong to the others.
    #[error("{} is not a piece of this model: {reason}", path.display())]
    BadShard {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Byte and value counts that do not belong together.
    #[error("{bytes} bytes of {ty} do not hold {values} values")]
    BlockLength {
        /// The block type.
        ty: GgmlType,
        /// Bytes given.
        bytes: usize,
        /// Values asked for.
        values: usize,
    },
    /// A type that nothing here writes.
    #[error("values cannot be written as {ty}")]
    NoQuantisation {
        /// The block type.
        ty: GgmlType,
    },
    /// A type that has no dequantisation here.
    #[error("values of type {ty} cannot be read yet")]
    NoDequantisation {
        /// The block type.
        ty: GgmlType,
    },
}

impl GgufError {
    /// A stable name for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            GgufError::Io { not_found: true, .. } => "file_not_found",
            GgufError::Io { .. } => "file_unreadable",
            GgufError::NotGguf { .. } => "not_gguf",
            GgufError::UnsupportedVersion { .. } | GgufError::BigEndian { .. } => "unsupported_gguf_version",
            GgufError::Truncated { .. } => "truncated_file",
            GgufError::BadMetadata(_) => "bad_metadata",
            GgufError::BadTensor { .. } | GgufError::BlockLength { .. } => "bad_tensor",
            GgufError::MissingKey { .. } => "missing_metadata_key",
            GgufError::WrongType { .. } => "wrong_metadata_type",
            GgufError::UnknownTensorType { .. } => "unknown_tensor_type",
            GgufError::MissingShard { .. } => "missing_shard",
            GgufError::BadShard { .. } => "bad_shard",
            GgufError::NoDequantisation { .. } => "unsupported_tensor_type",
            GgufError::NoQuantisation { .. } => "cannot_quantize",
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            GgufError::Io { not_found: true, .. } => "Check the path, or choose the file again.",
            GgufError::Io { .. } => "Check the file's permissions and the disk it lies on.",
            GgufError::NotGguf { .. } => "Choose a file in GGUF format; its name usually ends in .gguf.",
            GgufError::UnsupportedVersion { .. } | GgufError::BigEndian { .. } => {
                "Get a current, little-endian conversion of this model."
            }
            GgufError::Truncated { .. } => "Download the file again; the transfer did not finish.",
            GgufError::BadMetadata(_) | GgufError::BadTensor { .. } | GgufError::BlockLength { .. } => {
                "Download the file again, or choose another conversion of this model."
            }
            GgufError::MissingKey { .. } | GgufError::WrongType { .. } => {
                "Choose another conversion of this model; this one is incomplete."
            }
            GgufError::UnknownTensorType { .. } | GgufError::NoDequantisation { .. } => {
                "Choose another quantisation of this model, such as Q4_K_M or Q8_0, or update Lantern."
            }
            GgufError::NoQuantisation { .. } => "Choose one of Q8_0, Q6_K, Q4_K_M, F16, BF16 and F32.",
            GgufError::MissingShard { .. } => "Download the missing file, and put it beside the others.",
            GgufError::BadShard { .. } => {
                "Download all pieces of the model again from one place, and keep their names as they are."
            }
        }
        .to_owned()
    }
}
