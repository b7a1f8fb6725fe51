//! The short convolution in front of a recurrence. It runs on the CPU, wherever the projections around it do.

use lantern_kernels::{Pool, ShortConv, States};

use crate::{ModelError, Weights};

/// A filter over the last few values of each channel. Its part of a state comes first.
pub(super) struct Conv {
    /// `[taps, channels]`, the oldest first.
    weights: Vec<f32>,
    /// One for each channel, or none.
    bias: Vec<f32>,
    taps: usize,
}

impl Conv {
    /// Takes `<name>.weight`, in files a row of taps for each channel, and `<name>.bias` if there is one.
    pub(super) fn load(
        weights: &Weights,
        name: &str,
        taps: usize,
        channels: usize,
    ) -> Result<Self, ModelError> {
        let filters = weights.values(&format!("{name}.weight"), &[taps, channels])?;
        let tap = |tap: usize| filters.iter().skip(tap).step_by(taps).copied();
        Ok(Conv {
            weights: (0..taps).flat_map(tap).collect(),
            bias: weights.opt_vector(&format!("{name}.bias"), channels)?.unwrap_or_default(),
            taps,
        })
    }

    /// Numbers in a state: the last inputs.
    pub(super) fn state_len(taps: usize, channels: usize) -> usize {
        (taps - 1) * channels
    }

    /// `x[rows, channels]` to `out` of the same shape.
    pub(super) fn apply(
        &self,
        pool: &Pool,
        states: &mut States<'_>,
        x: &[f32],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let conv = ShortConv { weights: &self.weights, bias: &self.bias, taps: self.taps, first: 0 };
        Ok(lantern_kernels::short_conv(pool, &conv, states, x, out)?)
    }
}
