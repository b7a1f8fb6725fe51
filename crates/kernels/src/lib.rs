//! CPU kernels: a pool of threads, matrix products over quantised weights, and attention over paged keys and values.
//!
//! Everything takes and gives plain slices of `f32`. Quantised weights are rearranged once, in their own size. One rule
//! binds every kernel: **the numbers of a row depend on that row alone**, never on what else is in the batch, on the
//! number of threads or on how the work was cut; products over quantised weights even agree bit for bit between
//! instruction sets. How is said in `dot`.
//!
//! This crate knows block types but no models, no sequences and no files. It is the home of `unsafe`: raw pointers
//! appear where threads share an output and where SIMD loads are, each with its argument.
#![deny(unsafe_op_in_unsafe_fn)]

mod arena;
mod attention;
mod deferred;
mod dot;
mod elementwise;
mod error;
mod exp;
mod floats;
mod isa;
mod lanes;
mod matmul;
mod matrix;
mod packed;
mod pages;
mod pool;
mod quantize;
mod recurrent;
mod residency;
mod share;

pub use arena::Arena;
pub use attention::{
    AttentionSeq, AttentionShape, KvDims, KvSide, KvSlice, KvSliceMut, attention, load_kv, store_kv,
};
pub use elementwise::{
    Activation, RopePairs, Rotation, SWIGLU_ALPHA, SWIGLU_LIMIT, activate, add, gate, gate_halves,
    layer_norm, multiply, rms_norm, rms_norm_in_place, rope, scale, scale_rows, softcap, weighted_sum,
};
pub use error::KernelError;
pub use isa::{Isa, isa};
pub use matmul::{ExpertRows, MAX_PRODUCTS, Product, matmul, matmul_each, matmul_experts};
pub use matrix::{MatrixShape, QMatrix, embed, is_slow};
pub use packed::PACKING_VERSION;
pub use pages::{give_back, let_go_of_code, let_go_of_freed};
pub use pool::Pool;
pub use recurrent::{
    HeadSharing, LinearInputs, LinearRule, LinearShape, NO_BLOCK, ShortConv, States, linear_attention,
    short_conv,
};
pub use residency::{ExpertCounts, ExpertStore};
