//! What a file says about its vision transformer, whatever comes behind it.

use super::{Colours, Filter};
use crate::hyper::{MAX_HEADS, MAX_LAYERS, MAX_WIDTH};
use crate::{Hyper, ModelError};

/// Pixels on each side of a patch beyond this are damage.
const MAX_PATCH: usize = 64;

/// The sizes of a vision transformer.
pub(super) struct VisionParams {
    /// Numbers of a patch between blocks.
    pub(super) hidden: usize,
    /// Width of the networks.
    pub(super) inner: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    /// Pixels on each side of a patch.
    pub(super) patch: usize,
    /// Numbers of a token: the width of the model that sees the picture.
    pub(super) width: usize,
    pub(super) eps: f64,
    pub(super) colours: Colours,
}

impl VisionParams {
    /// Reads the keys under `vision.` that all projectors have.
    pub(super) fn read(hyper: &Hyper, filter: Filter) -> Result<Self, ModelError> {
        let hidden = hyper.size("vision.embedding_length", MAX_WIDTH)?;
        let n_heads = hyper.size("vision.attention.head_count", MAX_HEADS)?;
        if !hidden.is_multiple_of(n_heads) {
            let reason = format!("{n_heads} heads do not divide a width of {hidden}");
            return Err(hyper.bad("vision.attention.head_count", reason));
        }
        let channels = |key: &str| -> Result<[f32; 3], ModelError> {
            let Some(values) = hyper.opt_floats(key)? else { return Ok([0.5; 3]) };
            let reason = format!("it is {values:?}; three numbers can be right");
            values.as_slice().try_into().map_err(|_| hyper.bad(key, reason))
        };
        let (mean, deviation) = (channels("vision.image_mean")?, channels("vision.image_std")?);
        if deviation.iter().any(|&deviation| deviation <= 0.0) {
            return Err(hyper.bad("vision.image_std", format!("it is {deviation:?}, and must be above zero")));
        }
        Ok(VisionParams {
            hidden,
            inner: hyper.size("vision.feed_forward_length", MAX_WIDTH)?,
            n_layers: hyper.size("vision.block_count", MAX_LAYERS)?,
            n_heads,
            patch: hyper.size("vision.patch_size", MAX_PATCH)?,
            width: hyper.size("vision.projection_dim", MAX_WIDTH)?,
            eps: f64::from(hyper.opt_f32("vision.attention.layer_norm_epsilon")?.unwrap_or(1e-6)),
            colours: Colours { mean, deviation, filter },
        })
    }

    /// Patches on each side of the square pictures of `vision.image_size` pixels that the model was made for.
    pub(super) fn side(&self, hyper: &Hyper) -> Result<usize, ModelError> {
        let pixels = hyper.size("vision.image_size", MAX_PATCH * MAX_PATCH)?;
        if !pixels.is_multiple_of(self.patch) {
            let reason = format!("patches of {} pixels in pictures of {pixels}", self.patch);
            return Err(hyper.bad("vision.patch_size", reason));
        }
        Ok(pixels / self.patch)
    }

    /// Refuses heads that do not turn along two axes: their numbers are not quarters.
    pub(super) fn check_axes(&self, hyper: &Hyper) -> Result<(), ModelError> {
        if !self.head_dim().is_multiple_of(4) {
            let reason = format!("heads of {} numbers do not turn along two axes", self.head_dim());
            return Err(hyper.bad("vision.attention.head_count", reason));
        }
        Ok(())
    }

    /// Numbers of a head.
    pub(super) fn head_dim(&self) -> usize {
        self.hidden / self.n_heads
    }
}
