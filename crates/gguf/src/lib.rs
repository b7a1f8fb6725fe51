//! The GGUF file format: memory map, metadata, tensor table and the value of every block type.
//!
//! Reads versions 2 and 3. Knows nothing of architectures: what a key or a tensor means is for `lantern-models`.
#![deny(unsafe_code)]

pub mod blocks;
mod bytes;
mod error;
mod types;

pub use blocks::dequantize;
pub use bytes::TensorBytes;
pub use error::GgufError;
pub use types::GgmlType;
