//! A matrix for each head, each over the part of a row that belongs to its head.

use std::cell::RefCell;

use candle_core::Tensor;
use lantern_kernels::{ExpertRows, Product};

use super::{Dispatch, ExpertMatrices};
use crate::rows::HostRows;
use crate::{ModelError, Weights};

/// From `[rows, heads * inputs]` to `[rows, heads * outputs]`: as experts are, with one part of a row for each.
pub(super) struct PerHead {
    matrices: ExpertMatrices,
    heads: usize,
    outputs: usize,
}

impl PerHead {
    /// Takes `<name>.weight`, `[inputs, outputs, heads]`.
    pub(super) fn load(
        weights: &Weights,
        name: &str,
        inputs: usize,
        outputs: usize,
        heads: usize,
    ) -> Result<Self, ModelError> {
        Ok(PerHead::new(weights.experts(name, inputs, outputs, heads)?, heads, outputs))
    }

    /// Of `heads` matrices to `outputs`.
    pub(super) fn new(matrices: ExpertMatrices, heads: usize, outputs: usize) -> Self {
        PerHead { matrices, heads, outputs }
    }

    pub(super) fn forward_host(&self, x: &HostRows) -> Result<HostRows, ModelError> {
        thread_local! {
            static KEPT: RefCell<Dispatch> = RefCell::default();
        }
        let mut dispatch = KEPT.take();
        let parts = x.rows() * self.heads;
        dispatch.clear(1);
        dispatch.experts.extend((0..parts).map(|part| (part % self.heads) as u32));
        dispatch.sort(self.heads);
        let mut by_head = x.room_for(parts, self.outputs);
        let product = Product { weights: &self.matrices.matrix, out: &mut by_head };
        let (rows, groups) = (&dispatch.rows, &dispatch.groups);
        lantern_kernels::matmul_experts(x.pool(), x, parts, rows, groups, &mut [product])?;
        let mut out = x.room(self.heads * self.outputs);
        for (part, &place) in out.chunks_exact_mut(self.outputs).zip(&dispatch.places) {
            part.copy_from_slice(&by_head[place as usize * self.outputs..][..self.outputs]);
        }
        KEPT.set(dispatch);
        Ok(out)
    }

    /// `[rows, heads, inputs]` to `[rows, heads, outputs]`.
    pub(super) fn forward_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let rows = x.dim(0)? as u32;
        let head = |head: usize| {
            let group = ExpertRows { expert: head as u32, first: 0, len: rows };
            self.matrices.forward_tensor(&group, &x.narrow(1, head, 1)?.squeeze(1)?)
        };
        let outs = (0..self.heads).map(head).collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::stack(&outs, 1)?)
    }
}
