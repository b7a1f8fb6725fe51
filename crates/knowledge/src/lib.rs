//! From files to passages, and from passages to what a model reads: extraction, chunking, search, the prompt's words.
//!
//! [`extract`](extract::extract) tells what a file is by its content and gives its text with the places in it;
//! [`passages`] cuts that text; [`search`] ranks passages by meaning and joins that with a ranking by words; [`prompt`] writes
//! what a model reads of documents. [`folder`] lists the files of a folder that are worth reading.
//!
//! Files are hostile until read: whatever is wrong with one is an [`ExtractError`], within limits of bytes and time.
//! This crate knows no database, no model, no window and no network.
#![forbid(unsafe_code)]

mod error;
pub mod extract;
pub mod folder;
mod passages;
pub mod prompt;
pub mod search;

pub use error::ExtractError;
pub use extract::{Extracted, Limits, Mark, extract};
pub use passages::{Passage, passages};
