//! Attention of one sequence as candle operations: the way for devices without kernels of their own.

use candle_core::{D, Device, Tensor};

use super::AttentionParams;
use crate::{BatchSeq, ForwardBatch, ModelError};

/// One sequence's inputs: queries `[rows, n_heads, head_dim]` of its last positions, keys and values
/// `[context, n_kv_heads, head_dim]` of all.
pub(crate) struct SeqTensors {
    pub(crate) queries: Tensor,
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

/// The slots of a sequence's tokens, in order.
pub(crate) fn slots(batch: &ForwardBatch, seq: &BatchSeq, block_size: usize) -> Vec<u32> {
    let blocks = batch.blocks(seq, block_size);
    (0..seq.context).map(|i| blocks[i / block_size] * block_size as u32 + (i % block_size) as u32).collect()
}

/// `[rows, n_heads, head_dim]`.
pub(crate) fn attend(params: &AttentionParams, seq: &SeqTensors) -> Result<Tensor, ModelError> {
    let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = *params;
    let (rows, context) = (seq.queries.dim(0)?, seq.keys.dim(0)?);
    let group = n_heads / n_kv_heads;
    // The heads of a group share their keys: [n_kv_heads, group * rows, head_dim].
    let queries = seq.queries.transpose(0, 1)?.contiguous()?.reshape((n_kv_heads, group * rows, head_dim))?;
    let keys = seq.keys.transpose(0, 1)?.contiguous()?;
    let values = seq.values.transpose(0, 1)?.contiguous()?;
    let mut scores = (queries.matmul(&keys.t()?)? * params.scale as f64)?;
    if let Some(cap) = params.softcap {
        scores = ((scores / cap as f64)?.tanh()? * cap as f64)?;
    }
    let mask = mask(rows, context, params.window, scores.device())?;
    let scores = scores.reshape((n_heads, rows, context))?.broadcast_add(&mask)?;
    let weights = softmax(&scores)?.reshape((n_kv_heads, group * rows, context))?;
    let out = weights.matmul(&values)?.reshape((n_heads, rows, head_dim))?;
    Ok(out.transpose(0, 1)?.contiguous()?)
}

/// 0 where a row may look, minus infinity elsewhere; `[rows, context]`.
fn mask(rows: usize, context: usize, window: Option<u32>, device: &Device) -> Result<Tensor, ModelError> {
    let visible = |position: usize, token: usize| {
        token <= position && window.is_none_or(|window| position - token < window as usize)
    };
    let mut values = Vec::with_capacity(rows * context);
    for row in 0..rows {
        let position = context - rows + row;
        values
            .extend((0..context).map(|token| if visible(position, token) { 0.0 } else { f32::NEG_INFINITY }));
    }
    Ok(Tensor::from_vec(values, (rows, context), device)?)
}

fn softmax(x: &Tensor) -> Result<Tensor, ModelError> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?)
}
