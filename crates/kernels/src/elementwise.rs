//! What happens to activations between the products: sums, norms, gates, rotary embeddings.
//!
//! These functions are short, so a single row stays on the calling thread; only many rows are split over the pool.
//! Each number is computed from its own row by one sequence of operations, wherever the work was cut.

mod layer_norm;
mod passes;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::KernelError;
use crate::error::check_len;
use crate::isa::isa;
use crate::pool::Pool;
use crate::share::Shared;
pub use layer_norm::layer_norm;
use passes::{
    Activated, Add, Gate, GateHalves, Multiply, Norm, Scale, ScaleRows, Softcap, Turn, WeightedSum,
};
pub(crate) use passes::{Pass, run};

/// Numbers that a thread must get before waking it brings more than it costs.
const WORTH_A_THREAD: usize = 8192;

/// What the gate of a gated network lets through. Two activations of the gate that what passes is multiplied with, and a
/// rule that changes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + e^-x)`.
    Silu,
    /// GELU in its tanh form: `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
    /// GELU as it was defined: `x/2 (1 + erf(x/√2))`.
    Gelu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `max(x, 0)²` (So et al., "Primer", 2021).
    ReluSquared,
    /// gpt-oss: `g / (1 + e^-αg) · (u + 1)` of a gate `g` that is not above [`SWIGLU_LIMIT`] and what it multiplies, `u`,
    /// within plus and minus that; α is [`SWIGLU_ALPHA`].
    ClampedSwiglu,
}

/// How steep gpt-oss's gate is. Its files have no key for it.
pub const SWIGLU_ALPHA: f32 = 1.702;
/// Where gpt-oss clamps both sides of its gate. Its files have no key for it.
pub const SWIGLU_LIMIT: f32 = 7.0;

/// Which two numbers of a head a rotary embedding turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopePairs {
    /// `2i` and `2i + 1`: files of the llama family, whose query and key rows were permuted for it.
    Neighbours,
    /// `i` and `i + half`: most other families.
    Halves,
}

/// The angles by which the rows of a batch are turned.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// What turns together.
    pub pairs: RopePairs,
    /// Pairs in a head; numbers beyond the first `2 · half` of a head stay as they are.
    pub half: usize,
    /// Cosines, `[rows, half]`.
    pub cos: &'a [f32],
    /// Sines, `[rows, half]`.
    pub sin: &'a [f32],
}

/// `x += y`, where `y` is as long as `x` or is repeated for each of its rows, as a bias is.
pub fn add(pool: &Pool, x: &mut [f32], y: &[f32]) -> Result<(), KernelError> {
    check_rows("the first summand", x.len(), y.len())?;
    let isa = isa();
    if x.len() == y.len() {
        in_parts(pool, x, 1, |first, x| run(isa, Add { y: &y[first..first + x.len()], x }));
    } else {
        in_parts(pool, x, y.len(), |_, x| run(isa, Add { x, y }));
    }
    Ok(())
}

/// `x *= y`, where `y` is as long as `x` or is repeated for each of its rows.
pub fn multiply(pool: &Pool, x: &mut [f32], y: &[f32]) -> Result<(), KernelError> {
    check_rows("the first factor", x.len(), y.len())?;
    let isa = isa();
    if x.len() == y.len() {
        in_parts(pool, x, 1, |first, x| run(isa, Multiply { y: &y[first..first + x.len()], x }));
    } else {
        in_parts(pool, x, y.len(), |_, x| run(isa, Multiply { x, y }));
    }
    Ok(())
}

/// `x *= factor`.
pub fn scale(pool: &Pool, x: &mut [f32], factor: f32) {
    let isa = isa();
    in_parts(pool, x, 1, |_, x| run(isa, Scale { x, factor }));
}

/// Multiplies each row with its own factor; all rows are as wide as the number of factors makes them.
pub fn scale_rows(pool: &Pool, x: &mut [f32], factors: &[f32]) -> Result<(), KernelError> {
    check_rows("the rows to scale", x.len(), factors.len())?;
    let width = x.len().checked_div(factors.len()).unwrap_or(0);
    let isa = isa();
    in_parts(pool, x, width, |first, x| {
        let rows = first / width.max(1)..(first + x.len()) / width.max(1);
        run(isa, ScaleRows { x, width, factors: &factors[rows] });
    });
    Ok(())
}

/// `x = cap · tanh(x / cap)`.
pub fn softcap(pool: &Pool, x: &mut [f32], cap: f32) {
    let isa = isa();
    in_parts(pool, x, 1, |_, x| run(isa, Softcap { x, cap }));
}

/// `x = activation(x)`: what a gate lets through of 1.
pub fn activate(pool: &Pool, activation: Activation, x: &mut [f32]) {
    let isa = isa();
    in_parts(pool, x, 1, |_, x| run(isa, Activated { activation, x }));
}

/// `gate = activation(gate) · up`, or what else the activation says.
pub fn gate(pool: &Pool, activation: Activation, gate: &mut [f32], up: &[f32]) -> Result<(), KernelError> {
    check_len("what a gate multiplies", up.len(), Some(gate.len()))?;
    let isa = isa();
    in_parts(pool, gate, 1, |first, gate| {
        let up = &up[first..first + gate.len()];
        run(isa, Gate { activation, gate, up });
    });
    Ok(())
}

