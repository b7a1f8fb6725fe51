//! Runs a model for any number of callers at once: text or messages in, a stream of text out.
//!
//! [`Engine::load`] maps a GGUF file and starts one thread that owns everything mutable: the sequences, the blocks
//! of the KV cache, the schedule. [`Engine::generate`] hands it a prompt; the [`GenerationStream`] it returns
//! brings the answer, and dropping that stream ends it. An [`EmbeddingModel`] turns texts into vectors instead. This crate knows no HTTP, no SQL, no settings and no
//! conversations, and no architecture: those are `lantern-models`.
#![forbid(unsafe_code)]

pub mod bench;
mod block_manager;
mod block_pool;
mod capabilities;
mod cgroup;
mod cores;
mod device;
mod draft_model;
mod draft_plan;
mod drafter;
mod embedding;
mod engine;
mod error;
mod expert_memory;
mod generation;
mod guesser;
mod identity;
mod inputs;
mod kv_demand;
mod ledger;
mod loading;
mod logprobs;
mod lookup;
mod marks;
mod masks;
mod memory;
mod options;
mod overflow;
mod pacing;
pub mod perplexity;
mod picture;
mod prefix_disk;
mod pressure;
mod projector;
mod prompt;
mod request;
mod runner;
mod scheduler;
mod scratch;
mod sequence;
mod step_costs;
mod stream;
pub mod text;
mod vision;
mod worker;

pub use capabilities::{Capabilities, capabilities, capabilities_of, template_says};
pub use device::{DevicePart, DeviceUse};
pub use draft_plan::check_same_tokens;
pub use embedding::{EmbeddingModel, Embeddings};
pub use engine::{Engine, Growth};
pub use error::EngineError;
pub use expert_memory::ExpertMemory;
pub use identity::{generates, quantisation, slow_types};
pub use inputs::{Inputs, SeenPicture};
pub use lantern_models::packed::{CopyOnDisk, PackedCopies};
pub use lantern_models::{KvType, fingerprint};
pub use ledger::{Charge, HostMemory, Ledger};
pub use memory::{
    AlonePlan, DEFAULT_CONTEXT, MemoryPlan, available_bytes, peak_rss_bytes, peak_rss_bytes_of, rss_bytes,
};
pub use options::{EngineInfo, EngineOptions, EngineStats};
pub use overflow::{Dropped, Overflow};
pub use picture::{Picture, PictureFile};
pub use prefix_disk::DiskCacheOptions;
pub use projector::projector_beside;
pub use request::{
    FinishReason, GenerateRequest, GenerationEvent, MOST_LOGPROBS, Priority, Prompt, Timings, TokenLogprob,
    TopLogprob, Usage,
};
pub use scratch::Scratch;
pub use stream::{EventSender, GenerationStream};
pub use text::{
    ChatMessage, ChatTemplate, Constraint, ContentPart, GrammarError, OutputEvent, OutputFormat,
    OutputParser, SamplingParams, TemplateError, TemplateOptions, TemplateSource, Tokenizer, TokenizerError,
    ToolChoice, ToolSet,
};
