//! Gemma 4's encoder: patches of a picture that keeps its shape, with a learned vector for each column and each row, and
//! rotary embedding along both; squares of patches become their mean, which may be standardised and is projected.

use std::sync::Arc;

use lantern_kernels::Activation;

use super::{Axes, AxialRope, ClippedLinear, Colours, Filter, PatchAttention, Projector, VisionEncoder};
use super::{VisionParams, add, in_workspace, patches, refuse_empty, wrong_target};
use crate::layers::{Linear, RmsNorm};
use crate::rows::{HostRows, Workspace};
use crate::{Hyper, ModelError, Split, Weights};

/// Patches on each side of a square, where the file does not say; more than `MAX_MERGED` are damage.
const MERGED: usize = 3;
const MAX_MERGED: usize = 4;
/// Tokens of a picture at most, as the authors' processor has it; files do not say.
const MAX_TOKENS: usize = 280;
/// Base of the rotary embedding; files do not say.
const ROPE_BASE: f32 = 100.0;

/// The vision half of a Gemma 4 model.
pub(super) struct Gemma4Vision {
    params: VisionParams,
    split: Split,
    /// Patches on each side of a square that becomes one token.
    merged: usize,
    /// From the numbers of a patch.
    patches: Linear,
    /// Vectors of each column, and then of each row, of which there are as many: `[2, places, hidden]`.
    positions: Vec<f32>,
    places: usize,
    blocks: Vec<Block>,
    /// What is taken from a token's numbers, and what they are then multiplied with.
    standard: Option<[Vec<f32>; 2]>,
    norm: RmsNorm,
    projection: Linear,
}

/// Attention and a gated network, each between two norms and added to what came in.
struct Block {
    /// Before and behind attention, and before and behind the network.
    norms: [RmsNorm; 4],
    q: ClippedLinear,
    k: ClippedLinear,
    v: ClippedLinear,
    /// Of each head.
    q_norm: RmsNorm,
    k_norm: RmsNorm,
    v_norm: RmsNorm,
    output: ClippedLinear,
    gate: ClippedLinear,
    up: ClippedLinear,
    down: ClippedLinear,
}

