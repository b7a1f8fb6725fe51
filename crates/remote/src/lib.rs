//! A server of the user's choice that speaks OpenAI's protocol (vLLM above all; llama-server, LM Studio, a cloud with a
//! key), as one more engine: the same requests in, the same [`GenerationStream`](lantern_engine::GenerationStream) out.
//!
//! It knows no settings and no names of remotes. A request goes to the address it was built with and nowhere else: no
//! redirect is followed, and a key is never sent in the clear over the internet.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod body;
mod engine;
mod error;
mod messages;
mod models;
mod refusal;
mod sse;

pub use engine::{Patience, RemoteEngine};
pub use error::RemoteError;
pub use models::{Kind, RemoteModel};
