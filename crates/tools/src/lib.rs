//! What a model can call: tools of servers that speak the Model Context Protocol, and some that need nobody.
//!
//! A [`ToolServer`] is a program of the user's choice, or a server elsewhere: it is started, watched, and started again when it
//! dies; its tools are [`Definition`]s, and what comes of a call is a [`ToolOutput`] within limits. [`builtin`] has those that
//! Lantern brings along; none of them touches the network.
//!
//! Whether a tool may run is not decided here: whoever calls has asked the user before. This crate knows no conversations, no
//! SQL and no window.
#![forbid(unsafe_code)]

pub mod builtin;
mod definition;
mod error;
mod mcp;
mod output;

pub use definition::{Definition, Hints};
pub use error::ToolError;
pub use mcp::{
    Authorize, CommandConfig, HttpConfig, MOST_TOOLS, ServerConfig, ServerState, TokenStore, ToolServer,
};
pub use output::{Image, ToolOutput};
