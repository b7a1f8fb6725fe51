//! Rotary position embeddings (Su et al., 2021) with the ways in which models stretch them.

use candle_core::{D, Tensor};
use lantern_kernels::Pool;

use crate::compute::{Compute, for_each_row};
use crate::{Hyper, ModelError};

/// Which two numbers of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RopePairs {
    /// `2i` and `2i + 1`: files of the llama family, whose query and key rows were permuted for it.
    Neighbours,
    /// `i` and `i + half`: most other families.
    Halves,
}

/// What a file says about its rotary embedding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeParams {
    /// Numbers of a head that are turned; the rest pass through.
    pub(crate) dims: usize,
    /// Base of the frequencies.
    pub(crate) base: f32,
    /// How they are stretched.
    pub(crate) scaling: RopeScaling,
}

/// How frequencies are stretched for contexts beyond the trained one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RopeScaling {
    /// Not at all.
    None,
    /// All by one factor.
    Linear { factor: f32 },
    /// By wavelength (Peng et al., 2023).
    Yarn(Yarn),
}

/// YaRN's parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yarn {
    pub(crate) factor: f32,
    pub(crate) original_context: usize,
    pub(crate) beta_fast: f32,
    pub(crate) beta_slow: f32,
    pub(crate) ext_factor: f32,
    pub(crate) attn_factor: f32,
}

impl RopeParams {
    /// Reads the keys under `rope.`; `default_base` where the file has no base.
    pub(crate) fn read(hyper: &Hyper, head_dim: usize, default_base: f32) -> Result<Self, ModelError> {
        let dims = hyper.opt_size("rope.dimension_count", head_dim)?.unwrap_or(head_dim);
        if !dims.is_multiple_of(2) {
            return Err(hyper.bad("rope.dimension_count", format!("{dims} is odd")));
        }
        Ok(RopeParams {
            dims,
            base: hyper.opt_positive("rope.freq_base")?.unwrap_or(default_base),
            scaling: RopeScaling::read(hyper)?,
        })
    }
}

impl RopeScaling {
    fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        const TYPE: &str = "rope.scaling.type";
        // Files older than the scaling keys have the linear factor under another name.
        let old = hyper.opt_positive("rope.scale_linear")?;
        let factor = hyper.opt_positive("rope.scaling.factor")?.or(old).unwrap_or(1.0);
        match hyper.opt_str(TYPE)?.as_deref() {
            None | Some("linear") if factor != 1.0 => Ok(RopeScaling::Linear { factor }),
            None | Some("none" | "linear") => Ok(RopeScaling::None),
            Some("yarn") => Ok(RopeScaling::Yarn(Yarn::read(hyper, factor)?)),
            Some(other) => Err(hyper.bad(TYPE, format!("{other:?} is not supported by this architecture"))),
        }
    }
}

impl Yarn {
    fn read(hyper: &Hyper, factor: f32) -> Result<Self, ModelError> {
        let trained = hyper.size("context_length", usize::MAX)?;
        let original = hyper.opt_size("rope.scaling.original_context_length", usize::MAX)?;
        let number = |key: &str, default: f32| Ok::<_, ModelError>(hyper.opt_f32(key)?.unwrap_or(default));
        Ok(Yarn {
            factor,
            original_context: original.unwrap_or(trained),
            beta_fast: number("rope.scaling.yarn_beta_fast", 32.0)?,
            beta_slow: number("rope.scaling.yarn_beta_slow", 1.0)?,
            ext_factor: number("rope.scaling.yarn_ext_factor", 1.0)?,
            attn_factor: number("rope.scaling.yarn_attn_factor", number("rope.scaling.attn_factor", 1.0)?)?,
        })
    }

