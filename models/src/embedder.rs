//! Models that turn a text into one vector: layers over all its tokens at once, and a rule that makes one of many.
//!
//! Texts pass whole, so nothing is kept from one call to the next: the cache that attention reads is memory for one batch.

use std::ops::Range;

use lantern_gguf::GgufError;

use crate::layers::Linear;
use crate::rows::Rows;
use crate::{ForwardBatch, Hyper, KvCache, KvType, ModelConfig, ModelError, Split, Weights};

/// Tokens in a block of the cache.
const BLOCK: usize = 16;
/// Rows that pass together, about: enough to keep threads busy, few enough to keep activations small.
const ROWS: usize = 512;

/// How a file becomes an embedder.
pub(crate) type EmbedderFamily = fn(&Hyper, &Weights) -> Result<Embedder, ModelError>;

/// The layers of a model, without what makes logits of their output.
pub(crate) trait Encoder: Send {
    fn config(&self) -> &ModelConfig;

    /// What the layers make of the batch's `logit_rows`, behind the last norm: `[logit_rows.len(), hidden]`.
    fn encode(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<Rows, ModelError>;
}

/// What stands for all of a text's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first, which was put there for that.
    First,
    /// The last.
    Last,
}

impl Pooling {
    /// From the file's `pooling_type`.
    pub(crate) fn read(hyper: &Hyper) -> Result<Self, ModelError> {
        const KEY: &str = "pooling_type";
        let missing = || GgufError::MissingKey { key: hyper.key(KEY) };
        match hyper.opt_u32(KEY)?.ok_or_else(missing)? {
            1 => Ok(Pooling::Mean),
            2 => Ok(Pooling::First),
            3 => Ok(Pooling::Last),
            other => {
                Err(hyper.bad(KEY, format!("it is {other}; 1 (mean), 2 (first) and 3 (last) are supported")))
            }
        }
    }

    /// The rows that it takes of a text with so many, which begin at `first`.
    fn rows(self, first: usize, rows: usize) -> Range<u32> {
        let (first, end) = (first as u32, (first + rows) as u32);
        match self {
            Pooling::Mean => first..end,
            Pooling::First => first..first + 1,
            Pooling::Last => end - 1..end,
        }
    }
}

/// A model that turns texts into vectors.
pub struct Embedder {
    encoder: Box<dyn Encoder>,
    pooling: Pooling,
    /// Layers behind pooling, without activations between them.
    dense: Vec<Linear>,
    dimensions: usize,
    split: Split,
    /// Room for the keys and values of one layer at a time.
    kv: Option<(usize, KvCache)>,
    batch: ForwardBatch,
}

impl Embedder {
    pub(crate) fn new(
        encoder: Box<dyn Encoder>,
        pooling: Pooling,
        weights: &Weights,
    ) -> Result<Self, ModelError> {
        let dimensions = encoder.config().hidden_size;
        let (split, dense, batch) = (weights.split().clone(), Vec::new(), ForwardBatch::default());
        Ok(Embedder { encoder, pooling, dense, dimensions, split, kv: None, batch })
    }

    /// Adds a layer behind those that are there.
    pub(crate) fn with_dense(
        mut self,
        layer: Linear,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, ModelError> {
        if inputs != self.dimensions {
            let reason = format!("a layer for vectors of {inputs} behind those of {}", self.dimensions);
            return Err(ModelError::BadBatch(reason));
        }
        self.dense.push(layer);
        self.dimensions = outputs;
        Ok(self)
    }

    /// What the model is. Its cache is the embedder's own business.
    pub fn config(&self) -> &ModelConfig {
        self.encoder.config()
    }

    /// Numbers in a vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// What stands for all of a text's tokens.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Replaces `vectors` by one of length one for each text, `[texts.len(), dimensions]`. A text is its tokens, those
    /// included that begin and end it: at least one, at most as many as the model's context.
    ///
    /// A text's vector does not depend on the other texts, to the last bit.
    pub fn embed(&mut self, texts: &[&[u32]], vectors: &mut Vec<f32>) -> Result<(), ModelError> {
        let most = self.config().context_length;
        if let Some(text) = texts.iter().find(|text| text.is_empty() || text.len() > most) {
            return Err(ModelError::BadBatch(format!(
                "a text of {} tokens; 1 to {most} can pass",
                text.len()
            )));
        }
        vectors.clear();
        let mut rest = texts;
        while !rest.is_empty() {
            let mut rows = 0;
            let fits = |text: &&&[u32]| {
                rows += text.len();
                rows <= ROWS
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            self.embed_together(now, vectors)?;
            rest = later;
        }
        Ok(())
    }

    /// Adds the vectors of texts that pass together.
    fn embed_together(&mut self, texts: &[&[u32]], vectors: &mut Vec<f32>) -> Result<(), ModelError> {
        let blocks = self.fill_batch(texts);
        let mut kv = match self.kv.take() {
            Some((room, kv)) if room >= blocks => (room, kv),
            _ => {
                let layout = &self.config().kv_layout;
                (blocks, KvCache::for_split(layout, &[blocks], BLOCK, KvType::F32, &self.split)?)
            }
        };
        let encoded = self.encoder.encode(&self.batch, &mut kv.1);
        self.kv = Some(kv);
        let first = vectors.len();
        vectors.extend_from_slice(&self.pooled(encoded?, texts)?);
        for vector in vectors[first..].chunks_exact_mut(self.dimensions) {
            normalise(vector);
        }
        Ok(())
    }

    /// Makes a batch of the texts; how many blocks it takes.
    fn fill_batch(&mut self, texts: &[&[u32]]) -> usize {
        self.batch.clear();
        let mut blocks = 0;
        for text in texts {
            let first_row = self.batch.rows();
            let table: Vec<u32> = (blocks..).take(text.len().div_ceil(BLOCK)).collect();
            blocks += table.len() as u32;
            self.batch.push(text, 0, [table.as_slice()], BLOCK);
            self.batch.logit_rows.extend(self.pooling.rows(first_row, text.len()));
        }
        blocks as usize
    }

    /// One row for each text, behind the layers that follow pooling.
    fn pooled(&self, encoded: Rows, texts: &[&[u32]]) -> Result<Vec<f32>, ModelError> {
        let (width, states) = (self.config().hidden_size, encoded.into_values()?);
        let compute = self.split.head();
        let mut pooled = compute.rows(texts.len(), width, |out| {
            let mut rest = states.as_slice();
            for (text, out) in texts.iter().zip(out.chunks_exact_mut(width)) {
                let rows = self.pooling.rows(0, text.len()).len();
                let (mine, others) = rest.split_at(rows * width);
                mean(mine, out);
                rest = others;
            }
            Ok(())
        })?;
        for layer in &self.dense {
            pooled = layer.forward(&pooled)?;
        }
        pooled.into_values()
    }
}

/// The mean of rows as wide as `out`.
fn mean(rows: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    let count = rows.len() / out.len().max(1);
    for row in rows.chunks_exact(out.len().max(1)) {
        out.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    out.iter_mut().for_each(|sum| *sum /= count as f32);
}

/// Makes a vector's length one, unless it is nothing.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}
