//! Model architectures: one file per family, built from shared layers.
//!
//! A model turns a [`ForwardBatch`] of tokens into logits and leaves keys and values in a [`KvCache`]. It knows no
//! sequences, scheduler or text. On a CPU the layers compute with `lantern-kernels`; on other
//! devices they are candle operations (see [`Compute`]). A model may be split between the two (see [`Placement`]).
#![forbid(unsafe_code)]

mod batch;
mod compute;
mod config;
pub mod devices;
mod embedder;
pub mod embedders;
mod error;
mod fingerprint;
mod hyper;
mod kv_cache;
mod layers;
mod model_bytes;
mod older;
pub mod packed;
mod pictures;
mod placement;
pub mod registry;
mod resident;
mod rows;
mod split;
pub mod vision;
mod weights;

mod bert;
mod deepseek2;
mod ernie4_5;
mod gemma2;
mod gemma3;
mod gemma3n;
mod gemma4;
mod gemma4_assistant;
mod gemma_embedding;
mod glm4;
mod glm4moe;
mod gptoss;
mod granite;
mod lfm2;
mod llama;
mod mistral3;
mod nemotron_h;
mod olmo2;
mod olmoe;
mod phi3;
mod phimoe;
mod qwen2;
mod qwen2moe;
mod qwen3;
mod qwen35;
mod qwen35moe;
mod qwen3moe;
mod smollm3;

pub use batch::{BatchSeq, ForwardBatch, GONE, GroupBlocks};
pub use candle_core::Device;
pub use compute::{Compute, LoadOptions};
pub use config::{KvLayout, KvType, LayerCache, LayerKvShape, ModelConfig, PictureInput, Reach};
pub use embedder::{Embedder, Pooling};
pub use error::ModelError;
pub use fingerprint::fingerprint;
pub use hyper::{Hyper, ignored_keys};
pub use kv_cache::KvCache;
use lantern_gguf::GgufFile;
pub use lantern_kernels::{ExpertCounts, is_slow, isa};
pub use layers::LOOKED_UP_AT_ONCE;
pub use model_bytes::{BlockBytes, ModelBytes, WeightBytes};
pub use packed::PackedCopies;
pub use pictures::{EncodedPicture, PictureRows, PlacedPicture};
pub use placement::{Placement, PlacementWish};
pub use split::Split;
pub use weights::Weights;

/// A causal language model.
pub trait CausalLm: Send {
    /// What the model is.
    fn config(&self) -> &ModelConfig;

    /// Runs the batch through the model: writes each row's key and value to its slot, and replaces `logits` by those
    /// of `batch.logit_rows`, `[logit_rows.len(), vocab_size]`.
    ///
    /// A row's logits do not depend on the other rows of the batch, to the last bit. On a CPU nothing is allocated
    /// once a batch of the same shape and a `logits` of the same size were there before.
    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError>;

    /// Takes states over the guesses of the last pass that turned out right: `batch` is that pass's behind
    /// [`ForwardBatch::keep_right`]. The bits are those of a pass over the same tokens. A model without states has nothing
    /// to do: keys and values of wrong guesses are written over.
    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError>;

    /// Gives the model an assistant, a file of [`registry::is_assistant`]. `split` is how the model's own parts compute.
    fn attach(&mut self, _assistant: &GgufFile, _split: &Split) -> Result<(), ModelError> {
        Err(ModelError::WrongAssistant { reason: "it is for models of the Gemma 4 family".to_owned() })
    }

    /// What predicts further tokens for this model, if anything does.
    fn predicts(&self) -> Option<Predictor> {
        None
    }

    /// Predicts further tokens from rows that a pass with [`ForwardBatch::keeps_hidden`] made: `hidden` names one for each row of the
    /// batch, whose tokens are those that came *next*, behind the rows' positions. Replaces `logits` by those of the token behind
    /// that one, for `batch.logit_rows`; what is made of these is kept in place of what the model made, so that with the token
    /// that is likeliest there it goes on over its own guess. See [`Predictor`] for what else there is to know.
    fn predict(
        &self,
        _batch: &ForwardBatch,
        _hidden: &[u32],
        _kv: &mut KvCache,
        _logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        Err(ModelError::no_predictor())
    }
}

/// What predicts further tokens for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predictor {
    /// A head in the model's file with a layer of its own in the cache: it must see every token, has blocks in the first group
    /// of layers, and goes on at the next position. Every row of a pass is kept for it.
    Head,
    /// An assistant that looks at what the model keeps: one row for each guess, always at the last position that the model
    /// computed, with blocks in all groups. The rows whose logits were wanted are kept for it.
    Assistant,
}
