//! Attention of new rows over keys and values that lie in blocks, as a paged cache keeps them.
//!
//! This file checks shapes and splits the work; [`rows`] computes. A query's result depends on its own keys and
//! values alone: chunks of the context are cut at fixed positions, whatever else is in the batch.

mod rows;
#[cfg(test)]
mod tests;

use half::f16;

use crate::KernelError;
use crate::error::check_len;
use crate::isa::{Isa, isa};
use crate::pool::Pool;
use crate::share::Shared;

/// Rows of a prompt that share the pass over their keys.
const ROWS_PER_TASK: usize = 8;

/// The dimensions of one attention layer.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionShape {
    /// Query heads; a multiple of `n_kv_heads`.
    pub n_heads: usize,
    /// Heads of keys and values.
    pub n_kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Tokens in a block of the cache.
    pub block_size: usize,
    /// Factor of every score, usually 1/√head_dim.
    pub scale: f32,
    /// A query sees so many positions, its own included; `None` for all.
    pub window: Option<u32>,
    /// Scores become `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
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
}

/// Keys or values, `[blocks · block_size, n_kv_heads, head_dim]`.
#[derive(Debug, Clone, Copy)]
pub enum KvSlice<'a> {
    /// In 32 bits.
    F32(&'a [f32]),
    /// In 16 bits.
    F16(&'a [f16]),
}

impl KvSlice<'_> {
    fn len(&self) -> usize {
        match self {
            KvSlice::F32(values) => values.len(),
            KvSlice::F16(values) => values.len(),
        }
    }
}

/// Writes to `out[rows, n_heads, head_dim]` what the queries `q`, of the same shape, see.
///
/// Keys and values of the rows themselves must be in `k` and `v` already. Sequences are in the order of their rows;
/// rows that belong to none are left alone. `block_tables` holds the blocks of all sequences.
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
    check(shape, q, k, v, seqs, block_tables, out)?;
    let tasks = split(shape, seqs, block_tables, pool.threads());
    let (out, stride) = (Shared::new(out), shape.n_heads * shape.head_dim);
    pool.run(tasks.len(), &|i| {
        let task = &tasks[i];
        rows::attend(isa, shape, q, k, v, task, |row, head, values| {
            // SAFETY: `check` found that no two sequences share a row, and `split` gives each row and head of a
            // sequence to one task.
            unsafe { out.piece(row * stride + head * shape.head_dim, shape.head_dim) }
                .copy_from_slice(values);
        });
    });
    Ok(())
}

/// Some rows of a sequence and some query heads of one key-value head.
struct Task<'a> {
    seq: AttentionSeq,
    /// The sequence's blocks, in the order of positions.
    blocks: &'a [u32],
    /// Rows, counted from the sequence's first.
    rows: std::ops::Range<usize>,
    heads: std::ops::Range<usize>,
    kv_head: usize,
}

/// Cuts a batch into tasks: by rows and key-value heads, and by query heads when that leaves threads without work.
fn split<'a>(
    shape: &AttentionShape,
    seqs: &[AttentionSeq],
    block_tables: &'a [u32],
    threads: usize,
) -> Vec<Task<'a>> {
    let chunks: usize = seqs.iter().map(|seq| seq.rows.div_ceil(ROWS_PER_TASK)).sum();
    let group = shape.n_heads / shape.n_kv_heads;
    let parts = threads.div_ceil((chunks * shape.n_kv_heads).max(1)).clamp(1, group);
    let per_part = group.div_ceil(parts);
    let mut tasks = Vec::with_capacity(chunks * shape.n_kv_heads * parts);
    for seq in seqs {
        let blocks = &block_tables[seq.first_block..];
        // The last rows see most: started first, they leave no thread alone at the end.
        for start in (0..seq.rows).step_by(ROWS_PER_TASK).rev() {
            for kv_head in 0..shape.n_kv_heads {
                for first in (0..group).step_by(per_part) {
                    let base = kv_head * group;
                    let heads = base + first..base + group.min(first + per_part);
                    let rows = start..seq.rows.min(start + ROWS_PER_TASK);
                    tasks.push(Task { seq: *seq, blocks, rows, heads, kv_head });
                }
            }
        }
    }
    tasks
}

/// The first position a query at `position` sees.
fn first_seen(shape: &AttentionShape, position: usize) -> usize {
    shape.window.map_or(0, |window| (position + 1).saturating_sub(window as usize))
}

fn check(
    shape: &AttentionShape,
    q: &[f32],
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    seqs: &[AttentionSeq],
    block_tables: &[u32],
    out: &[f32],
) -> Result<(), KernelError> {
    let AttentionShape { n_heads, n_kv_heads, head_dim, block_size, .. } = *shape;
    if n_kv_heads == 0 || head_dim == 0 || block_size == 0 || !n_heads.is_multiple_of(n_kv_heads) {
        return Err(KernelError::Shape(format!(
            "{n_heads} query heads, {n_kv_heads} key-value heads of {head_dim} numbers, blocks of {block_size}"
        )));
    }
    let row = n_heads * head_dim;
    let rows = q.len().checked_div(row).unwrap_or(0);
    check_len("the queries", q.len(), rows.checked_mul(row))?;
    check_len("the output of attention", out.len(), Some(q.len()))?;
    check_len("the values", v.len(), Some(k.len()))?;
    let per_block = block_size * n_kv_heads * head_dim;
    let blocks = k.len() / per_block;
    check_len("the keys", k.len(), blocks.checked_mul(per_block))?;
    let mut free = 0;
    for seq in seqs {
        check_seq(shape, seq, block_tables, blocks)?;
        let end = seq.first_row.saturating_add(seq.rows);
        if end > rows {
            return Err(KernelError::Index { what: "row", index: end, limit: rows });
        }
        if seq.first_row < free {
            return Err(KernelError::Shape(format!(
                "a sequence in rows {}..{end} after row {free}",
                seq.first_row
            )));
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
    let first = first_seen(shape, seq.context - seq.rows) / shape.block_size;
    for &block in &table[first.min(needed)..] {
        if block as usize >= blocks {
            return Err(KernelError::Index { what: "block", index: block as usize, limit: blocks });
        }
    }
    Ok(())
}
