//! What files say about their rotary embeddings, and the ways in which models stretch them.

use crate::{Hyper, ModelError, Weights};

/// What a file says about its rotary embedding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeParams {
    /// Numbers of a head that are turned; the rest pass through.
    pub(crate) dims: usize,
    /// Base of the frequencies.
    pub(crate) base: f32,
    /// How they are stretched.
    pub(crate) scaling: RopeScaling,
    /// Which of a row's three places (time, down, across) turns each pair; empty where all turn by its position.
    pub(crate) axes: Vec<u8>,
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
    /// Each pair by a factor of its own, from one of two lists in the file (Ding et al., 2024).
    Long(LongRope),
}

/// What a file with two lists of factors says beside them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LongRope {
    /// Contexts up to this have the short factors, longer ones the long factors.
    pub(crate) original_context: usize,
    /// Factor of cosines and sines.
    pub(crate) magnitude: f32,
}

/// YaRN's parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yarn {
    pub(crate) factor: f32,
    pub(crate) original_context: usize,
    pub(crate) beta_fast: f32,
    pub(crate) beta_slow: f32,
    pub(crate) ext_factor: f32,
    /// Factor of cosines and sines.
    pub(crate) magnitude: f32,
    /// Whether the first and the last pair of the transition are rounded outwards to whole pairs.
    pub(crate) whole_pairs: bool,
}

impl RopeParams {
    /// Reads the keys under `rope.`; `default_base` where the file has no base.
    pub(crate) fn read(hyper: &Hyper, head_dim: usize, default_base: f32) -> Result<Self, ModelError> {
        Ok(RopeParams {
            dims: Self::read_dims(hyper, "rope.dimension_count", head_dim)?,
            base: hyper.opt_positive("rope.freq_base")?.unwrap_or(default_base),
            scaling: RopeScaling::read(hyper)?,
            axes: Vec::new(),
        })
    }

    /// As [`Self::read`], for families whose longer-trained models have two lists of factors.
    pub(crate) fn read_long(hyper: &Hyper, head_dim: usize, default_base: f32) -> Result<Self, ModelError> {
        const TYPE: &str = "rope.scaling.type";
        if let Some(other) = hyper.opt_str(TYPE)?.filter(|ty| !matches!(ty.as_str(), "none" | "longrope")) {
            return Err(hyper.bad(TYPE, format!("{other:?} is not supported by this architecture")));
        }
        let trained = hyper.size("context_length", usize::MAX)?;
        let original = hyper.opt_size("rope.scaling.original_context_length", usize::MAX)?;
        let long = LongRope {
            original_context: original.unwrap_or(trained),
            magnitude: hyper.opt_positive("rope.scaling.attn_factor")?.unwrap_or(1.0),
        };
        Ok(RopeParams {
            dims: Self::read_dims(hyper, "rope.dimension_count", head_dim)?,
            base: hyper.opt_positive("rope.freq_base")?.unwrap_or(default_base),
            scaling: RopeScaling::Long(long),
            axes: Vec::new(),
        })
    }

    /// Adds the axes of `rope.dimension_sections`, which take turns: of every three pairs one is time's, one turns by rows and
    /// one by columns, until those have as many as their sections say; the rest is time's ("interleaved MRoPE" of
    /// Qwen3-VL's report).
    pub(crate) fn with_interleaved_axes(self, hyper: &Hyper) -> Result<Self, ModelError> {
        const KEY: &str = "rope.dimension_sections";
        let Some(sections) = hyper.opt_ints(KEY)? else { return Ok(self) };
        let pairs = self.dims / 2;
        let sizes: Vec<usize> = sections.iter().filter_map(|&size| usize::try_from(size).ok()).collect();
        let [_, down, across, ..] = sizes[..] else {
            return Err(hyper.bad(KEY, format!("it is {sections:?}; three sizes or four can be right")));
        };
        if sizes.len() != sections.len() || sizes.iter().any(|&size| size > pairs) {
            return Err(hyper.bad(KEY, format!("it is {sections:?} for {pairs} pairs")));
        }
        let axis = |pair: usize| match pair % 3 {
            1 if pair / 3 < down => 1,
            2 if pair / 3 < across => 2,
            _ => 0,
        };
        Ok(RopeParams { axes: (0..pairs).map(axis).collect(), ..self })
    }

    /// Reads how much of a head is turned; all of it where the file does not say.
    pub(crate) fn read_dims(hyper: &Hyper, key: &str, head_dim: usize) -> Result<usize, ModelError> {
        let dims = hyper.opt_size(key, head_dim)?.unwrap_or(head_dim);
        if !dims.is_multiple_of(2) {
            return Err(hyper.bad(key, format!("{dims} is odd")));
        }
        Ok(dims)
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

impl LongRope {
    /// Takes `rope_factors_short` and `rope_factors_long` if the file has them, and gives those for sequences of up to
    /// `context` tokens. One model has one list: a token's key must not depend on how long its sequence becomes.
    pub(crate) fn divisors(
        &self,
        weights: &Weights,
        pairs: usize,
        context: usize,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let short = weights.opt_vector("rope_factors_short.weight", pairs)?;
        let long = weights.opt_vector("rope_factors_long.weight", pairs)?;
        Ok(if context > self.original_context { long } else { short })
    }
}

impl Yarn {
    fn read(hyper: &Hyper, factor: f32) -> Result<Self, ModelError> {
        let trained = hyper.size("context_length", usize::MAX)?;
        let original = hyper.opt_size("rope.scaling.original_context_length", usize::MAX)?;
        let number = |key: &str, default: f32| Ok::<_, ModelError>(hyper.opt_f32(key)?.unwrap_or(default));
        let ext_factor = number("rope.scaling.yarn_ext_factor", 1.0)?;
        // Models that scale their scores elsewhere undo a part of the usual magnitude, or all of it.
        let undone = magnitude(factor, number("rope.scaling.yarn_log_multiplier", 0.0)?);
        let usual = if ext_factor == 0.0 { 1.0 } else { magnitude(factor, 1.0) / undone };
        // A magnitude of their own takes the place of the usual one.
        let own = hyper.opt_f32("rope.scaling.yarn_attn_factor")?;
        Ok(Yarn {
            factor,
            original_context: original.unwrap_or(trained),
            beta_fast: number("rope.scaling.yarn_beta_fast", 32.0)?,
            beta_slow: number("rope.scaling.yarn_beta_slow", 1.0)?,
            ext_factor,
            magnitude: own.unwrap_or(usual) * number("rope.scaling.attn_factor", 1.0)?,
            whole_pairs: true,
        })
    }

    /// The frequency of pair `i` and how much of the unstretched one it keeps.
    pub(super) fn stretch(&self, i: usize, frequency: f32, dims: usize, base: f32) -> f32 {
        // The pair whose wavelength turns `beta` times within the original context.
        let pair_of = |beta: f32| {
            let turns = self.original_context as f32 / (beta * std::f32::consts::TAU);
            dims as f32 * turns.ln() / (2.0 * base.ln())
        };
        let (mut low, mut high) = (pair_of(self.beta_fast), pair_of(self.beta_slow));
        if self.whole_pairs {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(dims as f32 - 1.0));
        let ramp = ((i as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        let keep = (1.0 - ramp) * self.ext_factor;
        frequency / self.factor * (1.0 - keep) + frequency * keep
    }
}

/// How much larger scores become where frequencies are stretched by `factor`.
fn magnitude(factor: f32, multiplier: f32) -> f32 {
    if factor <= 1.0 { 1.0 } else { 1.0 + 0.1 * multiplier * factor.ln() }
}
