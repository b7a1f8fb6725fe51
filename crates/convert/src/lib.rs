//! Makes GGUF files: from other GGUF files, with another type of weights, and from folders as the Hub keeps models
//! (`config.json`, `tokenizer.json`, `*.safetensors`).
//!
//! A [`Source`] says which tensors there are and gives their values a few rows at a time; [`convert`] chooses a type for
//! each ([`FileType`]), writes them one after the other and checks the file before it gets its name. [`ConvertedFolders`] keeps what was
//! made of a folder, so that a folder can be loaded like a file. Knows no engine: what comes out is a file like any other.
#![forbid(unsafe_code)]

mod cache;
mod error;
mod file_type;
mod hf;
mod source;
mod write;

pub use cache::{ConvertedFolders, is_model_folder};
pub use error::ConvertError;
pub use file_type::FileType;
pub use hf::HfFolder;
pub use source::{GgufSource, Source, SourceTensor};
pub use write::{Converted, Progress, TensorReport, convert};
