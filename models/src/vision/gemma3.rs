//! Gemma 3's way from patches to vectors: squares of neighbouring patches become their mean, which is normed and projected.

use super::{Colours, Projector, Siglip, SiglipParams, VisionEncoder, refuse_empty, wrong_target};
use crate::hyper::MAX_WIDTH;
use crate::layers::RmsNorm;
use crate::rows::Rows;
use crate::{Hyper, ModelError, Weights};

/// Patches on each side of a square, where the file does not say: 64 of them become 16 vectors on a side.
const MERGED: usize = 4;

/// The vision half of a Gemma 3 model.
pub(crate) struct Gemma3Vision {
    tower: Siglip,
    params: SiglipParams,
    /// Patches on each side of a square that becomes one vector.
    merged: usize,
    norm: RmsNorm,
    /// `[hidden, width]`: what each number of a mean adds to a vector.
    projection: Vec<f32>,
    width: usize,
}

impl Gemma3Vision {
    /// Takes what [`Siglip::load`] takes, `mm.soft_emb_norm` and `mm.input_projection`.
    pub(crate) fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        const SCALE: &str = "vision.projector.scale_factor";
        let params = SiglipParams::read(hyper)?;
        let width = hyper.size("vision.projection_dim", MAX_WIDTH)?;
        let merged = hyper.opt_size(SCALE, params.side)?.unwrap_or(MERGED);
        if !params.side.is_multiple_of(merged) {
            let reason = format!("squares of {merged} in {} patches on a side", params.side);
            return Err(hyper.bad(SCALE, reason));
        }
        // Both say what this kind of file is anyway.
        for known in ["has_vision_encoder", "use_gelu"] {
            if hyper.opt_bool(known)? == Some(false) {
                return Err(hyper.bad(known, "it is false, and gemma3 needs it".to_owned()));
            }
        }
        hyper.refuse_unread()?;
        let device = weights.split().block(0).device();
        let norm = weights.vector("mm.soft_emb_norm.weight", params.hidden)?;
        Ok(Gemma3Vision {
            tower: Siglip::load(weights, params.clone())?,
            norm: RmsNorm::new(norm, params.eps, device)?,
            projection: weights.values("mm.input_projection.weight", &[width, params.hidden])?,
            params,
            merged,
            width,
        })
    }
}

impl VisionEncoder for Gemma3Vision {
    fn projector(&self) -> Projector {
        Projector::Gemma3
    }

    fn target(&self, size: [usize; 2]) -> Result<[usize; 2], ModelError> {
        refuse_empty(size)?;
        Ok([self.params.pixels; 2])
    }

    fn colours(&self) -> &Colours {
        &self.params.colours
    }

    fn grid(&self, _target: [usize; 2]) -> [usize; 2] {
        [self.params.side / self.merged; 2]
    }

    fn width(&self) -> usize {
        self.width
    }

    fn levels(&self) -> usize {
        0
    }

    fn encode(&mut self, pixels: &[f32], target: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        if target != [self.params.pixels; 2] {
            return Err(wrong_target(target));
        }
        let patches = self.tower.encode(pixels)?;
        let SiglipParams { hidden, side, .. } = self.params;
        let squares = side / self.merged;
        let mut means = patches.room_for(squares * squares, hidden);
        means.fill(0.0);
        let share = 1.0 / (self.merged * self.merged) as f32;
        for (index, patch) in patches.chunks_exact(hidden).enumerate() {
            let (row, column) = (index / side / self.merged, index % side / self.merged);
            let mean = &mut means[(row * squares + column) * hidden..][..hidden];
            mean.iter_mut().zip(patch).for_each(|(mean, x)| *mean += share * x);
        }
        let normed = self.norm.forward(&Rows::Host(means))?.into_values()?;
        let mut vectors = vec![0.0; squares * squares * self.width];
        for (vector, mean) in vectors.chunks_exact_mut(self.width).zip(normed.chunks_exact(hidden)) {
            for (x, row) in mean.iter().zip(self.projection.chunks_exact(self.width)) {
                vector.iter_mut().zip(row).for_each(|(sum, weight)| *sum += x * weight);
            }
        }
        Ok(vectors)
    }
}
