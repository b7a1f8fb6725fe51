//! One file per subcommand: its arguments and what it does.

pub mod bench;
pub mod catalogue;
pub mod chat;
pub mod doctor;
pub mod import;
pub mod inspect;
pub mod list;
pub mod logits;
pub mod pull;
pub mod rm;
pub mod run;
pub mod serve;
