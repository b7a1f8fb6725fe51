//! Linear attention: each head keeps a matrix that maps keys to values; a token lets it fade, adds to it, and asks it about
//! the token's query.
//!
//! With `S` the matrix before a token, `q`, `k` and `v` its query, key and value, `α` what is left of the past and `β` how
//! much the token counts, a token gives `S'ᵀq`, where
//! - by the gated delta rule (Yang et al., "Gated Delta Networks", 2024) it corrects what the matrix says about its key:
//!   `S' = αS + k ⊗ β(v − αSᵀk)`. There `q` and `k` are brought to length one, `q` then divided by the root of its size;
//! - in Mamba-2 (Dao & Gu, "Transformers are SSMs", 2024) it adds: `S' = αS + k ⊗ βv`.

use super::{Part, States};
use crate::elementwise::{Pass, run};
use crate::error::check_len;
use crate::isa::isa;
use crate::lanes::Lanes;
use crate::share::Shared;
use crate::{KernelError, Pool};

/// Eights of columns that are computed together: their part of a matrix stays in the nearest cache.
const EIGHTS: usize = 4;
const MAX_KEY: usize = LinearShape::MAX_KEY;
/// Keeps a key of zeros from being divided by zero.
const EPS: f32 = 1e-6;

/// What a token does to the matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinearRule {
    /// The gated delta rule. Rows are queries, keys and values.
    Delta,
    /// That of Mamba-2, where they are called C, B and x. Rows are values, keys and queries.
    Sum,
}

/// Which heads of values have the queries and keys of a head, where there are more of the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadSharing {
    /// As many beside each other as there are for each head of keys.
    Neighbours,
    /// Every `n_key_heads`th.
    Strided,
}

/// The dimensions of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearShape {
    /// What a token does.
    pub rule: LinearRule,
    /// Which heads belong together.
    pub sharing: HeadSharing,
    /// Heads of queries and keys.
    pub n_key_heads: usize,
    /// Heads of values, each with a matrix; a multiple of `n_key_heads`.
    pub n_value_heads: usize,
    /// Numbers in a query and in a key.
    pub key_dim: usize,
    /// Numbers in a value.
    pub value_dim: usize,
    /// Where its [`Self::state_len`] numbers begin in a state.
    pub first: usize,
}

/// What the rows of a batch bring.
#[derive(Debug, Clone, Copy)]
pub struct LinearInputs<'a> {
    /// Queries, keys and values of each row beside each other in the rule's order:
    /// `[rows, n_key_heads · key_dim + n_key_heads · key_dim + n_value_heads · value_dim]`.
    pub qkv: &'a [f32],
    /// α, `[rows, n_value_heads]`.
    pub decay: &'a [f32],
    /// β, `[rows, n_value_heads]`.
    pub beta: &'a [f32],
}

impl LinearShape {
    /// Queries and keys may have so many numbers.
    pub const MAX_KEY: usize = 512;

    /// Numbers of all matrices, whose columns come in eights.
    pub fn state_len(&self) -> usize {
        self.n_value_heads * self.key_dim * self.value_dim.next_multiple_of(8)
    }

    /// Numbers of a row's queries, keys and values.
    pub fn qkv_width(&self) -> usize {
        2 * self.keys_width() + self.n_value_heads * self.value_dim
    }

    fn keys_width(&self) -> usize {
        self.n_key_heads * self.key_dim
    }

    /// Where queries, keys and values begin in a row.
    fn starts(&self) -> [usize; 3] {
        let (keys, values) = (self.keys_width(), self.n_value_heads * self.value_dim);
        match self.rule {
            LinearRule::Delta => [0, keys, 2 * keys],
            LinearRule::Sum => [values + keys, values, 0],
        }
    }

    /// The head of queries and keys that a head of values has.
    fn key_head(&self, head: usize) -> usize {
        match self.sharing {
            HeadSharing::Strided => head % self.n_key_heads,
            HeadSharing::Neighbours => head / (self.n_value_heads / self.n_key_heads),
        }
    }
}

