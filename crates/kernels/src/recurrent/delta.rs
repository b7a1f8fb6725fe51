//! The gated delta rule (Yang et al., "Gated Delta Networks", 2024): each head keeps a matrix that maps keys to values;
//! a token lets it fade, corrects what it says about the token's key, and asks it about the token's query.
//!
//! With `S` the matrix before a token, `q` and `k` its query and key of length one, `q` further divided by the root of
//! their size, `v` its value, `α` what is left of the past and `β` how much is corrected:
//! `S' = αS + k ⊗ β(v − αSᵀk)`, and the token gives `S'ᵀq`.

use super::{Part, States};
use crate::elementwise::{Pass, run};
use crate::error::check_len;
use crate::isa::isa;
use crate::lanes::Lanes;
use crate::share::Shared;
use crate::{KernelError, Pool};

/// Eights of columns that are computed together: their part of a matrix stays in the nearest cache.
const EIGHTS: usize = 4;
/// Keys may have so many numbers.
const MAX_KEY: usize = 512;
/// Keeps a key of zeros from being divided by zero.
const EPS: f32 = 1e-6;

/// The dimensions of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaShape {
    /// Heads of queries and keys.
    pub n_key_heads: usize,
    /// Heads of values, each with a matrix; a multiple of `n_key_heads`. Head `h` has queries and keys of head
    /// `h mod n_key_heads`.
    pub n_value_heads: usize,
    /// Numbers in a query and in a key.
    pub key_dim: usize,
    /// Numbers in a value; a multiple of 8.
    pub value_dim: usize,
    /// Where its `n_value_heads · key_dim · value_dim` numbers begin in a state.
    pub first: usize,
}

/// What the rows of a batch bring.
#[derive(Debug, Clone, Copy)]
pub struct DeltaInputs<'a> {
    /// Queries, keys and values of each row beside each other:
    /// `[rows, n_key_heads · key_dim + n_key_heads · key_dim + n_value_heads · value_dim]`.
    pub qkv: &'a [f32],
    /// α, `[rows, n_value_heads]`.
    pub decay: &'a [f32],
    /// β, `[rows, n_value_heads]`.
    pub beta: &'a [f32],
}

impl DeltaShape {
    /// Numbers of all matrices.
    pub fn state_len(&self) -> usize {
        self.n_value_heads * self.key_dim * self.value_dim
    }

    /// Numbers of a row's queries, keys and values.
    pub fn qkv_width(&self) -> usize {
        2 * self.n_key_heads * self.key_dim + self.n_value_heads * self.value_dim
    }
}

/// Takes the rows of each sequence one after the other; `out` is `[rows, n_value_heads · value_dim]`.
pub fn delta_rule(
    pool: &Pool,
    shape: &DeltaShape,
    states: &mut States<'_>,
    inputs: &DeltaInputs<'_>,
    out: &mut [f32],
) -> Result<(), KernelError> {
    let DeltaShape { n_key_heads, n_value_heads, key_dim, value_dim, first } = *shape;
    let is_odd = n_key_heads == 0 || !n_value_heads.is_multiple_of(n_key_heads);
    if is_odd || key_dim == 0 || key_dim > MAX_KEY || value_dim == 0 || !value_dim.is_multiple_of(8) {
        return Err(KernelError::Shape(format!("a delta rule of {shape:?}")));
    }
    let (wide, value_width) = (shape.qkv_width(), n_value_heads * value_dim);
    let rows = out.len() / value_width;
    check_len("the output of a delta rule", out.len(), rows.checked_mul(value_width))?;
    check_len("queries, keys and values", inputs.qkv.len(), rows.checked_mul(wide))?;
    check_len("the decays of a delta rule", inputs.decay.len(), rows.checked_mul(n_value_heads))?;
    check_len("the corrections of a delta rule", inputs.beta.len(), rows.checked_mul(n_value_heads))?;

    let isa = isa();
    // One task has some columns of one head.
    let eights = if value_dim.is_multiple_of(8 * EIGHTS) { EIGHTS } else { 1 };
    let tiles = value_dim / (8 * eights);
    let part = Part { first, len: key_dim * 8 * eights, tasks: n_value_heads * tiles };
    let out = Shared::new(out);
    states.for_each(pool, rows, part, |task, rows, state| {
        let (head, tile) = (task / tiles, task % tiles);
        let column = head * value_dim + tile * 8 * eights;
        for row in rows.first_row..rows.first_row + rows.rows {
            let qkv = &inputs.qkv[row * wide..(row + 1) * wide];
            let of_head =
                |part: usize| &qkv[(part * n_key_heads + head % n_key_heads) * key_dim..][..key_dim];
            let token = Token {
                query: of_head(0),
                key: of_head(1),
                value: &qkv[2 * n_key_heads * key_dim + column..][..8 * eights],
                decay: inputs.decay[row * n_value_heads + head],
                beta: inputs.beta[row * n_value_heads + head],
                state,
                // SAFETY: each task has columns of its own, and sequences have rows of their own.
                out: unsafe { out.piece(row * value_width + column, 8 * eights) },
            };
            run(isa, token);
        }
    })
}

/// One token's step in some columns of one head.
struct Token<'a> {
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
            of_length::<L>(self.query, 1.0 / (self.key.len() as f32).sqrt(), query);
            of_length::<L>(self.key, 1.0, key);
            let mut said = [L::splat(0.0); N];
            for (row, &key) in self.state.as_chunks::<8>().0.chunks_exact(N).zip(&*key) {
                let key = L::splat(key);
                for (said, state) in said.iter_mut().zip(row) {
                    *said = L::load(state).mul_add(key, *said);
                }
            }
            let (decay, beta) = (L::splat(self.decay), L::splat(self.beta));
            let mut correction = said;
            for (correction, value) in correction.iter_mut().zip(self.value.as_chunks::<8>().0) {
                *correction = L::load(value).sub(decay.mul(*correction)).mul(beta);
            }
            let mut sums = [L::splat(0.0); N];
            let rows = self.state.as_chunks_mut::<8>().0.chunks_exact_mut(N);
            for ((row, &key), &query) in rows.zip(&*key).zip(&*query) {
                let (key, query) = (L::splat(key), L::splat(query));
                for ((sum, correction), state) in sums.iter_mut().zip(&correction).zip(row) {
                    let new = key.mul_add(*correction, L::load(state).mul(decay));
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
