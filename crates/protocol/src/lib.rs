//! The words that Lantern's parts use with each other and with the window: requests, responses, events, settings.
//!
//! Every type here is plain data, serialised as JSON in camelCase. The UI's TypeScript is generated from these
//! definitions (`cargo xtask types`), so a field that is renamed here cannot go stale there. Nothing here does anything:
//! no I/O, no defaults that depend on the machine.
#![forbid(unsafe_code)]

mod access;
mod assistants;
mod chat;
mod compare;
mod conversations;
mod desktop;
mod details;
mod disk;
mod downloads;
mod error;
mod events;
mod folders;
mod knowledge;
mod library;
mod model_notes;
mod opening;
mod overflow;
mod prompts;
mod receipts;
mod records;
mod remotes;
mod search;
mod settings;
mod tools;

pub use access::*;
pub use assistants::*;
pub use chat::*;
pub use compare::*;
pub use conversations::*;
pub use desktop::*;
pub use details::*;
pub use disk::*;
pub use downloads::*;
pub use error::ErrorInfo;
pub use events::*;
pub use folders::*;
pub use knowledge::*;
pub use library::*;
pub use model_notes::*;
pub use opening::*;
pub use overflow::*;
pub use prompts::*;
pub use receipts::*;
pub use records::*;
pub use remotes::*;
pub use search::*;
pub use settings::*;
pub use tools::*;
