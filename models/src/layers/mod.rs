//! The parts that families are built from. A part knows how to compute on a CPU (kernels over slices) and on any other
//! device (candle operations), and nothing of any particular architecture.

mod attention;
mod attention_tensors;
mod block;
mod conv;
mod decoder;
mod delta_net;
mod dispatch;
mod embedding;
mod expert_matrices;
mod experts;
mod gated_conv;
mod head;
mod linear;
mod mamba2;
mod mlp;
mod norm;
mod per_layer;
mod projections;
mod query_scale;
mod rope;
mod rope_params;
mod router;
mod routing;
mod shared_expert;

pub(crate) use attention::{Attention, AttentionParams, Values};
pub(crate) use attention_tensors::SCORES;
pub(crate) use block::{Block, BlockNorms, BlockRope, Mixer, Network, Part};
pub(crate) use decoder::Decoder;
pub(crate) use delta_net::{DeltaNet, DeltaNetParams, HeadSharing};
pub(crate) use dispatch::Dispatch;
pub(crate) use embedding::Embedding;
pub(crate) use expert_matrices::ExpertMatrices;
pub(crate) use experts::{ExpertParams, Experts};
pub(crate) use gated_conv::GatedConv;
pub(crate) use head::Head;
pub(crate) use linear::{DEVICE_ROWS, Linear, candle_type};
pub(crate) use mamba2::{Mamba2, Mamba2Params};
pub(crate) use mlp::{Activation, GatedMlp};
pub(crate) use norm::RmsNorm;
pub(crate) use per_layer::{PerLayerGate, PerLayerInputs};
pub(crate) use query_scale::QueryScale;
pub(crate) use rope::{Rope, RopePairs, RopeTable};
pub(crate) use rope_params::{RopeParams, RopeScaling};
pub(crate) use routing::Routing;
