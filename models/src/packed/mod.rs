//! Packed copies: the weights of a model as kernels want them, kept on disk so that a later load has nothing to pack.
//!
//! A copy takes as much disk again as the model's matrices, so one is only kept on request. It is a cache and nothing
//! more: whatever does not match is a [`Miss`], for which the model is packed from its own file as if there were no
//! copy, and a copy that cannot be written is a warning.
//!
//! # The file
//!
//! Numbers are little-endian; a text is its length (`u32`) and UTF-8.
//!
//! ```text
//! magic          8 bytes, "LANTPACK"
//! version        u32, of this table                             [`header::VERSION`]
//! packing        u32, of the tiles                              [`lantern_kernels::PACKING_VERSION`]
//! header length  u64, checksum included
//! file length    u64
//! model          text: where it lay; stamp, four u64; text: fingerprint
//! tensors        u32: how many, then for each
//!                  text: name; u32: type; u64: matrices, rows, columns; u64: offset, length;
//!                  u64 for each 2 MiB begun: XXH3 of these bytes
//! checksum       u64: XXH3 of the header up to here
//! tiles          of each tensor, at multiples of 4096 bytes
//! ```
//!
//! # Whose weights they are
//!
//! A copy serves the file it was made from and no other: the file's length, its times of change and its number on the
//! disk ([`FileStamp`]) must be those of the day, and its [`fingerprint`](crate::fingerprint()), which covers the tensor
//! table and samples of every tensor. The stamp sees every change that the samples might miss, even one by a program
//! that sets the time of modification back; the fingerprint sees a different file in the same place. Reading the whole
//! model instead would tell no more and cost what the copy saves. A model that was moved is packed once more.
//!
//! # When the data is checked
//!
//! At every load, before a tile is used. All threads read the file once from beginning to end, which is also what brings
//! its pages into the process: of 1.1 GB that took 0.03 s on two cores when the system had them in memory, about as long as
//! a token of the answer takes, and nothing beside the disk when it had not. See `models/src/packed/file.rs` for why a copy
//! is mapped.

mod copies;
mod file;
mod header;
mod writer;

pub use copies::{CopyOnDisk, PackedCopies};
pub use file::Miss;
pub(crate) use file::PackedFile;
pub use writer::{CopyWriter, Written};

#[cfg(test)]
mod tests;
