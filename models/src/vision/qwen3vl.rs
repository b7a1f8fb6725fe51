//! Qwen3-VL's encoder, which Qwen3.5 has too: patches of a picture of nearly its own size, learned positions stretched to its
//! grid, and rotary embedding along both axes; squares of two by two patches become one token. Some blocks in between make
//! further vectors of each token, for the model's first layers ("deepstack").

use std::sync::Arc;

use super::{
    Axes, AxialRope, Block, Colours, Filter, PatchAttention, Projector, VisionEncoder, VisionParams,
};
use super::{add, in_workspace, patches, refuse_empty, wrong_target};
use crate::layers::{Activation, LayerNorm, Linear};
use crate::rows::{HostRows, Workspace};
use crate::{Hyper, ModelError, Split, Weights};

/// Patches on each side of a square, where the file does not say; more than `MAX_MERGED` are damage.
const MERGED: usize = 2;
const MAX_MERGED: usize = 4;
/// Tokens of a picture at least and at most, as the authors' processor has it (in pixels of squares of 32 by 32); files do not
/// say.
const MIN_TOKENS: usize = 64;
const MAX_TOKENS: usize = 16_384;
/// How many times longer a side may be than the other.
const MAX_RATIO: usize = 200;
/// Base of the rotary embedding; files do not say.
const ROPE_BASE: f32 = 10_000.0;

/// The vision half of a Qwen3-VL model.
pub(super) struct Qwen3VlVision {
    params: VisionParams,
    split: Split,
    /// Patches on each side of a square that becomes one token.
    merged: usize,
    /// From the numbers of a patch, in the two pictures that a moment of a film has: here both are the same.
    patches: [Linear; 2],
    /// `[side * side, hidden]`: what is stretched to the grid of a picture.
    positions: Vec<f32>,
    side: usize,
    blocks: Vec<Block>,
    last_norm: LayerNorm,
    merger: Merger,
    /// Behind these blocks.
    levels: Vec<(usize, LayerNorm, Merger)>,
}

/// From the patches of a square beside each other to a token's vector.
struct Merger {
    up: Linear,
    down: Linear,
}

impl Qwen3VlVision {
    /// Takes `v.patch_embd` with both its matrices, `v.position_embd`, `v.post_ln`, `mm.0`, `mm.2`, the blocks, and what
    /// `v.deepstack` has for some of them.
    pub(super) fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let params = VisionParams::read(hyper, Filter::Bicubic)?;
        params.check_axes(hyper)?;
        let VisionParams { hidden, patch, eps, n_layers, .. } = params;
        let side = params.side(hyper)?;
        let merged = hyper.opt_size("vision.spatial_merge_size", MAX_MERGED)?.unwrap_or(MERGED);
        let has_level = hyper.opt_layer_flags("vision.is_deepstack_layers", n_layers)?.unwrap_or_default();
        hyper.refuse_unread()?;
        let load_merger = |up: &str, down: &str| Merger::load(weights, [up, down], &params, merged);
        let load_level = |layer: usize| {
            let name = |part: &str| format!("v.deepstack.{layer}.{part}");
            let norm = weights.layer_norm(&name("norm"), merged * merged * hidden, eps)?;
            Ok((layer, norm, load_merger(&name("fc1"), &name("fc2"))?))
        };
        let layers = (0..n_layers).filter(|&layer| has_level.get(layer) == Some(&true));
        Ok(Qwen3VlVision {
            split: weights.split().clone(),
            merged,
            patches: [
                weights.patch_linear("v.patch_embd", "weight", patch, hidden)?,
                weights.patch_linear("v.patch_embd", "weight.1", patch, hidden)?,
            ],
            positions: weights.values("v.position_embd.weight", &[hidden, side * side])?,
            side,
            blocks: Block::load_all(weights, &params)?,
            last_norm: weights.layer_norm("v.post_ln", hidden, eps)?,
            merger: load_merger("mm.0", "mm.2")?,
            levels: layers.map(load_level).collect::<Result<_, ModelError>>()?,
            params,
        })
    }

    /// Pixels on each side of a square that becomes one token.
    fn square(&self) -> usize {
        self.params.patch * self.merged
    }

    /// The vectors of patches, `[across * down, hidden]`, before the first block.
    fn embed(
        &self,
        workspace: &Arc<Workspace>,
        pixels: &[f32],
        target: [usize; 2],
    ) -> Result<HostRows, ModelError> {
        let VisionParams { patch, hidden, .. } = self.params;
        let numbers = patches::cut(workspace, pixels, target, patch)?;
        let [mut x, second] = Linear::forward_each(self.patches.each_ref(), &numbers)?;
        add(&mut x, &second)?;
        let [columns, rows] = target.map(|pixels| stretched(self.side, pixels / patch));
        let (all, width) = (&self.positions, self.side * hidden);
        for (index, x) in x.chunks_exact_mut(hidden).enumerate() {
            let (column, row) = (columns[index % columns.len()], rows[index / columns.len()]);
            for (line, share) in row.taps() {
                for (at, part) in column.taps() {
                    let position = &all[line * width + at * hidden..][..hidden];
                    x.iter_mut().zip(position).for_each(|(x, value)| *x += share * part * value);
                }
            }
        }
        Ok(x)
    }

    /// `pixels` of a size that was checked to `[tokens, (1 + levels) * width]`.
    fn vectors(
        &self,
        workspace: &Arc<Workspace>,
        pixels: &[f32],
        target: [usize; 2],
    ) -> Result<Vec<f32>, ModelError> {
        let VisionParams { n_heads, patch, width, .. } = self.params;
        let head_dim = self.params.head_dim();
        let mut x = self.embed(workspace, pixels, target)?;
        let grid = target.map(|pixels| pixels / patch);
        let rope = AxialRope::new(Axes::Joined, grid, ROPE_BASE, n_heads, head_dim);
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut attention = PatchAttention::new(&self.split, &self.params, scale, x.rows())?;
        let mut levels = self.levels.iter().peekable();
        let mut parts = Vec::with_capacity(1 + self.levels.len());
        for (layer, block) in self.blocks.iter().enumerate() {
            block.forward(&mut x, &mut attention, Some(&rope))?;
            if let Some((_, norm, merger)) = levels.next_if(|(behind, ..)| *behind == layer) {
                let mut squares = patches::joined(&x, grid[0], self.merged);
                norm.apply_host(&mut squares)?;
                parts.push(merger.forward(&squares)?);
            }
        }
        self.last_norm.apply_host(&mut x)?;
        parts.insert(0, self.merger.forward(&patches::joined(&x, grid[0], self.merged))?);
        Ok(beside_each_other(&parts, width))
    }
}