/// Takes the rows of each sequence one after the other; `out` is `[rows, n_value_heads · value_dim]`.
pub fn linear_attention(
    pool: &Pool,
    shape: &LinearShape,
    states: &mut States<'_>,
    inputs: &LinearInputs<'_>,
    out: &mut [f32],
) -> Result<(), KernelError> {
    let LinearShape { rule, n_key_heads, n_value_heads, key_dim, value_dim, first, .. } = *shape;
    let is_odd = n_key_heads == 0 || !n_value_heads.is_multiple_of(n_key_heads);
    if is_odd || key_dim == 0 || key_dim > MAX_KEY || value_dim == 0 {
        return Err(KernelError::Shape(format!("linear attention of {shape:?}")));
    }
    let (wide, value_width) = (shape.qkv_width(), n_value_heads * value_dim);
    let rows = out.len() / value_width;
    check_len("the output of linear attention", out.len(), rows.checked_mul(value_width))?;
    check_len("queries, keys and values", inputs.qkv.len(), rows.checked_mul(wide))?;
    check_len("the decays of linear attention", inputs.decay.len(), rows.checked_mul(n_value_heads))?;
    check_len(
        "the weights of tokens in linear attention",
        inputs.beta.len(),
        rows.checked_mul(n_value_heads),
    )?;

    let isa = isa();
    // One task has some columns of one head.
    let eights = if value_dim.is_multiple_of(8 * EIGHTS) { EIGHTS } else { 1 };
    let tiles = value_dim.div_ceil(8 * eights);
    let part = Part { first, len: key_dim * 8 * eights, tasks: n_value_heads * tiles };
    let [queries, keys, values] = shape.starts();
    let out = Shared::new(out);
    states.for_each(pool, rows, part, |task, rows, state| {
        let (head, tile) = (task / tiles, task % tiles);
        let first = tile * 8 * eights;
        let (column, width) = (head * value_dim + first, (8 * eights).min(value_dim - first));
        // Columns beyond a head's last stay zero.
        let (mut value, mut given) = ([0.0; 8 * EIGHTS], [0.0; 8 * EIGHTS]);
        for row in rows.first_row..rows.first_row + rows.rows {
            let qkv = &inputs.qkv[row * wide..(row + 1) * wide];
            let of_head = |part: usize| &qkv[part + shape.key_head(head) * key_dim..][..key_dim];
            value[..width].copy_from_slice(&qkv[values + column..][..width]);
            let token = Token {
                rule,
                query: of_head(queries),
                key: of_head(keys),
                value: &value[..8 * eights],
                decay: inputs.decay[row * n_value_heads + head],
                beta: inputs.beta[row * n_value_heads + head],
                state,
                out: &mut given[..8 * eights],
            };
            run(isa, token);
            // SAFETY: each task has columns of its own, and sequences have rows of their own.
            let out = unsafe { out.piece(row * value_width + column, width) };
            out.copy_from_slice(&given[..width]);
        }
    })
}

/// One token's step in some columns of one head.
struct Token<'a> {
    rule: LinearRule,
    query: &'a [f32],
    key: &'a [f32],
    value: &'a [f32],
    decay: f32,
    beta: f32,
    /// `[key_dim, columns]`.
    state: &'a mut [f32],
    out: &'a mut [f32],
}

impl Pass for Token<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.value.len() / 8 {
                EIGHTS => self.step::<L, EIGHTS>(),
                _ => self.step::<L, 1>(),
            }
        }
    }
}

impl Token<'_> {
    /// # Safety
    /// The instruction set of `L` must be there.
    #[inline(always)]
    unsafe fn step<L: Lanes, const N: usize>(self) {
        let (mut query, mut key) = ([0.0; MAX_KEY], [0.0; MAX_KEY]);
        let (query, key) = (&mut query[..self.key.len()], &mut key[..self.key.len()]);
        // SAFETY: the caller's promise, here and below.
        unsafe {
            // What the matrix says about the key already.
            let mut said = [L::splat(0.0); N];
            match self.rule {
                LinearRule::Sum => {
                    query.copy_from_slice(self.query);
                    key.copy_from_slice(self.key);
                }
                LinearRule::Delta => {
                    of_length::<L>(self.query, 1.0 / (self.key.len() as f32).sqrt(), query);
                    of_length::<L>(self.key, 1.0, key);
                    for (row, &key) in self.state.as_chunks::<8>().0.chunks_exact(N).zip(&*key) {
                        let key = L::splat(key);
                        for (said, state) in said.iter_mut().zip(row) {
                            *said = L::load(state).mul_add(key, *said);
                        }
                    }
                }
            }
            let (decay, beta) = (L::splat(self.decay), L::splat(self.beta));
            let mut added = said;
            for (added, value) in added.iter_mut().zip(self.value.as_chunks::<8>().0) {
                *added = L::load(value).sub(decay.mul(*added)).mul(beta);
            }
            let mut sums = [L::splat(0.0); N];
            let rows = self.state.as_chunks_mut::<8>().0.chunks_exact_mut(N);
            for ((row, &key), &query) in rows.zip(&*key).zip(&*query) {
                let (key, query) = (L::splat(key), L::splat(query));
                for ((sum, added), state) in sums.iter_mut().zip(&added).zip(row) {
                    let new = key.mul_add(*added, L::load(state).mul(decay));
                    new.store(state);
                    *sum = new.mul_add(query, *sum);
                }
            }
            for (out, sum) in self.out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                sum.store(out);
            }
        }
    }
}

/// Writes `x`, brought to a length, to `out`.
///
/// # Safety
/// The instruction set of `L` must be there.
#[inline(always)]
unsafe fn of_length<L: Lanes>(x: &[f32], length: f32, out: &mut [f32]) {
    let (eights, rest) = x.as_chunks::<8>();
    // SAFETY: the caller's promise.
    let sum = unsafe {
        let mut sum = L::splat(0.0);
        for x in eights {
            let x = L::load(x);
            sum = x.mul_add(x, sum);
        }
        sum.sum()
    };
    let squares = rest.iter().fold(sum, |sum, x| sum + x * x);
    let factor = length / (squares + EPS).sqrt();
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x * factor);
}
