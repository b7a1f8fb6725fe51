//! Gemma 3's encoder: SigLIP (Zhai et al., 2023) over a square of fixed size, where squares of neighbouring patches become
//! their mean, which is normed and projected.

use std::sync::Arc;

use super::{Block, Colours, Filter, PatchAttention, Projector, VisionEncoder, VisionParams};
use super::{add, in_workspace, patches, refuse_empty, wrong_target};
use crate::layers::{LayerNorm, Linear, RmsNorm};
use crate::rows::{HostRows, Workspace};
use crate::{Hyper, ModelError, Split, Weights};

/// Patches on each side of a square, where the file does not say: 64 of them become 16 vectors on a side.
const MERGED: usize = 4;

/// The vision half of a Gemma 3 model.
pub(super) struct Gemma3Vision {
    params: VisionParams,
    split: Split,
    /// Patches on each side of a picture.
    side: usize,
    /// Patches on each side of a square that becomes one vector.
    merged: usize,
    /// From the numbers of a patch.
    patches: Linear,
    positions: Vec<f32>,
    blocks: Vec<Block>,
    last_norm: LayerNorm,
    norm: RmsNorm,
    /// `[hidden, width]`: what each number of a mean adds to a vector.
    projection: Vec<f32>,
}

impl Gemma3Vision {
    /// Takes `v.patch_embd`, `v.position_embd`, `v.post_ln`, `mm.soft_emb_norm`, `mm.input_projection` and the blocks.
    pub(super) fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        const SCALE: &str = "vision.projector.scale_factor";
        let params = VisionParams::read(hyper, Filter::Bilinear)?;
        let VisionParams { hidden, patch, width, eps, .. } = params;
        let side = params.side(hyper)?;
        let merged = hyper.opt_size(SCALE, side)?.unwrap_or(MERGED);
        if !side.is_multiple_of(merged) {
            return Err(hyper.bad(SCALE, format!("squares of {merged} in {side} patches on a side")));
        }
        hyper.refuse_unread()?;
        let device = weights.split().block(0).device();
        Ok(Gemma3Vision {
            split: weights.split().clone(),
            patches: weights.patch_linear("v.patch_embd", "weight", patch, hidden)?,
            positions: weights.values("v.position_embd.weight", &[hidden, side * side])?,
            blocks: Block::load_all(weights, &params)?,
            last_norm: weights.layer_norm("v.post_ln", hidden, eps)?,
            norm: RmsNorm::new(weights.vector("mm.soft_emb_norm.weight", hidden)?, eps, device)?,
            projection: weights.values("mm.input_projection.weight", &[width, hidden])?,
            params,
            side,
            merged,
        })
    }

    /// Pixels on each side of a picture.
    fn pixels(&self) -> usize {
        self.side * self.params.patch
    }

    /// `pixels[3, side, side]` to `[tokens, width]`.
    fn vectors(&self, workspace: &Arc<Workspace>, pixels: &[f32]) -> Result<Vec<f32>, ModelError> {
        let numbers = patches::cut(workspace, pixels, [self.pixels(); 2], self.params.patch)?;
        let mut x = self.patches.forward_host(&numbers)?;
        add(&mut x, &self.positions)?;
        let scale = 1.0 / (self.params.head_dim() as f32).sqrt();
        let mut attention = PatchAttention::new(&self.split, &self.params, scale, x.rows())?;
        for block in &self.blocks {
            block.forward(&mut x, &mut attention, None)?;
        }
        self.last_norm.apply_host(&mut x)?;
        let mut means = patches::means(&x, self.side, self.merged);
        self.norm.parts_in_place(&mut means)?;
        Ok(self.project(&means))
    }

    /// `[tokens, hidden]` to `[tokens, width]`.
    fn project(&self, means: &HostRows) -> Vec<f32> {
        let width = self.params.width;
        let mut vectors = vec![0.0; means.rows() * width];
        for (vector, mean) in vectors.chunks_exact_mut(width).zip(means.chunks_exact(means.width())) {
            for (x, row) in mean.iter().zip(self.projection.chunks_exact(width)) {
                vector.iter_mut().zip(row).for_each(|(sum, weight)| *sum += x * weight);
            }
        }
        vectors
    }
}

impl VisionEncoder for Gemma3Vision {
    fn projector(&self) -> Projector {
        Projector::Gemma3
    }

    fn target(&self, size: [usize; 2]) -> Result<[usize; 2], ModelError> {
        refuse_empty(size)?;
        Ok([self.pixels(); 2])
    }

    fn colours(&self) -> &Colours {
        &self.params.colours
    }

    fn grid(&self, _target: [usize; 2]) -> [usize; 2] {
        [self.side / self.merged; 2]
    }

    fn width(&self) -> usize {
        self.params.width
    }

    fn levels(&self) -> usize {
        0
    }

    fn encode(&mut self, pixels: &[f32], target: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        if target != [self.pixels(); 2] {
            return Err(wrong_target(target));
        }
        in_workspace(&self.split, |workspace| self.vectors(workspace, pixels))
    }
}
