//! Grouped-query attention over the paged key-value cache.

use candle_core::Tensor;
use lantern_kernels::{AttentionShape, Pool};

use super::attention_tensors::{self, SeqTensors};
use super::{Linear, RmsNorm, RopeTable};
use crate::compute::{Compute, with_values};
use crate::{ForwardBatch, KvCache, LayerKvShape, ModelError, Weights};

/// One layer's heads and how they look back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionParams {
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Factor of the scores, usually `1 / sqrt(head_dim)`.
    pub(crate) scale: f32,
    /// Tokens that a token sees, itself included; `None` for all before it.
    pub(crate) window: Option<u32>,
    /// Squeezes scores into `±cap`.
    pub(crate) softcap: Option<f32>,
}

impl AttentionParams {
    /// What the layer keeps in the cache.
    pub(crate) fn kv_shape(&self) -> LayerKvShape {
        LayerKvShape { n_kv_heads: self.n_kv_heads, head_dim: self.head_dim, window: self.window }
    }
}

/// The attention part of a block, from projections to output.
pub(crate) struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    output: Linear,
    /// Norms over each head of queries and keys.
    qk_norms: Option<(RmsNorm, RmsNorm)>,
    params: AttentionParams,
    layer: usize,
    hidden: usize,
    compute: Compute,
}

impl Attention {
    /// Takes `attn_q`, `attn_k`, `attn_v` and `attn_output` of block `layer`, with the biases it has.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
    ) -> Result<Self, ModelError> {
        let (q_width, kv_width) = (params.n_heads * params.head_dim, params.n_kv_heads * params.head_dim);
        let linear =
            |name: &str, inputs, outputs| weights.linear(&format!("blk.{layer}.{name}"), inputs, outputs);
        Ok(Attention {
            q: linear("attn_q", hidden, q_width)?,
            k: linear("attn_k", hidden, kv_width)?,
            v: linear("attn_v", hidden, kv_width)?,
            output: linear("attn_output", q_width, hidden)?,
            qk_norms: None,
            params,
            layer,
            hidden,
            compute: weights.compute().clone(),
        })
    }

    /// Adds `attn_q_norm` and `attn_k_norm`, over each head, before the rotary embedding.
    pub(crate) fn with_head_norms(self, weights: &Weights, eps: f64) -> Result<Self, ModelError> {
        let norm =
            |name: &str| weights.rms_norm(&format!("blk.{}.{name}", self.layer), self.params.head_dim, eps);
        Ok(Attention { qk_norms: Some((norm("attn_q_norm")?, norm("attn_k_norm")?)), ..self })
    }

    /// `[rows, hidden]` to `[rows, hidden]`; keys and values of the rows are in the cache afterwards. Without a
    /// `rope` the layer knows no positions.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Tensor, ModelError> {
        match self.compute.pool() {
            Some(pool) => {
                let out = with_values(x, |x| self.forward_rows(pool, x, rope, batch, kv))?;
                self.compute.tensor(out, self.hidden)
            }
            None => self.forward_tensors(x, rope, batch, kv),
        }
    }

    fn forward_rows(
        &self,
        pool: &Pool,
        x: &[f32],
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Vec<f32>, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = self.params;
        let [mut q, mut k, v] = Linear::rows_each([&self.q, &self.k, &self.v], x)?;
        if let Some((q_norm, k_norm)) = &self.qk_norms {
            q_norm.rows_in_place(pool, &mut q);
            k_norm.rows_in_place(pool, &mut k);
        }
        if let Some(rope) = rope {
            rope.apply_rows(pool, &mut q, n_heads, head_dim);
            rope.apply_rows(pool, &mut k, n_kv_heads, head_dim);
        }
        kv.write(self.layer, &batch.slots, &k, &v)?;
        let shape = AttentionShape {
            n_heads,
            n_kv_heads,
            head_dim,
            block_size: kv.block_size(),
            scale: self.params.scale,
            window: self.params.window,
            softcap: self.params.softcap,
        };
        let (keys, values) = kv.slices(self.layer)?;
        let mut out = vec![0.0; q.len()];
        let (seqs, tables) = (&batch.seqs, &batch.block_tables);
        lantern_kernels::attention(pool, &shape, &q, keys, values, seqs, tables, &mut out)?;
        self.output.rows(&out)
    }

    fn forward_tensors(
        &self,
        x: &Tensor,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Tensor, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = self.params;
        let rows = batch.rows();
        let mut q = self.q.forward(x)?.reshape((rows, n_heads, head_dim))?;
        let mut k = self.k.forward(x)?.reshape((rows, n_kv_heads, head_dim))?;
        let v = self.v.forward(x)?.reshape((rows, n_kv_heads, head_dim))?;
        if let Some((q_norm, k_norm)) = &self.qk_norms {
            (q, k) = (q_norm.forward(&q)?, k_norm.forward(&k)?);
        }
        if let Some(rope) = rope {
            (q, k) = (rope.apply(&q)?, rope.apply(&k)?);
        }
        kv.write_tensors(self.layer, &batch.slots, &k, &v)?;
        let mut outs = Vec::with_capacity(batch.seqs.len());
        for seq in &batch.seqs {
            let slots = attention_tensors::slots(batch, seq, kv.block_size());
            let (keys, values) = kv.gather(self.layer, &slots, x.device())?;
            let queries = q.narrow(0, seq.first_row, seq.rows)?;
            let seq = SeqTensors { queries, keys, values };
            outs.push(attention_tensors::attend(&self.params, &seq)?);
        }
        let out = Tensor::cat(&outs, 0)?.reshape((rows, n_heads * head_dim))?;
        self.output.forward(&out)
    }
}
