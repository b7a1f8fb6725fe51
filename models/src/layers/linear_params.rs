//! What files say about layers of linear attention, whichever its rule: the keys under `ssm.`.

use lantern_kernels::{HeadSharing, LinearRule, LinearShape};

use super::conv::Conv;
use crate::hyper::{MAX_HEADS, MAX_WIDTH};
use crate::{Hyper, LayerCache, ModelError};

/// A kernel of a convolution longer than this is damage.
const MAX_TAPS: usize = 64;

/// The sizes of a layer of linear attention and of the convolution in front of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinearParams {
    pub(super) shape: LinearShape,
    /// Tokens that the convolution sees.
    pub(super) taps: usize,
}

impl LinearParams {
    /// Reads the keys under `ssm.`.
    pub(super) fn read(hyper: &Hyper, rule: LinearRule, sharing: HeadSharing) -> Result<Self, ModelError> {
        let key_dim = hyper.size("ssm.state_size", LinearShape::MAX_KEY)?;
        let n_key_heads = hyper.size("ssm.group_count", MAX_HEADS)?;
        let n_value_heads = hyper.size("ssm.time_step_rank", MAX_HEADS)?;
        let inner = hyper.size("ssm.inner_size", MAX_WIDTH)?;
        let taps = hyper.size("ssm.conv_kernel", MAX_TAPS)?;
        if !n_value_heads.is_multiple_of(n_key_heads) {
            let reason = format!("{n_key_heads} does not divide the {n_value_heads} heads of values");
            return Err(hyper.bad("ssm.group_count", reason));
        }
        if !inner.is_multiple_of(n_value_heads) {
            let reason = format!("{n_value_heads} heads do not divide {inner}");
            return Err(hyper.bad("ssm.inner_size", reason));
        }
        let value_dim = inner / n_value_heads;
        let shape = LinearShape { rule, sharing, n_key_heads, n_value_heads, key_dim, value_dim, first: 0 };
        let first = Conv::state_len(taps, shape.qkv_width());
        Ok(LinearParams { shape: LinearShape { first, ..shape }, taps })
    }

    /// Takes the keys of a file that has no such layers.
    pub(super) fn ignore(hyper: &Hyper) {
        for key in ["state_size", "group_count", "time_step_rank", "inner_size", "conv_kernel"] {
            hyper.ignore(&format!("ssm.{key}"));
        }
    }

    /// What a layer keeps: inputs of the convolution, then a matrix for each head of values.
    pub(crate) fn state(&self) -> LayerCache {
        LayerCache::State(self.shape.first + self.shape.state_len())
    }

    /// Numbers of a row's values.
    pub(super) fn value_width(&self) -> usize {
        self.shape.n_value_heads * self.shape.value_dim
    }
}
