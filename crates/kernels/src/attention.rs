//! Attention of new rows over keys and values that lie in blocks, as a paged cache keeps them.
//!
//! The context is cut into chunks at fixed positions. Each chunk gives every query a softmax and weighted values of
//! its own ([`chunk`]), and these are put together in the order of the chunks ([`softmax`]): by the task that walks
//! through them, or, where few queries look far back, by whichever of the tasks that share the context comes last
//! ([`plan`]). So a query's result depends on its own keys and values alone, and not on how the work was cut.

mod cache;
mod chunk;
mod hadamard;
mod plan;
mod rounding;
mod softmax;
mod task;
#[cfg(test)]
mod tests;
mod tile;
mod values;
mod wide;

use std::ops::Range;
use std::sync::Arc;

use crate::KernelError;
use crate::error::check_len;
use crate::isa::{Isa, isa};
use crate::pool::Pool;

pub use cache::{KvDims, KvSide, KvSlice, KvSliceMut, load_kv, store_kv};

/// Positions that are weighed together.
const CHUNK: usize = 128;

/// The dimensions of one attention layer.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionShape {
    /// Query heads; a multiple of `n_kv_heads`.
    pub n_heads: usize,
    /// Heads of keys and values.
    pub n_kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Tokens in a block of the cache; a multiple of 16.
    pub block_size: usize,
    /// Factor of every score, usually 1/√head_dim.
    pub scale: f32,
    /// A query sees so many positions, its own included; `None` for all.
    pub window: Option<u32>,
    /// And so many behind its own, as far as the context goes: none in causal attention.
    pub ahead: u32,
    /// Scores become `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// One more score for each query head, which takes its share of the weights and has no value.
    pub sinks: Option<Arc<[f32]>>,
}

/// The rows of one sequence in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionSeq {
    /// The first of its rows in the batch.
    pub first_row: usize,
    /// How many rows it has.
    pub rows: usize,
    /// Tokens in the cache, these rows included; row `i` sits at position `context - rows + i`.
    pub context: usize,
    /// Where its blocks begin in the batch's table of blocks: `context.div_ceil(block_size)` of them, in the order
    /// of positions. Blocks that a window no longer reaches are not looked at.
    pub first_block: usize,
    /// Whether its rows see each other in both directions, as the parts of a picture do, besides what they see anyway.
    pub together: bool,
    /// So many of its rows, the last ones, may turn out wrong: of layers with a state none is kept behind them. Attention
    /// does not ask.
    pub guesses: usize,
}

/// Writes to `out[rows, n_heads, head_dim]` what the queries `q`, of the same shape, see.
///
/// Keys and values of the rows themselves must be in `k` and `v` already, which are of one kind. Sequences are in
/// the order of their rows; rows that belong to none are left alone. `block_tables` holds the blocks of all
/// sequences. Nothing is allocated once a thread has seen its largest batch.
#[allow(clippy::too_many_arguments)]
pub fn attention(
    pool: &Pool,
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    seqs: &[AttentionSeq],
    block_tables: &[u32],
    out: &mut [f32],
) -> Result<(), KernelError> {
    run(isa(), pool, shape, q, k, v, seqs, block_tables, out)
}

/// As [`attention`] on an instruction set of the caller's choice, which must be available.
#[allow(clippy::too_many_arguments)]
fn run(
    isa: Isa,
    pool: &Pool,
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    seqs: &[AttentionSeq],
    block_tables: &[u32],
    out: &mut [f32],
) -> Result<(), KernelError> {
    let blocks = check(shape, q, k, v, out)?;
    check_seqs(shape, seqs, block_tables, q.len() / (shape.n_heads * shape.head_dim), blocks)?;
    match (k, v) {
        (KvSlice::F32(k), KvSlice::F32(v)) => {
            let (k, v) = (plane(k), plane(v));
            task::run_all(&task::Job { isa, shape, q, k, v, block_tables }, pool, seqs, out);
        }
        (KvSlice::F16(k), KvSlice::F16(v)) => {
            let (k, v) = (plane(k), plane(v));
            task::run_all(&task::Job { isa, shape, q, k, v, block_tables }, pool, seqs, out);
        }
        (KvSlice::Q8_0 { scales, quants }, KvSlice::Q8_0 { scales: v_scales, quants: v_quants }) => {
            let k = chunk::Plane { numbers: quants, scales };
            let v = chunk::Plane { numbers: v_quants, scales: v_scales };
            task::run_all(&task::Job { isa, shape, q, k, v, block_tables }, pool, seqs, out);
        }
        (KvSlice::Q4_0 { scales, quants }, KvSlice::Q4_0 { scales: v_scales, quants: v_quants }) => {
            let k = chunk::Plane { numbers: quants, scales };
            let v = chunk::Plane { numbers: v_quants, scales: v_scales };
            task::run_all(&task::Job { isa, shape, q, k, v, block_tables }, pool, seqs, out);
        }
        _ => return Err(KernelError::Shape("keys and values of two kinds".to_owned())),
    }
    Ok(())
}

