//! The GGUF file format: memory map, metadata, tensor table and the value of every block type.
//!
//! Reads versions 2 and 3. Knows nothing of architectures: what a key or a tensor means is for `lantern-models`.
//! A file comes from anywhere, so nothing in it is trusted: arithmetic is checked, counts and lengths have limits, and
//! whatever is wrong becomes a [`GgufError`].
#![deny(unsafe_code)]

pub mod blocks;
mod bytes;
mod direct;
mod error;
mod file;
mod head;
mod map;
mod metadata;
pub mod quantize;
mod reader;
mod shards;
mod stream;
mod tensor;
mod types;
mod value;
mod writer;

pub use blocks::dequantize;
pub use bytes::{FAULT_AROUND, TensorBytes};
pub use direct::DIRECT_ALIGN;
pub use error::GgufError;
pub use file::GgufFile;
pub use head::{GgufHead, HeadRead};
pub use map::{FileMap, FileStamp};
pub use metadata::Metadata;
pub use shards::ShardName;
pub use stream::{GgufStream, PlannedTensor};
pub use tensor::TensorInfo;
pub use types::GgmlType;
pub use value::{Array, Value};
pub use writer::GgufWriter;

#[cfg(test)]
mod tests;
