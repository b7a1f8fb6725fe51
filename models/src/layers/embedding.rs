//! Token embeddings. The table stays quantised; only the rows of a batch are turned into numbers.

use std::sync::Arc;

use lantern_kernels::QMatrix;

use crate::rows::Rows;
use crate::{Compute, ForwardBatch, ModelError};

/// The table of token embeddings, in host memory on every device.
pub(crate) struct Embedding {
    /// Shared with a tied output layer.
    table: Arc<QMatrix>,
    /// Nobody else reads the table, so its pages need not stay.
    alone: bool,
    scale: Option<f32>,
    compute: Compute,
}

/// So many rows are looked up before the pages they lie on are let go: the system maps its neighbours with each, and a long
/// prompt would bring most of the table into memory.
pub const LOOKED_UP_AT_ONCE: usize = 64;

impl Embedding {
    /// Of a table that is also multiplied with.
    pub(crate) fn shared(table: Arc<QMatrix>, compute: &Compute) -> Self {
        Embedding { table, alone: false, scale: None, compute: compute.clone() }
    }

    /// Of a table in which rows are only looked up.
    pub(crate) fn alone(table: Arc<QMatrix>, compute: &Compute) -> Self {
        Embedding { alone: true, ..Self::shared(table, compute) }
    }

    /// Multiplies every embedding by `scale`.
    pub(crate) fn scaled(self, scale: f32) -> Self {
        Embedding { scale: Some(scale), ..self }
    }

    /// A vector for each row of a batch: its token's embedding, or that of its part of a picture, which is not scaled.
    pub(crate) fn of_batch(&self, batch: &ForwardBatch) -> Result<Rows, ModelError> {
        let mut x = self.forward(&batch.text_tokens())?;
        if !batch.pictures.is_empty() {
            let hidden = self.table.cols();
            x.change(|values| batch.pictures.iter().for_each(|picture| picture.put(values, hidden)))?;
        }
        Ok(x)
    }

    /// The tokens' embeddings, `[tokens.len(), hidden]`.
    pub(crate) fn forward(&self, tokens: &[u32]) -> Result<Rows, ModelError> {
        let mut x = self.compute.rows(tokens.len(), self.table.cols(), |out| self.look_up(tokens, out))?;
        if let Some(scale) = self.scale {
            x.scale(scale)?;
        }
        Ok(x)
    }

    fn look_up(&self, tokens: &[u32], out: &mut [f32]) -> Result<(), ModelError> {
        if !self.alone {
            return Ok(lantern_kernels::embed(&self.table, tokens, out)?);
        }
        let values = (LOOKED_UP_AT_ONCE * self.table.cols()).max(1);
        for (tokens, out) in tokens.chunks(LOOKED_UP_AT_ONCE).zip(out.chunks_mut(values)) {
            lantern_kernels::embed(&self.table, tokens, out)?;
            self.table.release();
        }
        Ok(())
    }
}
