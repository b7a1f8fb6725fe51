//! The local endpoint: other programs speak OpenAI's, Anthropic's or Ollama's protocol to the models that run in Lantern.
//!
//! It binds 127.0.0.1 only, wants a key wherever something is told or done, and refuses hosts and origins that are not
//! its own, so that no web page gets in. It knows HTTP and the protocols' JSON; models, conversations and settings are
//! [`lantern_app`]'s.
//!
//! A protocol is a folder that says how its requests become a [`generate::Ask`] and how events become its answers;
//! everything between is `generate`'s, so that no protocol repeats another.
#![forbid(unsafe_code)]

mod anthropic;
mod body;
mod dialect;
mod downloads;
mod endpoint;
mod error;
mod generate;
mod guard;
mod limit;
mod listen;
mod manage;
mod metrics;
mod ollama;
mod openai;
mod openapi;
mod rerank;
mod router;
mod server;
mod status;
mod visit;

pub use endpoint::Endpoint;
pub use error::{ApiError, ServerError};
pub use listen::{ServeOptions, ServerHandle, serve};
pub use server::Limits;
