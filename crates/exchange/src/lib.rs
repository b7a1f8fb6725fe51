//! Conversations as files: Lantern's own form without loss, Markdown and HTML for people, and the exports of other programs.
//!
//! [`read`] takes a file, a folder or a zip archive and tells by its content what it is ([`Source`]); each program's form is
//! a file in `from/`. What a form says and Lantern has no place for is kept as raw JSON beside the conversation
//! ([`lantern_protocol::KeptPart`]) and counted; what is not taken is counted too, so nothing disappears in silence. [`write`]
//! is the way out.
//!
//! Files come from strangers: sizes and nesting are limited, and whatever is wrong with one is a typed error. Nothing here
//! knows the database.
#![forbid(unsafe_code)]

mod draft;
mod error;
mod from;
mod html;
mod json;
mod markdown;
pub mod read;
mod tally;
mod top;
mod value;
pub mod write;

pub use error::ExchangeError;
pub use from::Source;
pub use html::html;
pub use json::{FORMAT, VERSION};
pub use markdown::markdown;
pub use read::{FileRead, read};
pub use tally::Tally;
