//! Token embeddings. The table stays quantised; only the rows of a batch are turned into numbers.

use std::sync::Arc;

use lantern_kernels::QMatrix;

use crate::rows::Rows;
use crate::{Compute, ForwardBatch, ModelError};

/// The table of token embeddings, in host memory on every device.
pub(crate) struct Embedding {
    /// Shared with a tied output layer.
    table: Arc<QMatrix>,
    scale: Option<f32>,
    compute: Compute,
}

impl Embedding {
    pub(crate) fn new(table: Arc<QMatrix>, compute: &Compute) -> Self {
        Embedding { table, scale: None, compute: compute.clone() }
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
        let mut x = self.compute.rows(tokens.len(), self.table.cols(), |out| {
            Ok(lantern_kernels::embed(&self.table, tokens, out)?)
        })?;
        if let Some(scale) = self.scale {
            x.scale(scale)?;
        }
        Ok(x)
    }
}
