//! Grouped-query attention over the paged key-value cache.

use candle_core::Tensor;
use lantern_kernels::AttentionShape;

use super::attention_tensors::{self, SeqTensors};
use super::mlp::activate;
use super::{Activation, Linear, RmsNorm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::{HostRows, Rows};
use crate::{ForwardBatch, KvCache, LayerCache, LayerKvShape, ModelError, Weights};

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
    /// Whether each head of the queries has as many numbers behind it, which gate what the head gives.
    pub(crate) gated: bool,
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
            gated: false,
        }
    }

    /// What the layer keeps in the cache.
    pub(crate) fn kv_shape(&self) -> LayerCache {
        let AttentionParams { n_kv_heads, head_dim, window, .. } = *self;
        LayerCache::Attention(LayerKvShape { n_kv_heads, head_dim, window })
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
        let q_width = if params.gated { 2 * width } else { width };
        let q = weights.linear(&format!("blk.{layer}.attn_q"), hidden, q_width)?;
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
        let AttentionParams { n_heads, n_kv_heads, head_dim, scale, window, softcap, gated } = self.params;
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
        let mut gate = None;
        if gated {
            let [queries, gates] = halves_of_heads(&q, head_dim);
            (q, gate) = (queries, Some(gates));
        }
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
        if let Some(mut gate) = gate {
            lantern_kernels::gate(x.pool(), Activation::Sigmoid, &mut gate, &out)?;
            out = gate;
        }
        self.output.forward_host(&out)
    }

    fn forward_tensor(
        &self,
        x: &Tensor,
        rope: Option<&RopeTable>,
        batch: &ForwardBatch,
        kv: &mut KvCache,
    ) -> Result<Tensor, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, gated, .. } = self.params;
        let rows = batch.rows();
        let group = kv.group_of(self.cache);
        let normed = |heads: Tensor, norm: Option<&RmsNorm>| match norm {
            Some(norm) => norm.forward_tensor(&heads),
            None => Ok(heads),
        };
        let heads = |layer: &Linear, heads: usize, norm: Option<&RmsNorm>| {
            normed(layer.forward_tensor(x)?.reshape((rows, heads, head_dim))?, norm)
        };
        let turned = |heads: Tensor| match rope {
            Some(rope) => rope.turn_tensor(&heads),
            None => Ok(heads),
        };
        let per_head = if gated { 2 * head_dim } else { head_dim };
        let q = self.q.forward_tensor(x)?.reshape((rows, n_heads, per_head))?;
        let gate = if gated { Some(q.narrow(2, head_dim, head_dim)?) } else { None };
        let q = turned(normed(q.narrow(2, 0, head_dim)?.contiguous()?, self.q_norm.as_ref())?)?;
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
        let mut out = Tensor::cat(&outs, 0)?;
        if let Some(gate) = gate {
            out = (out * activate(Activation::Sigmoid, &gate)?)?;
        }
        let out = out.reshape((rows, n_heads * head_dim))?;
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

/// The first half of every head in rows of heads of `2 * head_dim` numbers, and the second.
fn halves_of_heads(x: &HostRows, head_dim: usize) -> [HostRows; 2] {
    let mut halves = [x.room(x.width() / 2), x.room(x.width() / 2)];
    for (index, head) in x.chunks_exact(2 * head_dim).enumerate() {
        for (half, from) in halves.iter_mut().zip(head.chunks_exact(head_dim)) {
            half[index * head_dim..][..head_dim].copy_from_slice(from);
        }
    }
    halves
}
