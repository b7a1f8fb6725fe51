//! What a model's answer says, and in what form: text, thoughts, and calls of tools.
//!
//! Each family of models writes thoughts and calls in a form of its own. An [`OutputFormat`] says which form a model has, an
//! [`OutputParser`] reads an answer in it as it arrives. The parsers have one file a form; what they share is the
//! [`feed`] (text with places to go back to), the [`sink`] (events) and the readers of values.
//!
//! Nothing here knows tokens but by the markers that they are.

mod arguments;
mod choice;
mod event;
mod family;
mod feed;
mod format;
mod gemma4;
mod glm;
mod harmony;
mod json_call;
mod json_scan;
mod lark;
mod lfm2;
mod literal;
mod machine;
mod mistral;
mod parser;
mod prepare;
mod qwen_xml;
mod sections;
mod sink;
mod tagged;
mod tagged_value;
mod tools;

pub use choice::ToolChoice;
pub use event::OutputEvent;
pub use family::Family;
pub use format::OutputFormat;
pub use lark::GrammarOptions;
pub use parser::OutputParser;
pub use tools::{Kinds, Tool, ToolSet};

/// Lists and objects in each other in a call's arguments.
const MAX_NESTING: usize = 64;
/// Bytes that are held back because they may be a call. What is longer is text.
const MAX_HELD: usize = 256 << 10;
/// Bytes of white space that are held back because a thought or a call may follow.
const MAX_SPACE: usize = 256;
