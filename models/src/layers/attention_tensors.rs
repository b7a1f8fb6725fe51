//! Attention of one sequence as candle operations: the way for devices without kernels of their own.

use candle_core::{D, Device, Tensor};

use super::AttentionParams;
use crate::{BatchSeq, ModelError, Reach};

/// Scores that are made at once, 64 MiB of them: a long prompt over a long context passes in several parts of its rows.
pub(crate) const SCORES: usize = 1 << 24;

/// One sequence's inputs: queries `[rows, n_heads, head_dim]` of its last positions, keys and values
/// `[seen, n_kv_heads, head_dim]` of the positions up to there that any of them sees.
pub(crate) struct SeqTensors {
    pub(crate) queries: Tensor,
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
    /// Whether the rows see each other in both directions besides what they see anyway.
    pub(crate) together: bool,
}

/// The slots of the tokens that a sequence's rows see, in order; `blocks` are those of the sequence.
pub(crate) fn slots(blocks: &[u32], seq: &BatchSeq, window: Option<u32>, block_size: usize) -> Vec<u32> {
    let slot = |i: usize| blocks[i / block_size] * block_size as u32 + (i % block_size) as u32;
    (Reach::of_window(window).first_seen(seq.context - seq.rows)..seq.context).map(slot).collect()
}

/// `[rows, n_heads, head_dim]`. `sinks`, `[n_heads]`, are one more score for each head, whose value is nothing.
pub(crate) fn attend(
    params: &AttentionParams,
    sinks: Option<&Tensor>,
    seq: &SeqTensors,
) -> Result<Tensor, ModelError> {
    let seen = seq.keys.dim(0)?;
    attend_in_parts(params, sinks, seq, (SCORES / (params.n_heads * seen)).max(1))
}

/// As [`attend`], with so many rows at once.
fn attend_in_parts(
    params: &AttentionParams,
    sinks: Option<&Tensor>,
    seq: &SeqTensors,
    at_once: usize,
) -> Result<Tensor, ModelError> {
    let (rows, seen) = (seq.queries.dim(0)?, seq.keys.dim(0)?);
    let keys = seq.keys.transpose(0, 1)?.contiguous()?;
    let values = seq.values.transpose(0, 1)?.contiguous()?;
    let part = |first: usize| {
        let queries = seq.queries.narrow(0, first, at_once.min(rows - first))?;
        let visible = Visible { first: seen - rows + first, together: seq.together.then_some(seen - rows) };
        attend_rows(params, sinks, &queries, visible, &keys, &values)
    };
    let parts = (0..rows).step_by(at_once).map(part).collect::<Result<Vec<_>, ModelError>>()?;
    Ok(Tensor::cat(&parts, 0)?)
}

/// Where rows stand among the tokens that are seen.
#[derive(Clone, Copy)]
struct Visible {
    /// The token of the first of them.
    first: usize,
    /// From which token on all of them see everything, if they do.
    together: Option<usize>,
}

/// Rows that stand where `visible` says, over keys and values `[n_kv_heads, seen, head_dim]`.
fn attend_rows(
    params: &AttentionParams,
    sinks: Option<&Tensor>,
    queries: &Tensor,
    visible: Visible,
    keys: &Tensor,
    values: &Tensor,
) -> Result<Tensor, ModelError> {
    let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = *params;
    let (rows, seen) = (queries.dim(0)?, keys.dim(1)?);
    let group = n_heads / n_kv_heads;
    // The heads of a group share their keys: [n_kv_heads, group * rows, head_dim].
    let queries = queries.transpose(0, 1)?.contiguous()?.reshape((n_kv_heads, group * rows, head_dim))?;
    let mut scores = (queries.matmul(&keys.t()?)? * params.scale as f64)?;
    if let Some(cap) = params.softcap {
        scores = ((scores / cap as f64)?.tanh()? * cap as f64)?;
    }
    let mask = mask(visible, rows, seen, params, scores.device())?;
    let scores = scores.reshape((n_heads, rows, seen))?.broadcast_add(&mask)?;
    let weights = match sinks {
        None => softmax(&scores)?,
        Some(sinks) => {
            let sinks = sinks.reshape((n_heads, 1, 1))?.expand((n_heads, rows, 1))?;
            softmax(&Tensor::cat(&[&scores, &sinks], 2)?)?.narrow(2, 0, seen)?.contiguous()?
        }
    };
    let weights = weights.reshape((n_kv_heads, group * rows, seen))?;
    let out = weights.matmul(values)?.reshape((n_heads, rows, head_dim))?;
    Ok(out.transpose(0, 1)?.contiguous()?)
}

/// 0 where a row may look, minus infinity elsewhere; `[rows, seen]`. Only distances matter, so positions are counted from the
/// first token that is seen.
fn mask(
    at: Visible,
    rows: usize,
    seen: usize,
    params: &AttentionParams,
    device: &Device,
) -> Result<Tensor, ModelError> {
    let visible = |position: usize, token: usize| {
        let behind = params.window.is_none_or(|window| position.saturating_sub(token) < window as usize);
        let ahead = token.saturating_sub(position) <= params.ahead as usize;
        behind && ahead || at.together.is_some_and(|from| token >= from)
    };
    let mut values = Vec::with_capacity(rows * seen);
    for position in at.first..at.first + rows {
        values.extend((0..seen).map(|token| if visible(position, token) { 0.0 } else { f32::NEG_INFINITY }));
    }
    Ok(Tensor::from_vec(values, (rows, seen), device)?)
}

fn softmax(x: &Tensor) -> Result<Tensor, ModelError> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_prompt_see_what_the_whole_saw() {
        let params = AttentionParams {
            n_heads: 4,
            n_kv_heads: 2,
            head_dim: 8,
            scale: 0.35,
            window: Some(6),
            ahead: 0,
            in_one_pass: false,
            pictures_together: true,
            softcap: Some(20.0),
            query_scale: None,
        };
        let numbers = |rows: usize, heads: usize, factor: f32| {
            let values: Vec<f32> = (0..rows * heads * 8).map(|i| (i as f32 * factor).sin()).collect();
            Tensor::from_vec(values, (rows, heads, 8), &Device::Cpu).unwrap()
        };
        let seq = SeqTensors {
            queries: numbers(10, 4, 0.7),
            keys: numbers(17, 2, 1.1),
            values: numbers(17, 2, 0.3),
            together: false,
        };
        let sinks = Tensor::new(&[0.5f32, -1.0, 2.0, 0.0], &Device::Cpu).unwrap();
        let attended = |at_once| -> Vec<f32> {
            attend_in_parts(&params, Some(&sinks), &seq, at_once)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        let whole = attended(10);
        assert!(whole.iter().any(|x| x.abs() > 0.1));
        for at_once in [1, 3, 9] {
            for (a, b) in whole.iter().zip(attended(at_once)) {
                assert!((a - b).abs() < 1e-6, "{at_once} rows at once: {a} became {b}");
            }
        }
    }
}
