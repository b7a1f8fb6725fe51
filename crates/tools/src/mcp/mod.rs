//! Servers that speak the Model Context Protocol: how they are reached ([`config`]), a running connection ([`connection`]), who
//! starts them and starts them again ([`server`]), and how the user signs in ([`sign_in`]).

mod config;
mod connection;
mod http;
mod process;
mod server;
mod sign_in;

pub use config::{CommandConfig, HttpConfig, ServerConfig};
pub use connection::MOST_TOOLS;
pub use server::{ServerState, ToolServer};
pub use sign_in::{Authorize, TokenStore};
