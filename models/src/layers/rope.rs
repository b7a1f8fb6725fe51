//! Rotary position embeddings (Su et al., 2021).

use candle_core::{D, Tensor};
pub(crate) use lantern_kernels::RopePairs;
use lantern_kernels::Rotation;

use super::{RopeParams, RopeScaling};
use crate::rows::{HostRows, Rows};
use crate::{Compute, ForwardBatch, ModelError, Split, Weights};

/// A rotary embedding, ready to be evaluated at positions.
pub(crate) struct Rope {
    /// Radians per position, one per pair.
    frequencies: Vec<f32>,
    magnitude: f32,
    pairs: RopePairs,
    /// Which of a row's three places turns each pair; empty where all turn by the position.
    axes: Vec<u8>,
    split: Split,
}

/// Cosines and sines for the rows of a batch, wherever blocks compute.
pub(crate) struct RopeTable {
    pairs: RopePairs,
    /// Pairs per row.
    half: usize,
    turns: Turns,
    /// The same for the other side of a split model.
    others: Option<Turns>,
}

/// `[rows, half]` each.
struct Turns {
    cos: Rows,
    sin: Rows,
}

impl Rope {
    /// `divisors`, one per pair, further divide the frequencies: the file's `rope_freqs`, which is how llama 3's
    /// scaling is stored, or what [`super::LongRope`] chose.
    pub(crate) fn new(
        params: &RopeParams,
        divisors: Option<&[f32]>,
        pairs: RopePairs,
        split: &Split,
    ) -> Self {
        let frequency = |i: usize| {
            let plain = (params.base as f64).powf(-2.0 * i as f64 / params.dims as f64) as f32;
            let plain = plain / divisors.map_or(1.0, |divisors| divisors[i]);
            match &params.scaling {
                RopeScaling::None | RopeScaling::Long(_) => plain,
                RopeScaling::Linear { factor } => plain / factor,
                RopeScaling::Yarn(yarn) => yarn.stretch(i, plain, params.dims, params.base),
            }
        };
        let magnitude = match &params.scaling {
            RopeScaling::Yarn(yarn) => yarn.magnitude,
            RopeScaling::Long(long) => long.magnitude,
            _ => 1.0,
        };
        Rope {
            frequencies: (0..params.dims / 2).map(frequency).collect(),
            magnitude,
            pairs,
            axes: params.axes.clone(),
            split: split.clone(),
        }
    }

    /// As [`Self::new`], for a model trained for so many tokens: takes the factors of [`RopeScaling::Long`] from the file.
    pub(crate) fn load_long(
        params: &RopeParams,
        trained: usize,
        pairs: RopePairs,
        weights: &Weights,
    ) -> Result<Self, ModelError> {
        let context = weights.split().context().unwrap_or(trained);
        let divisors = match &params.scaling {
            RopeScaling::Long(long) => long.divisors(weights, params.dims / 2, context)?,
            _ => None,
        };
        Ok(Self::new(params, divisors.as_deref(), pairs, weights.split()))
    }

    /// The turns of a batch's rows.
    pub(crate) fn at(&self, batch: &ForwardBatch) -> Result<RopeTable, ModelError> {
        let (first, second) = self.split.of_blocks();
        Ok(RopeTable {
            pairs: self.pairs,
            half: self.frequencies.len(),
            turns: self.turns(batch, first)?,
            others: second.map(|compute| self.turns(batch, compute)).transpose()?,
        })
    }

    fn turns(&self, batch: &ForwardBatch, compute: &Compute) -> Result<Turns, ModelError> {
        let half = self.frequencies.len();
        let by_places = !self.axes.is_empty() && !batch.places.is_empty();
        let table = |f: fn(f32) -> f32| {
            compute.rows(batch.rows(), half, |values| {
                for (row, values) in values.chunks_exact_mut(half.max(1)).enumerate() {
                    let turn = |place: u32, frequency: &f32| f(place as f32 * frequency) * self.magnitude;
                    let pairs = values.iter_mut().zip(&self.frequencies);
                    if by_places {
                        let places = self.axes.iter().map(|&axis| batch.places[row][usize::from(axis)]);
                        pairs.zip(places).for_each(|((value, frequency), at)| *value = turn(at, frequency));
                    } else {
                        let at = batch.positions[row];
                        pairs.for_each(|(value, frequency)| *value = turn(at, frequency));
                    }
                }
                Ok(())
            })
        };
        Ok(Turns { cos: table(f32::cos)?, sin: table(f32::sin)? })
    }
}

impl RopeTable {
    /// Turns rows of `heads * head_dim` numbers in place.
    pub(crate) fn turn(&self, x: &mut HostRows, heads: usize, head_dim: usize) -> Result<(), ModelError> {
        let in_memory = self.each().find_map(|turns| match turns {
            Turns { cos: Rows::Host(cos), sin: Rows::Host(sin) } => Some((cos, sin)),
            _ => None,
        });
        let (cos, sin) = in_memory.ok_or_else(mixed)?;
        let rotation = Rotation { pairs: self.pairs, half: self.half, cos, sin };
        let (pool, x) = x.pool_and_values();
        Ok(lantern_kernels::rope(pool, &rotation, x, heads, head_dim)?)
    }