/// `out = activation(first half of the row) · second half` for rows `x[rows, 2 · width]`: gates and what they multiply,
/// from one product.
pub fn gate_halves(
    pool: &Pool,
    activation: Activation,
    x: &[f32],
    width: usize,
    out: &mut [f32],
) -> Result<(), KernelError> {
    check_rows("the output of gates", out.len(), width)?;
    check_len("gates and what they multiply", x.len(), out.len().checked_mul(2))?;
    let isa = isa();
    in_parts(pool, out, width, |first, out| {
        let x = &x[2 * first..2 * (first + out.len())];
        run(isa, GateHalves { activation, width, x, out });
    });
    Ok(())
}

/// `out[row] = Σ weights[row][i] · x[places[row][i]]` over rows of `width`, added in that order: what a row gets back
/// from the experts it was sent to. `weights` and `places` have the same number of entries for each row.
pub fn weighted_sum(
    pool: &Pool,
    x: &[f32],
    width: usize,
    weights: &[f32],
    places: &[u32],
    out: &mut [f32],
) -> Result<(), KernelError> {
    check_rows("what is summed up", x.len(), width)?;
    check_rows("the output of a weighted sum", out.len(), width)?;
    check_len("the weights of a sum", weights.len(), Some(places.len()))?;
    let [rows, limit] = [out.len(), x.len()].map(|len| len.checked_div(width).unwrap_or(0));
    let each = places.len().checked_div(rows).unwrap_or(0);
    check_len("the places of a weighted sum", places.len(), rows.checked_mul(each))?;
    if let Some(&place) = places.iter().find(|&&place| place as usize >= limit) {
        return Err(KernelError::Index { what: "place", index: place as usize, limit });
    }
    if out.is_empty() {
        return Ok(());
    }
    let isa = isa();
    in_parts(pool, out, width, |first, out| {
        let mine = first / width * each..(first + out.len()) / width * each;
        let (weights, places) = (&weights[mine.clone()], &places[mine]);
        run(isa, WeightedSum { x, width, each, weights, places, out });
    });
    Ok(())
}

/// `out = x / sqrt(mean(x²) + eps) · weight` over each row of the weight's width.
pub fn rms_norm(
    pool: &Pool,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) -> Result<(), KernelError> {
    check_len("the output of a norm", out.len(), Some(x.len()))?;
    norm(pool, Some(x), weight, eps, out)
}

/// As [`rms_norm`], in place.
pub fn rms_norm_in_place(pool: &Pool, x: &mut [f32], weight: &[f32], eps: f32) -> Result<(), KernelError> {
    norm(pool, None, weight, eps, x)
}

fn norm(
    pool: &Pool,
    from: Option<&[f32]>,
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) -> Result<(), KernelError> {
    check_rows("the input of a norm", out.len(), weight.len())?;
    let isa = isa();
    in_parts(pool, out, weight.len(), |first, x| {
        let from = from.map(|from| &from[first..first + x.len()]);
        run(isa, Norm { from, x, weight, eps });
    });
    Ok(())
}

/// Turns `x`, rows of `heads` heads of `head_dim` numbers, by the angles of their rows.
pub fn rope(
    pool: &Pool,
    rotation: &Rotation<'_>,
    x: &mut [f32],
    heads: usize,
    head_dim: usize,
) -> Result<(), KernelError> {
    let Rotation { pairs, half, cos, sin } = *rotation;
    if half > head_dim / 2 {
        return Err(KernelError::Index { what: "pair", index: half, limit: head_dim / 2 });
    }
    let width = heads * head_dim;
    check_rows("the heads to turn", x.len(), width)?;
    let rows = x.len().checked_div(width).unwrap_or(0);
    check_len("the cosines", cos.len(), rows.checked_mul(half))?;
    check_len("the sines", sin.len(), rows.checked_mul(half))?;
    if half == 0 {
        return Ok(());
    }
    let isa = isa();
    in_parts(pool, x, width, |first, x| {
        let rows = first / width * half..(first + x.len()) / width * half;
        run(isa, Turn { pairs, half, head_dim, width, cos: &cos[rows.clone()], sin: &sin[rows], x });
    });
    Ok(())
}

/// Whether `len` numbers are whole rows of `width`.
fn check_rows(what: &'static str, len: usize, width: usize) -> Result<(), KernelError> {
    let rows = len.checked_div(width).unwrap_or(0);
    check_len(what, len, rows.checked_mul(width))
}

/// Hands out all of `x` in parts of whole rows of `width`, as `(index of the first number, part)`: one part, or one
/// for each thread when there is enough to do.
fn in_parts(pool: &Pool, x: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = x.len().checked_div(width).unwrap_or(0);
    let tasks = pool.threads().min(x.len() / WORTH_A_THREAD).min(rows);
    if tasks <= 1 {
        return f(0, x);
    }
    let per_task = rows.div_ceil(tasks);
    let x = Shared::new(x);
    pool.run(tasks, &|task| {
        let Range { start, end } = (task * per_task).min(rows)..((task + 1) * per_task).min(rows);
        // SAFETY: the ranges of different tasks do not meet.
        let part = unsafe { x.piece(start * width, (end - start) * width) };
        f(start * width, part);
    });
}