impl VisionEncoder for Qwen3VlVision {
    fn projector(&self) -> Projector {
        Projector::Qwen3Vl
    }

    fn target(&self, size: [usize; 2]) -> Result<[usize; 2], ModelError> {
        refuse_empty(size)?;
        let (shorter, longer) = (size[0].min(size[1]), size[0].max(size[1]));
        if longer > shorter.saturating_mul(MAX_RATIO) {
            let reason = format!("one side is more than {MAX_RATIO} times the other");
            return Err(ModelError::BadPictureSize { size, reason });
        }
        Ok(squares(size, self.square()).map(|squares| squares * self.square()))
    }

    fn colours(&self) -> &Colours {
        &self.params.colours
    }

    fn grid(&self, target: [usize; 2]) -> [usize; 2] {
        target.map(|pixels| pixels / self.square())
    }

    fn width(&self) -> usize {
        self.params.width
    }

    fn levels(&self) -> usize {
        self.levels.len()
    }

    fn encode(&mut self, pixels: &[f32], target: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        if !target.into_iter().all(|pixels| pixels.is_multiple_of(self.square())) {
            return Err(wrong_target(target));
        }
        in_workspace(&self.split, |workspace| self.vectors(workspace, pixels, target))
    }
}

impl Merger {
    fn load(
        weights: &Weights,
        [up, down]: [&str; 2],
        params: &VisionParams,
        merged: usize,
    ) -> Result<Self, ModelError> {
        let inner = merged * merged * params.hidden;
        Ok(Merger { up: weights.linear(up, inner, inner)?, down: weights.linear(down, inner, params.width)? })
    }

    /// `[tokens, square * hidden]` to `[tokens, width]`.
    fn forward(&self, squares: &HostRows) -> Result<HostRows, ModelError> {
        let mut inner = self.up.forward_host(squares)?;
        let (pool, values) = inner.pool_and_values();
        lantern_kernels::activate(pool, Activation::Gelu, values);
        self.down.forward_host(&inner)
    }
}

/// `[tokens, width]` each to `[tokens, parts * width]`.
fn beside_each_other(parts: &[HostRows], width: usize) -> Vec<f32> {
    let tokens = parts.first().map_or(0, HostRows::rows);
    let of_token = |token: usize| parts.iter().flat_map(move |part| &part[token * width..][..width]);
    (0..tokens).flat_map(of_token).copied().collect()
}

/// A place between two others, as a share of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

impl Between {
    fn taps(self) -> [(usize, f32); 2] {
        [(self.first, 1.0 - self.share), (self.second, self.share)]
    }
}

/// Where each of `to` places lies among `from`, the first and the last on the first and the last.
fn stretched(from: usize, to: usize) -> Vec<Between> {
    let steps = to.saturating_sub(1).max(1) as f32;
    let place = |place: usize| {
        let at = (place * (from - 1)) as f32 / steps;
        let first = (at.floor() as usize).min(from - 1);
        Between { first, second: (first + 1).min(from - 1), share: at - first as f32 }
    };
    (0..to).map(place).collect()
}

/// Squares of `square` pixels across and down, for a picture of at most [`MAX_RATIO`]: its own size rounded, or as much
/// smaller or larger as the bounds ask for.
fn squares(size: [usize; 2], square: usize) -> [usize; 2] {
    let pixels = (size[0] * size[1]) as f64;
    let of = |tokens: usize| (tokens * square * square) as f64;
    let rounded = size.map(|side| (side as f64 / square as f64).round_ties_even() as usize);
    match rounded[0] * rounded[1] {
        tokens if tokens > MAX_TOKENS => {
            let shrink = (pixels / of(MAX_TOKENS)).sqrt();
            size.map(|side| ((side as f64 / shrink / square as f64).floor() as usize).max(1))
        }
        tokens if tokens < MIN_TOKENS => {
            let stretch = (of(MIN_TOKENS) / pixels).sqrt();
            size.map(|side| (side as f64 * stretch / square as f64).ceil() as usize)
        }
        _ => rounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_reach_from_the_first_to_the_last() {
        let at = |first, second, share| Between { first, second, share };
        assert_eq!(stretched(5, 3), [at(0, 1, 0.0), at(2, 3, 0.0), at(4, 4, 0.0)]);
        assert_eq!(stretched(2, 3)[1], at(0, 1, 0.5));
        assert_eq!(stretched(4, 1), [at(0, 1, 0.0)]);
    }
}
