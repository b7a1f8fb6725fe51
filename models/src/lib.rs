//! Model architectures: one file per family, built from shared layers over candle tensors.
//!
//! A model turns a [`ForwardBatch`] of tokens into logits and leaves keys and values in a [`KvCache`]. It knows no
//! sequences, scheduler or text. On a CPU the layers compute with `lantern-kernels`; on other
//! devices they are candle operations (see [`Compute`]).
#![forbid(unsafe_code)]

mod batch;
mod compute;
mod config;
mod error;
mod hyper;
mod kv_cache;
mod layers;
pub mod registry;
mod weights;

mod gemma3;
mod llama;
mod qwen2;

pub use batch::{BatchSeq, ForwardBatch};
pub use candle_core::{Device, Tensor};
pub use compute::{Compute, LoadOptions};
pub use config::{KvLayout, KvType, LayerKvShape, ModelConfig};
pub use error::ModelError;
pub use hyper::Hyper;
pub use kv_cache::KvCache;
pub use weights::Weights;

/// A causal language model.
pub trait CausalLm: Send {
    /// What the model is.
    fn config(&self) -> &ModelConfig;

    /// Runs the batch through the model: writes each row's key and value to its slot, and returns the logits of
    /// `batch.logit_rows`, f32 `[logit_rows.len(), vocab_size]`.
    ///
    /// A row's logits do not depend on the other rows of the batch, to the last bit.
    fn forward(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Tensor, ModelError>;
}
