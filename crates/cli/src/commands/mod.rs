//! One file per subcommand: its arguments and what it does.

pub mod assistant;
pub mod bench;
pub mod catalogue;
pub mod chat;
pub mod compare;
pub mod doctor;
pub mod du;
pub mod embed;
pub mod export;
pub mod import;
pub mod inspect;
pub mod list;
pub mod logits;
pub mod perplexity;
pub mod plan;
mod plan_list;
pub mod pull;
pub mod quantize;
pub mod receipt;
pub mod remote;
pub mod rm;
pub mod run;
pub mod search;
pub mod serve;
pub mod show;
pub mod template;
pub mod token;
pub mod tokenize;
pub mod verify;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use lantern_engine::KvType;

/// Kinds of cache by their names.
fn kv_types() -> impl TypedValueParser<Value = KvType> {
    PossibleValuesParser::new(KvType::ALL.iter().map(|kv_type| kv_type.name()))
        .try_map(|name| KvType::from_name(&name).ok_or("no such kind of cache"))
}
