//! The parts that families are built from. A part knows how to compute on a CPU (kernels over slices) and on any other
//! device (candle operations), and nothing of any particular architecture.

mod attention;
mod attention_tensors;
mod embedding;
mod head;
mod linear;
mod math;
mod mlp;
mod norm;
mod rope;

pub(crate) use attention::{Attention, AttentionParams};
pub(crate) use embedding::Embedding;
pub(crate) use head::Head;
pub(crate) use linear::{Linear, Matrix};
pub(crate) use mlp::{Activation, GatedMlp};
pub(crate) use norm::RmsNorm;
pub(crate) use rope::{Rope, RopePairs, RopeParams, RopeScaling, RopeTable};
