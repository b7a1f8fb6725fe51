//! Grouped-query attention over the paged key-value cache.

use candle_core::Tensor;
use lantern_kernels::AttentionShape;

use super::attention_tensors::{self, SeqTensors};
use super::{Linear, RmsNorm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::{HostRows, Rows};
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
    /// Every head sees everything before it, with scores scaled by the root of its size.
    pub(crate) fn new(sizes: &Sizes) -> Self {
        AttentionParams {
            n_heads: sizes.n_heads,
            n_kv_heads: sizes.n_kv_heads,
            head_dim: sizes.head_dim,
            scale: 1.0 / (sizes.head_dim as f32).sqrt(),
            window: None,
            softcap: None,
        }
    }

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
        x: &Rows,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Rows, ModelError> {
        match x {
            Rows::Host(x) => Ok(Rows::Host(self.forward_host(x, rope, batch, kv)?)),
            Rows::Tensor(x) => Ok(Rows::Tensor(self.forward_tensor(x, rope, batch, kv)?)),
        }
    }

    fn forward_host(
        &self,
        x: &HostRows,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<HostRows, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, scale, window, softcap } = self.params;
        let [mut q, mut k, v] = Linear::forward_each([&self.q, &self.k, &self.v], x)?;
        if let Some((q_norm, k_norm)) = &self.qk_norms {
            q_norm.heads_in_place(&mut q)?;
            k_norm.heads_in_place(&mut k)?;
        }
        if let Some(rope) = rope {
            rope.turn(&mut q, n_heads, head_dim)?;
            rope.turn(&mut k, n_kv_heads, head_dim)?;
        }
        kv.write(self.layer, &batch.slots, &k, &v)?;
        let shape = AttentionShape {
            n_heads,
            n_kv_heads,
            head_dim,
            block_size: kv.block_size(),
            scale,
            window,
            softcap,
            sinks: None,
        };
        let (keys, values) = kv.slices(self.layer)?;
        let (seqs, tables) = (&batch.seqs, &batch.block_tables);
        let mut out = x.room(q.width());
        lantern_kernels::attention(x.pool(), &shape, &q, keys, values, seqs, tables, &mut out)?;
        self.output.forward_host(&out)
    }

    fn forward_tensor(
        &self,
        x: &Tensor,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Tensor, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = self.params;
        let rows = batch.rows();
        let mut q = self.q.forward_tensor(x)?.reshape((rows, n_heads, head_dim))?;
        let mut k = self.k.forward_tensor(x)?.reshape((rows, n_kv_heads, head_dim))?;
        let v = self.v.forward_tensor(x)?.reshape((rows, n_kv_heads, head_dim))?;
        if let Some((q_norm, k_norm)) = &self.qk_norms {
            (q, k) = (q_norm.forward_tensor(&q)?, k_norm.forward_tensor(&k)?);
        }
        if let Some(rope) = rope {
            (q, k) = (rope.turn_tensor(&q)?, rope.turn_tensor(&k)?);
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
        self.output.forward_tensor(&out)
    }
}