impl Gemma4Vision {
    /// Takes `v.patch_embd`, `v.position_embd`, `mm.input_projection`, the blocks, and `v.std_bias` and `v.std_scale` where
    /// the file has them.
    pub(super) fn load(hyper: &Hyper, weights: &Weights) -> Result<Self, ModelError> {
        let params = VisionParams::read(hyper, Filter::Bicubic)?;
        params.check_axes(hyper)?;
        let VisionParams { hidden, patch, width, .. } = params;
        let merged = hyper.opt_size("vision.projector.scale_factor", MAX_MERGED)?.unwrap_or(MERGED);
        // Pictures have no size of their own.
        hyper.ignore("vision.image_size");
        hyper.refuse_unread()?;
        let places = weights.vectors_in("v.position_embd");
        let standard = match weights.has("v.std_bias") || weights.has("v.std_scale") {
            true => Some([weights.vector("v.std_bias", hidden)?, weights.vector("v.std_scale", hidden)?]),
            false => None,
        };
        Ok(Gemma4Vision {
            split: weights.split().clone(),
            merged,
            patches: weights.patch_linear("v.patch_embd", "weight", patch, hidden)?,
            positions: weights.values("v.position_embd.weight", &[hidden, places, 2])?,
            places,
            blocks: (0..params.n_layers)
                .map(|layer| Block::load(weights, layer, &params))
                .collect::<Result<_, _>>()?,
            standard,
            norm: plain_norm(weights, hidden, params.eps)?,
            projection: weights.linear("mm.input_projection", hidden, width)?,
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
        let mut numbers = patches::cut(workspace, pixels, target, self.params.patch)?;
        numbers.iter_mut().for_each(|x| *x = 2.0 * *x - 1.0);
        let mut x = self.patches.forward_host(&numbers)?;
        let (hidden, across) = (self.params.hidden, target[0] / self.params.patch);
        let (columns, rows) = self.positions.split_at(self.places * hidden);
        for (index, patch) in x.chunks_exact_mut(hidden).enumerate() {
            let places = columns[index % across * hidden..].iter().zip(&rows[index / across * hidden..]);
            patch.iter_mut().zip(places).for_each(|(x, (column, row))| *x += column + row);
        }
        Ok(x)
    }

    /// `pixels` of a size that was checked to `[tokens, width]`.
    fn vectors(
        &self,
        workspace: &Arc<Workspace>,
        pixels: &[f32],
        target: [usize; 2],
    ) -> Result<Vec<f32>, ModelError> {
        let grid = target.map(|pixels| pixels / self.params.patch);
        let mut x = self.embed(workspace, pixels, target)?;
        let rope = AxialRope::new(Axes::Apart, grid, ROPE_BASE, self.params.n_heads, self.params.head_dim());
        let mut attention = PatchAttention::new(&self.split, &self.params, 1.0, x.rows())?;
        for block in &self.blocks {
            block.forward(&mut x, &mut attention, &rope)?;
        }
        let mut tokens = patches::means(&x, grid[0], self.merged);
        let scale = (self.params.hidden as f32).sqrt();
        tokens.iter_mut().for_each(|x| *x *= scale);
        if let Some([bias, scale]) = &self.standard {
            for token in tokens.chunks_exact_mut(self.params.hidden) {
                let standard = bias.iter().zip(scale);
                token.iter_mut().zip(standard).for_each(|(x, (bias, scale))| *x = (*x - bias) * scale);
            }
        }
        self.norm.parts_in_place(&mut tokens)?;
        Ok(self.projection.forward_host(&tokens)?.to_vec())
    }
}

impl VisionEncoder for Gemma4Vision {
    fn projector(&self) -> Projector {
        Projector::Gemma4
    }

    fn target(&self, size: [usize; 2]) -> Result<[usize; 2], ModelError> {
        refuse_empty(size)?;
        let squares = squares(size, self.square());
        let [across, down] = squares.map(|squares| squares * self.merged);
        if across.max(down) > self.places {
            let reason = format!("{across} by {down} patches, and the model knows {} places", self.places);
            return Err(ModelError::BadPictureSize { size, reason });
        }
        Ok(squares.map(|squares| squares * self.square()))
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
        0
    }

    fn encode(&mut self, pixels: &[f32], target: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        let fits =
            |pixels: usize| pixels.is_multiple_of(self.square()) && pixels / self.params.patch <= self.places;
        if !target.into_iter().all(fits) {
            return Err(wrong_target(target));
        }
        in_workspace(&self.split, |workspace| self.vectors(workspace, pixels, target))
    }
}

impl Block {
    fn load(weights: &Weights, layer: usize, params: &VisionParams) -> Result<Self, ModelError> {
        let VisionParams { hidden, inner, eps, .. } = *params;
        let name = |name: &str| format!("v.blk.{layer}.{name}");
        let norm = |part: &str, width| weights.rms_norm(&name(part), width, eps);
        let linear = |part: &str, inputs, outputs| ClippedLinear::load(weights, &name(part), inputs, outputs);
        Ok(Block {
            norms: [
                norm("ln1", hidden)?,
                norm("attn_post_norm", hidden)?,
                norm("ln2", hidden)?,
                norm("ffn_post_norm", hidden)?,
            ],
            q: linear("attn_q", hidden, hidden)?,
            k: linear("attn_k", hidden, hidden)?,
            v: linear("attn_v", hidden, hidden)?,
            q_norm: norm("attn_q_norm", params.head_dim())?,
            k_norm: norm("attn_k_norm", params.head_dim())?,
            v_norm: plain_norm(weights, params.head_dim(), eps)?,
            output: linear("attn_out", hidden, hidden)?,
            gate: linear("ffn_gate", hidden, inner)?,
            up: linear("ffn_up", hidden, inner)?,
            down: linear("ffn_down", inner, hidden)?,
        })
    }

    /// `x[patches, hidden]` in place.
    fn forward(
        &self,
        x: &mut HostRows,
        attention: &mut PatchAttention,
        rope: &AxialRope,
    ) -> Result<(), ModelError> {
        let [before, behind, before_network, behind_network] = &self.norms;
        let mut normed = x.columns(0, x.width());
        before.parts_in_place(&mut normed)?;
        let (mut q, mut k, mut v) =
            (self.q.forward(&normed)?, self.k.forward(&normed)?, self.v.forward(&normed)?);
        for (heads, norm) in [(&mut q, &self.q_norm), (&mut k, &self.k_norm), (&mut v, &self.v_norm)] {
            norm.parts_in_place(heads)?;
        }
        rope.turn(&mut q)?;
        rope.turn(&mut k)?;
        let mut seen = self.output.forward(&attention.attend(q, k, v)?)?;
        behind.parts_in_place(&mut seen)?;
        add(x, &seen)?;
        normed.copy_from_slice(x);
        before_network.parts_in_place(&mut normed)?;
        let (mut inner, up) = (self.gate.forward(&normed)?, self.up.forward(&normed)?);
        let (pool, values) = inner.pool_and_values();
        lantern_kernels::gate(pool, Activation::GeluTanh, values, &up)?;
        let mut out = self.down.forward(&inner)?;
        behind_network.parts_in_place(&mut out)?;
        add(x, &out)
    }
}

/// A norm without weights.
fn plain_norm(weights: &Weights, width: usize, eps: f64) -> Result<RmsNorm, ModelError> {
    RmsNorm::new(vec![1.0; width], eps, weights.split().block(0).device())
}

/// Squares of `square` pixels across and down: as many as [`MAX_TOKENS`] allow without changing the picture's shape much.
fn squares(size: [usize; 2], square: usize) -> [usize; 2] {
    let pixels = (MAX_TOKENS * square * square) as f64 / (size[0] * size[1]) as f64;
    let factor = pixels.sqrt();
    match size.map(|side| (factor * side as f64 / square as f64).floor() as usize) {
        [_, 0] => [(size[0] / size[1]).min(MAX_TOKENS), 1],
        [0, _] => [1, (size[1] / size[0]).min(MAX_TOKENS)],
        whole => whole,
    }
}
