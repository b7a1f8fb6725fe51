//! A chunk's keys or values as floats, made once for many queries.
//!
//! Integers become floats for every tile of queries that meets them. Where there are many tiles, it is cheaper to keep
//! the floats for all. The scales stay apart, so every sum is the one that the integers would have given.

use half::f16;

use super::cache::{PANEL, SCALED};
use super::chunk::{MAX_RUNS, Plane, Run};
use super::tile::Number;
use crate::lanes::Sixteen;

/// Room for the blocks of a chunk; it grows and stays.
#[derive(Default)]
pub struct Wide {
    numbers: Vec<f32>,
    scales: Vec<f16>,
}

impl Wide {
    /// Copies the heads of `len` numbers at which runs begin, one after the other; [`packed_runs`] says where they are
    /// now.
    ///
    /// # Safety
    /// The instruction set of `W` must be there.
    #[inline(always)]
    pub(super) unsafe fn fill<W: Sixteen, T: Number>(
        &mut self,
        from: Plane<'_, T>,
        runs: &[Run],
        len: usize,
    ) -> Plane<'_, f32> {
        if self.numbers.len() < runs.len() * len {
            self.numbers.resize(runs.len() * len, 0.0);
            self.scales.resize(runs.len() * len / SCALED, f16::ZERO);
        }
        for (i, run) in runs.iter().enumerate() {
            let numbers = &from.numbers[run.base / T::PACKED..(run.base + len) / T::PACKED];
            let to = self.numbers[i * len..(i + 1) * len].as_chunks_mut::<PANEL>().0;
            for (to, sixteen) in to.iter_mut().zip(T::sixteens(numbers)) {
                // SAFETY: the caller's promise.
                let wide: W = unsafe { T::load(sixteen) };
                wide.store(to);
            }
            let scales = &from.scales[run.base / SCALED..(run.base + len) / SCALED];
            self.scales[i * len / SCALED..(i + 1) * len / SCALED].copy_from_slice(scales);
        }
        Plane { numbers: &self.numbers, scales: &self.scales }
    }
}

/// The same runs in heads of `len` numbers that lie one after the other.
pub(super) fn packed_runs(runs: &[Run], len: usize) -> [Run; MAX_RUNS] {
    let mut packed = [Run::default(); MAX_RUNS];
    for (i, (packed, run)) in packed.iter_mut().zip(runs).enumerate() {
        *packed = Run { base: i * len, ..*run };
    }
    packed
}