fn plane<T>(numbers: &[T]) -> chunk::Plane<'_, T> {
    chunk::Plane { numbers, scales: &[] }
}

/// The positions that a sequence's row sees.
fn seen(shape: &AttentionShape, seq: &AttentionSeq, row: usize) -> Range<usize> {
    let start = seq.context - seq.rows;
    let position = start + row;
    let first = shape.window.map_or(0, |window| (position + 1).saturating_sub(window as usize));
    if seq.together {
        return first.min(start)..seq.context;
    }
    first..(position + 1).saturating_add(shape.ahead as usize).min(seq.context)
}

/// Checks all lengths and gives the number of blocks.
fn check(
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    out: &[f32],
) -> Result<usize, KernelError> {
    let AttentionShape { n_heads, n_kv_heads, head_dim, block_size, .. } = *shape;
    let blocks = k.blocks(&KvDims { n_kv_heads, head_dim, block_size })?;
    let value_blocks = v.blocks(&KvDims { n_kv_heads, head_dim, block_size })?;
    check_len("the blocks of values", value_blocks, Some(blocks))?;
    if n_heads == 0 || !n_heads.is_multiple_of(n_kv_heads) {
        return Err(KernelError::Shape(format!("{n_heads} query heads, {n_kv_heads} key-value heads")));
    }
    if shape.window == Some(0) {
        return Err(KernelError::Shape("a window of nothing".to_owned()));
    }
    if let Some(sinks) = &shape.sinks {
        check_len("the sinks", sinks.len(), Some(n_heads))?;
    }
    let row = n_heads * head_dim;
    check_len("the queries", q.len(), (q.len() / row).checked_mul(row))?;
    check_len("the output of attention", out.len(), Some(q.len()))?;
    Ok(blocks)
}

fn check_seqs(
    shape: &AttentionShape,
    seqs: &[AttentionSeq],
    block_tables: &[u32],
    rows: usize,
    blocks: usize,
) -> Result<(), KernelError> {
    let mut free = 0;
    for seq in seqs {
        check_seq(shape, seq, block_tables, blocks)?;
        let end = seq.first_row.saturating_add(seq.rows);
        if end > rows {
            return Err(KernelError::Index { what: "row", index: end, limit: rows });
        }
        if seq.first_row < free {
            return Err(KernelError::Shape(format!("a row {} after row {free}", seq.first_row)));
        }
        free = end;
    }
    Ok(())
}

fn check_seq(
    shape: &AttentionShape,
    seq: &AttentionSeq,
    block_tables: &[u32],
    blocks: usize,
) -> Result<(), KernelError> {
    if seq.rows > seq.context {
        return Err(KernelError::Shape(format!("{} rows in a context of {}", seq.rows, seq.context)));
    }
    let needed = seq.context.div_ceil(shape.block_size);
    let table = block_tables.get(seq.first_block..).unwrap_or_default();
    let Some(table) = table.get(..needed) else {
        let found = table.len();
        return Err(KernelError::Length { what: "a sequence's block table", found, expected: needed });
    };
    if seq.rows == 0 {
        return Ok(());
    }
    let first = seen(shape, seq, 0).start / shape.block_size;
    for &block in &table[first.min(needed)..] {
        if block as usize >= blocks {
            return Err(KernelError::Index { what: "block", index: block as usize, limit: blocks });
        }
    }
    Ok(())
}
