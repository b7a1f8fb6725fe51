//! Convolution of each channel with its own last few values, as linear-attention layers have in front of them.

use super::{Part, States};
use crate::elementwise::{Pass, run};
use crate::error::check_len;
use crate::isa::isa;
use crate::lanes::Lanes;
use crate::share::Shared;
use crate::{KernelError, Pool};

/// Channels of one task: their values of all taps stay in the nearest cache.
const CHANNELS: usize = 64;

/// A causal convolution over time, one filter for each channel.
#[derive(Debug, Clone, Copy)]
pub struct ShortConv<'a> {
    /// `[taps, channels]`, the oldest first: the last row meets the token itself.
    pub weights: &'a [f32],
    /// One for each channel; may be empty.
    pub bias: &'a [f32],
    /// Tokens that a token sees, itself included.
    pub taps: usize,
    /// Where its `(taps - 1) · channels` numbers begin in a state: the inputs of the tokens before.
    pub first: usize,
}

/// `out[row][c] = bias[c] + Σ_t weights[t][c] · x[row - taps + 1 + t][c]` for rows `x[rows, channels]`; tokens before the
/// beginning of a sequence are zero. States hold the last `taps - 1` inputs afterwards.
pub fn short_conv(
    pool: &Pool,
    conv: &ShortConv<'_>,
    states: &mut States<'_>,
    x: &[f32],
    out: &mut [f32],
) -> Result<(), KernelError> {
    let channels = conv.weights.len().checked_div(conv.taps).unwrap_or(0);
    check_len("the weights of a convolution", conv.weights.len(), channels.checked_mul(conv.taps))?;
    let rows = x.len().checked_div(channels).unwrap_or(0);
    check_len("the input of a convolution", x.len(), rows.checked_mul(channels))?;
    check_len("the output of a convolution", out.len(), Some(x.len()))?;
    if !conv.bias.is_empty() {
        check_len("the bias of a convolution", conv.bias.len(), Some(channels))?;
    }
    let isa = isa();
    let (eights, kept) = (channels / 8 * 8, conv.taps - 1);
    let width =
        (1..=CHANNELS / 8).rev().map(|n| 8 * n).find(|&width| eights.is_multiple_of(width)).unwrap_or(8);
    let part = Part { first: conv.first, len: kept * width, tasks: eights / width };
    let out = Shared::new(out);
    states.for_each(pool, rows, part, |task, rows, history| {
        let first = task * width;
        for row in rows.first_row..rows.first_row + rows.rows {
            // SAFETY: each task has columns of its own, and sequences have rows of their own.
            let out = unsafe { out.piece(row * channels + first, width) };
            run(isa, Row { conv, channels, first, x: &x[row * channels + first..][..width], history, out });
        }
    })?;
    let rest = channels - eights;
    if rest == 0 {
        return Ok(());
    }
    let part = Part { first: conv.first + kept * eights, len: kept * rest, tasks: 1 };
    states.for_each(pool, rows, part, |_, rows, history| {
        for row in rows.first_row..rows.first_row + rows.rows {
            // SAFETY: these columns are no other task's, and sequences have rows of their own.
            let out = unsafe { out.piece(row * channels + eights, rest) };
            conv.last_channels(&x[row * channels + eights..][..rest], history, out);
        }
    })
}

impl ShortConv<'_> {
    /// One row of the channels behind the last eight, one by one.
    fn last_channels(&self, x: &[f32], history: &mut [f32], out: &mut [f32]) {
        let (channels, width) = (self.weights.len() / self.taps, x.len());
        let first = channels - width;
        for (at, (out, x)) in out.iter_mut().zip(x).enumerate() {
            let bias = self.bias.get(first + at).copied().unwrap_or(0.0);
            let seen = history.iter().skip(at).step_by(width).chain([x]);
            let weights = self.weights[first + at..].iter().step_by(channels);
            *out = seen.zip(weights).fold(bias, |sum, (x, weight)| x.mul_add(*weight, sum));
        }
        if let Some(kept) = history.len().checked_sub(width) {
            history.copy_within(width.., 0);
            history[kept..].copy_from_slice(x);
        }
    }
}

/// One row of some channels.
struct Row<'a> {
    conv: &'a ShortConv<'a>,
    channels: usize,
    /// The first channel.
    first: usize,
    x: &'a [f32],
    /// `[taps - 1, width]`, the oldest first.
    history: &'a mut [f32],
    out: &'a mut [f32],
}

impl Pass for Row<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Row { conv, channels, first, x, history, out } = self;
        let width = x.len();
        for (at, (out, x)) in out.as_chunks_mut::<8>().0.iter_mut().zip(x.as_chunks::<8>().0).enumerate() {
            let weight = |tap: usize| eight(&conv.weights[tap * channels + first + 8 * at..]);
            // SAFETY: the caller's promise.
            unsafe {
                let mut sum = match conv.bias.get(first + 8 * at..) {
                    Some(bias) if !bias.is_empty() => L::load(eight(bias)),
                    _ => L::splat(0.0),
                };
                for tap in 0..conv.taps - 1 {
                    let before = L::load(eight(&history[tap * width + 8 * at..]));
                    sum = before.mul_add(L::load(weight(tap)), sum);
                }
                L::load(x).mul_add(L::load(weight(conv.taps - 1)), sum).store(out);
            }
        }
        if let Some(kept) = history.len().checked_sub(width) {
            history.copy_within(width.., 0);
            history[kept..].copy_from_slice(x);
        }
    }
}

#[inline(always)]
fn eight(from: &[f32]) -> &[f32; 8] {
    // Every caller's slice goes on for at least eight numbers, because widths are multiples of eight.
    from.first_chunk().expect("channels come in eights")
}