    /// The frequency of pair `i` and how much of the unstretched one it keeps.
    fn stretch(&self, i: usize, frequency: f32, dims: usize, base: f32) -> f32 {
        // The pair whose wavelength turns `beta` times within the original context.
        let pair_of = |beta: f32| {
            let turns = self.original_context as f32 / (beta * std::f32::consts::TAU);
            dims as f32 * turns.ln() / (2.0 * base.ln())
        };
        let low = pair_of(self.beta_fast).floor().max(0.0);
        let high = pair_of(self.beta_slow).ceil().min(dims as f32 - 1.0);
        let ramp = ((i as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        let keep = (1.0 - ramp) * self.ext_factor;
        frequency / self.factor * (1.0 - keep) + frequency * keep
    }

    fn magnitude(&self) -> f32 {
        if self.ext_factor == 0.0 || self.factor <= 1.0 {
            return self.attn_factor;
        }
        self.attn_factor * (1.0 + 0.1 * self.factor.ln())
    }
}

/// A rotary embedding, ready to be evaluated at positions.
pub(crate) struct Rope {
    /// Radians per position, one per pair.
    frequencies: Vec<f32>,
    magnitude: f32,
    pairs: RopePairs,
    compute: Compute,
}

/// Cosines and sines for the rows of a batch.
pub(crate) struct RopeTable {
    pairs: RopePairs,
    /// Pairs per row.
    half: usize,
    /// `[rows, half]` each.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// The same as `[rows, 1, half]`, for candle.
    tensors: Option<(Tensor, Tensor)>,
}

impl Rope {
    /// `divisors`, one per pair, further divide the frequencies: the file's `rope_freqs`, which is how llama 3's
    /// scaling is stored.
    pub(crate) fn new(
        params: &RopeParams,
        divisors: Option<&[f32]>,
        pairs: RopePairs,
        compute: &Compute,
    ) -> Self {
        let frequency = |i: usize| {
            let plain = (params.base as f64).powf(-2.0 * i as f64 / params.dims as f64) as f32;
            let plain = plain / divisors.map_or(1.0, |divisors| divisors[i]);
            match &params.scaling {
                RopeScaling::None => plain,
                RopeScaling::Linear { factor } => plain / factor,
                RopeScaling::Yarn(yarn) => yarn.stretch(i, plain, params.dims, params.base),
            }
        };
        let magnitude = match &params.scaling {
            RopeScaling::Yarn(yarn) => yarn.magnitude(),
            _ => 1.0,
        };
        Rope {
            frequencies: (0..params.dims / 2).map(frequency).collect(),
            magnitude,
            pairs,
            compute: compute.clone(),
        }
    }

    /// The turns of these positions.
    pub(crate) fn at(&self, positions: &[u32]) -> Result<RopeTable, ModelError> {
        let half = self.frequencies.len();
        let mut cos = Vec::with_capacity(positions.len() * half);
        let mut sin = Vec::with_capacity(positions.len() * half);
        for &position in positions {
            for frequency in &self.frequencies {
                let (s, c) = (position as f32 * frequency).sin_cos();
                cos.push(c * self.magnitude);
                sin.push(s * self.magnitude);
            }
        }
        let tensors = match self.compute.pool() {
            Some(_) => None,
            None => {
                let tensor = |values: &[f32]| {
                    Tensor::from_slice(values, (positions.len(), 1, half), self.compute.device())
                };
                Some((tensor(&cos)?, tensor(&sin)?))
            }
        };
        Ok(RopeTable { pairs: self.pairs, half, cos, sin, tensors })
    }
}

impl RopeTable {
    /// Turns rows of `heads * head_dim` numbers in host memory.
    pub(crate) fn apply_rows(&self, pool: &Pool, x: &mut [f32], heads: usize, head_dim: usize) {
        for_each_row(pool, x, heads * head_dim, |row, x| {
            let cos = &self.cos[row * self.half..(row + 1) * self.half];
            let sin = &self.sin[row * self.half..(row + 1) * self.half];
            for head in x.chunks_exact_mut(head_dim) {
                match self.pairs {
                    RopePairs::Neighbours => turn_neighbours(&mut head[..2 * self.half], cos, sin),
                    RopePairs::Halves => turn_halves(&mut head[..2 * self.half], cos, sin),
                }
            }
        });
    }

    /// Turns a tensor `[rows, heads, head_dim]`.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let Some((cos, sin)) = &self.tensors else {
            return Err(ModelError::BadBatch("a rope table for kernels was given tensors".to_owned()));
        };
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
}

fn turn_neighbours(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((pair, c), s) in x.chunks_exact_mut(2).zip(cos).zip(sin) {
        let (a, b) = (pair[0], pair[1]);
        pair[0] = a * c - b * s;
        pair[1] = a * s + b * c;
    }
}

fn turn_halves(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (front, back) = x.split_at_mut(x.len() / 2);
    for (((a, b), c), s) in front.iter_mut().zip(back).zip(cos).zip(sin) {
        (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(scaling: RopeScaling) -> Vec<f32> {
        let params = RopeParams { dims: 64, base: 10_000.0, scaling };
        Rope::new(&params, None, RopePairs::Halves, &Compute::kernels(1)).frequencies
    }

    fn yarn(factor: f32) -> Yarn {
        Yarn {
            factor,
            original_context: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            ext_factor: 1.0,
            attn_factor: 1.0,
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
        assert!((yarn(4.0).magnitude() - 1.138_629_4).abs() < 1e-6);
        for (a, b) in plain.iter().zip(frequencies(RopeScaling::Yarn(yarn(1.0)))) {
            assert!((b / a - 1.0).abs() < 1e-6, "a factor of 1 changes nothing");
        }
    }

    #[test]
    fn both_ways_of_computing_turn_the_same_way() {
        let params = RopeParams { dims: 8, base: 100.0, scaling: RopeScaling::None };
        let values: Vec<f32> = (0..2 * 3 * 12).map(|i| (i as f32).sin()).collect();
        for pairs in [RopePairs::Neighbours, RopePairs::Halves] {
            let kernels = Compute::kernels(1);
            let table = Rope::new(&params, None, pairs, &kernels).at(&[3, 70]).unwrap();
            let mut rows = values.clone();
            table.apply_rows(kernels.pool().unwrap(), &mut rows, 3, 12);

            let device = candle_core::Device::Cpu;
            let table =
                Rope::new(&params, None, pairs, &Compute::tensors(device.clone())).at(&[3, 70]).unwrap();
            let x = Tensor::from_slice(&values, (2, 3, 12), &device).unwrap();
            let turned = table.apply(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(rows, turned, "{pairs:?}");
            assert_eq!(rows[8..12], values[8..12], "numbers beyond the turned ones pass through");
        }
    }
}
