//! The local endpoint: other programs speak OpenAI's protocol to the models that run in Lantern.
//!
//! It binds 127.0.0.1 only, wants a key on every request but `/health`, and refuses hosts and origins that are not
//! its own, so that no web page gets in. It knows HTTP and OpenAI's JSON; models, conversations and settings are
//! [`lantern_app`]'s.
#![forbid(unsafe_code)]

mod chat;
mod embeddings;
mod endpoint;
mod error;
mod guard;
mod images;
mod listen;
mod models;
mod request;
mod response;

pub use embeddings::EmbeddingsRequest;
pub use endpoint::Endpoint;
pub use error::{ApiError, ServerError};
pub use listen::{ServeOptions, ServerHandle, serve};
pub use request::ChatCompletionRequest;
pub use response::{ChatCompletion, ChatCompletionChunk};
