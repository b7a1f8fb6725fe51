//! Attention of one sequence as candle operations: the way for devices without kernels of their own.

use candle_core::{D, Device, Tensor};

use super::AttentionParams;
use crate::{BatchSeq, ModelError, first_seen};

/// One sequence's inputs: queries `[rows, n_heads, head_dim]` of its last positions, keys and values
/// `[seen, n_kv_heads, head_dim]` of the positions up to there that any of them sees.
pub(crate) struct SeqTensors {
    pub(crate) queries: Tensor,
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

/// The slots of the tokens that a sequence's rows see, in order; `blocks` are those of the sequence.
pub(crate) fn slots(blocks: &[u32], seq: &BatchSeq, window: Option<u32>, block_size: usize) -> Vec<u32> {
    let slot = |i: usize| blocks[i / block_size] * block_size as u32 + (i % block_size) as u32;
    (first_seen(window, seq.context - seq.rows)..seq.context).map(slot).collect()
}

/// `[rows, n_heads, head_dim]`.
pub(crate) fn attend(params: &AttentionParams, seq: &SeqTensors) -> Result<Tensor, ModelError> {
    let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = *params;
    let (rows, seen) = (seq.queries.dim(0)?, seq.keys.dim(0)?);
    let group = n_heads / n_kv_heads;
    // The heads of a group share their keys: [n_kv_heads, group * rows, head_dim].
    let queries = seq.queries.transpose(0, 1)?.contiguous()?.reshape((n_kv_heads, group * rows, head_dim))?;
    let keys = seq.keys.transpose(0, 1)?.contiguous()?;
    let values = seq.values.transpose(0, 1)?.contiguous()?;
    let mut scores = (queries.matmul(&keys.t()?)? * params.scale as f64)?;
    if let Some(cap) = params.softcap {
        scores = ((scores / cap as f64)?.tanh()? * cap as f64)?;
    }
    let mask = mask(rows, seen, params.window, scores.device())?;
    let scores = scores.reshape((n_heads, rows, seen))?.broadcast_add(&mask)?;
    let weights = softmax(&scores)?.reshape((n_kv_heads, group * rows, seen))?;
    let out = weights.matmul(&values)?.reshape((n_heads, rows, head_dim))?;
    Ok(out.transpose(0, 1)?.contiguous()?)
}

/// 0 where a row may look, minus infinity elsewhere; `[rows, seen]`. Only distances matter, so tokens are counted from
/// the first that is seen.
fn mask(rows: usize, seen: usize, window: Option<u32>, device: &Device) -> Result<Tensor, ModelError> {
    let visible = |position: usize, token: usize| {
        token <= position && window.is_none_or(|window| position - token < window as usize)
    };
    let mut values = Vec::with_capacity(rows * seen);
    for row in 0..rows {
        let position = seen - rows + row;
        values.extend((0..seen).map(|token| if visible(position, token) { 0.0 } else { f32::NEG_INFINITY }));
    }
    Ok(Tensor::from_vec(values, (rows, seen), device)?)
}

fn softmax(x: &Tensor) -> Result<Tensor, ModelError> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?)
}