    /// Turns a tensor `[rows, heads, head_dim]`.
    pub(crate) fn turn_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let on_device = self.each().find_map(|turns| match turns {
            Turns { cos: Rows::Tensor(cos), sin: Rows::Tensor(sin) } => Some((cos, sin)),
            _ => None,
        });
        let (cos, sin) = on_device.ok_or_else(mixed)?;
        let (cos, sin) = (&cos.unsqueeze(1)?, &sin.unsqueeze(1)?);
        let (rows, heads, head_dim) = x.dims3()?;
        let dims = 2 * self.half;
        let turning = x.narrow(D::Minus1, 0, dims)?;
        let (a, b) = match self.pairs {
            RopePairs::Halves => {
                (turning.narrow(D::Minus1, 0, self.half)?, turning.narrow(D::Minus1, self.half, self.half)?)
            }
            RopePairs::Neighbours => {
                let pairs = turning.contiguous()?.reshape((rows, heads, self.half, 2))?;
                let side = |i| pairs.narrow(D::Minus1, i, 1)?.squeeze(D::Minus1);
                (side(0)?, side(1)?)
            }
        };
        let turned_a = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
        let turned_b = (a.broadcast_mul(sin)? + b.broadcast_mul(cos)?)?;
        let turned = match self.pairs {
            RopePairs::Halves => Tensor::cat(&[turned_a, turned_b], D::Minus1)?,
            RopePairs::Neighbours => Tensor::stack(&[turned_a, turned_b], 3)?.reshape((rows, heads, dims))?,
        };
        if dims == head_dim {
            return Ok(turned);
        }
        let rest = x.narrow(D::Minus1, dims, head_dim - dims)?;
        Ok(Tensor::cat(&[turned, rest], D::Minus1)?)
    }

    fn each(&self) -> impl Iterator<Item = &Turns> {
        [&self.turns].into_iter().chain(&self.others)
    }
}

fn mixed() -> ModelError {
    ModelError::BadBatch("rows in memory meet a rope table on a device, or the other way round".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::rope_params::Yarn;
    use super::*;

    fn frequencies(scaling: RopeScaling) -> Vec<f32> {
        let params = RopeParams { dims: 64, base: 10_000.0, scaling, axes: Vec::new() };
        Rope::new(&params, None, RopePairs::Halves, &Compute::kernels(1).into()).frequencies
    }

    fn yarn(factor: f32) -> Yarn {
        Yarn {
            factor,
            original_context: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            ext_factor: 1.0,
            magnitude: 1.0,
            whole_pairs: true,
        }
    }

    #[test]
    fn linear_scaling_divides_every_frequency() {
        let plain = frequencies(RopeScaling::None);
        let linear = frequencies(RopeScaling::Linear { factor: 8.0 });
        assert_eq!(plain[0], 1.0);
        assert!(plain.iter().zip(&linear).all(|(a, b)| a / 8.0 == *b));
    }

    #[test]
    fn yarn_keeps_short_waves_and_stretches_long_ones() {
        let plain = frequencies(RopeScaling::None);
        let stretched = frequencies(RopeScaling::Yarn(yarn(4.0)));
        assert_eq!(stretched[0], plain[0], "the shortest wave turns often enough as it is");
        assert!((stretched[31] - plain[31] / 4.0).abs() < 1e-9, "the longest wave is interpolated");
        for (a, b) in plain.iter().zip(&stretched) {
            assert!(*b <= *a && *b >= a / 4.0 * 0.999_999);
        }
        for (a, b) in plain.iter().zip(frequencies(RopeScaling::Yarn(yarn(1.0)))) {
            assert!((b / a - 1.0).abs() < 1e-6, "a factor of 1 changes nothing");
        }
    }

    #[test]
    fn both_ways_of_computing_turn_the_same_way() {
        let params = RopeParams { dims: 8, base: 100.0, scaling: RopeScaling::None, axes: Vec::new() };
        let batch = ForwardBatch { tokens: vec![0; 2], positions: vec![3, 70], ..ForwardBatch::default() };
        let values: Vec<f32> = (0..2 * 3 * 12).map(|i| (i as f32).sin()).collect();
        for pairs in [RopePairs::Neighbours, RopePairs::Halves] {
            let kernels = Compute::kernels(1);
            let table = Rope::new(&params, None, pairs, &kernels.clone().into()).at(&batch).unwrap();
            let rows = kernels.rows(2, 3 * 12, |_| Ok(())).unwrap();
            let Rows::Host(mut rows) = rows else { panic!("kernels compute in memory") };
            rows.copy_from_slice(&values);
            table.turn(&mut rows, 3, 12).unwrap();

            let device = candle_core::Device::Cpu;
            let table =
                Rope::new(&params, None, pairs, &Compute::tensors(device.clone()).into()).at(&batch).unwrap();
            let x = Tensor::from_slice(&values, (2, 3, 12), &device).unwrap();
            let turned = table.turn_tensor(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(rows[..], turned, "{pairs:?}");
            assert_eq!(rows[8..12], values[8..12], "numbers beyond the turned ones pass through");
        }
    }
}
