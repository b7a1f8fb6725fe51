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

/// Where the values of a layer with keys of its own come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// A projection of their own, `attn_v`.
    Projected,
    /// That of the keys, before their norm and their turn.
    FromKeys,
}

/// The attention part of a block, from projections to output.
pub(crate) struct Attention {
    q: Linear,
    /// Norm over each head of the queries.
    q_norm: Option<RmsNorm>,
    /// `None` in a layer that looks at the keys and values of another.
    own: Option<KeysValues>,
    output: Linear,
    params: AttentionParams,
    layer: usize,
    /// Which layer of the cache it looks at.
    cache: usize,
}

/// How a layer makes its keys and values.
struct KeysValues {
    k: Linear,
    /// `None` for [`Values::FromKeys`].
    v: Option<Linear>,
    /// Norms over each head.
    k_norm: Option<RmsNorm>,
    v_norm: Option<RmsNorm>,
}

impl Attention {
    /// Takes `attn_q`, `attn_k`, `attn_v` and `attn_output` of block `layer`, with the biases it has.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
    ) -> Result<Self, ModelError> {
        Self::load_with(weights, layer, hidden, params, Values::Projected)
    }

    /// As [`Self::load`]; takes no `attn_v` where values come from the keys.
    pub(crate) fn load_with(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
        values: Values,
    ) -> Result<Self, ModelError> {
        let width = params.n_kv_heads * params.head_dim;
        let linear = |name: &str| weights.linear(&format!("blk.{layer}.{name}"), hidden, width);
        let k = linear("attn_k")?;
        let v = match values {
            Values::Projected => Some(linear("attn_v")?),
            Values::FromKeys => None,
        };
        let own = Some(KeysValues { k, v, k_norm: None, v_norm: None });
        Ok(Attention { own, ..Self::load_reader(weights, layer, hidden, params, layer)? })
    }

    /// Attention over the keys and values that another layer wrote: layer `cache` of the cache. Takes `attn_q` and
    /// `attn_output`.
    pub(crate) fn load_reader(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
        cache: usize,
    ) -> Result<Self, ModelError> {
        let width = params.n_heads * params.head_dim;
        let q = weights.linear(&format!("blk.{layer}.attn_q"), hidden, width)?;
        let output = weights.linear(&format!("blk.{layer}.attn_output"), width, hidden)?;
        Ok(Attention { q, q_norm: None, own: None, output, params, layer, cache })
    }

    /// Adds `attn_q_norm` and `attn_k_norm`, over each head, before the rotary embedding.
    pub(crate) fn with_head_norms(mut self, weights: &Weights, eps: f64) -> Result<Self, ModelError> {
        let norm =
            |name: &str| weights.rms_norm(&format!("blk.{}.{name}", self.layer), self.params.head_dim, eps);
        self.q_norm = Some(norm("attn_q_norm")?);
        if let Some(own) = &mut self.own {
            own.k_norm = Some(norm("attn_k_norm")?);
        }
        Ok(self)
    }

    /// Adds a norm without weights over each head of the values.
    pub(crate) fn with_value_norm(mut self, weights: &Weights, eps: f64) -> Result<Self, ModelError> {
        if let Some(own) = &mut self.own {
            let ones = vec![1.0; self.params.head_dim];
            own.v_norm = Some(RmsNorm::new(ones, eps, weights.split().block(self.layer).device())?);
        }
        Ok(self)
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
        let blocks = &batch.groups[kv.group_of(self.cache)];
        let mut q = match &self.own {
            None => self.q.forward_host(x)?,
            Some(own) => {
                let [q, mut k, mut v] = own.project_host(&self.q, x)?;
                if let Some(norm) = &own.k_norm {
                    norm.heads_in_place(&mut k)?;
                }
                if let Some(norm) = &own.v_norm {
                    norm.heads_in_place(&mut v)?;
                }
                if let Some(rope) = rope {
                    rope.turn(&mut k, n_kv_heads, head_dim)?;
                }
                kv.write(self.cache, &blocks.slots, &k, &v)?;
                q
            }
        };
        if let Some(norm) = &self.q_norm {
            norm.heads_in_place(&mut q)?;
        }
        if let Some(rope) = rope {
            rope.turn(&mut q, n_heads, head_dim)?;
        }
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
        let (keys, values) = kv.slices(self.cache)?;
        let (seqs, tables) = (&batch.seqs, &blocks.block_tables);
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
        let group = kv.group_of(self.cache);
        let heads = |layer: &Linear, heads: usize, norm: Option<&RmsNorm>| {
            let heads = layer.forward_tensor(x)?.reshape((rows, heads, head_dim))?;
            match norm {
                Some(norm) => norm.forward_tensor(&heads),
                None => Ok(heads),
            }
        };
        let turned = |heads: Tensor| match rope {
            Some(rope) => rope.turn_tensor(&heads),
            None => Ok(heads),
        };
        let q = turned(heads(&self.q, n_heads, self.q_norm.as_ref())?)?;
        if let Some(own) = &self.own {
            let k = turned(heads(&own.k, n_kv_heads, own.k_norm.as_ref())?)?;
            let v = heads(own.v.as_ref().unwrap_or(&own.k), n_kv_heads, own.v_norm.as_ref())?;
            kv.write_tensors(self.cache, &batch.groups[group].slots, &k, &v)?;
        }
        let mut outs = Vec::with_capacity(batch.seqs.len());
        for seq in &batch.seqs {
            let blocks = batch.blocks(group, seq, kv.block_size());
            let slots = attention_tensors::slots(blocks, seq, self.params.window, kv.block_size());
            let (keys, values) = kv.gather(self.cache, &slots, x.device())?;
            let queries = q.narrow(0, seq.first_row, seq.rows)?;
            let seq = SeqTensors { queries, keys, values };
            outs.push(attention_tensors::attend(&self.params, &seq)?);
        }
        let out = Tensor::cat(&outs, 0)?.reshape((rows, n_heads * head_dim))?;
        self.output.forward_tensor(&out)
    }
}

impl KeysValues {
    /// Queries, keys and values, before any norm.
    fn project_host(&self, q: &Linear, x: &HostRows) -> Result<[HostRows; 3], ModelError> {
        match &self.v {
            Some(v) => Linear::forward_each([q, &self.k, v], x),
            None => {
                let [q, k] = Linear::forward_each([q, &self.k], x)?;
                let mut v = k.room(k.width());
                v.copy_from_slice(&k);
                Ok([q, k, v])
            }
        }
    }
}
