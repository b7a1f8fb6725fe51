//! Grouped-query attention over the paged key-value cache.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::Tensor;
use lantern_kernels::AttentionShape;

use super::attention_tensors::{self, SeqTensors};
use super::latent::{LatentParams, LatentProjections, LatentValues};
use super::mlp::gated;
use super::projections::{Projected, Projections};
use super::{Activation, Linear, QueryScale, RmsNorm, RopeTable};
use crate::hyper::Sizes;
use crate::rows::{HostRows, Rows};
use crate::{BatchSeq, ForwardBatch, Hyper, KvCache, LayerCache, LayerKvShape, ModelError, Weights};

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
    /// Tokens behind it that a token sees, as far as the sequence goes.
    pub(crate) ahead: u32,
    /// Whether sequences pass whole, in one batch: nobody looks their keys and values up later, so all layers keep them in
    /// the first layer of the cache.
    pub(crate) in_one_pass: bool,
    /// Whether the parts of a picture see each other in both directions, where the model's do.
    pub(crate) pictures_together: bool,
    /// Squeezes scores into `±cap`.
    pub(crate) softcap: Option<f32>,
    /// Makes queries grow with their position.
    pub(crate) query_scale: Option<QueryScale>,
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
            ahead: 0,
            in_one_pass: false,
            pictures_together: true,
            softcap: None,
            query_scale: None,
        }
    }

    /// For sequences that pass whole, in one batch. Every token sees so many behind it.
    pub(crate) fn in_one_pass(self, ahead: u32) -> Self {
        AttentionParams { ahead, in_one_pass: true, ..self }
    }

    /// As [`Self::new`] for each layer, where some have the file's window: see [`Hyper::windowed_layers`].
    pub(crate) fn with_windows(
        hyper: &Hyper,
        sizes: &Sizes,
        default_pattern: usize,
    ) -> Result<Vec<Self>, ModelError> {
        let window = hyper.size("attention.sliding_window", u32::MAX as usize)? as u32;
        let windowed = hyper.windowed_layers(sizes.n_layers, default_pattern)?;
        let layer = |windowed: bool| AttentionParams {
            window: windowed.then_some(window),
            ..AttentionParams::new(sizes)
        };
        Ok(windowed.into_iter().map(layer).collect())
    }

    /// The sequences of a batch as the layer looks at them.
    fn seqs_of<'a>(&self, batch: &'a ForwardBatch) -> Cow<'a, [BatchSeq]> {
        if self.pictures_together || batch.seqs.iter().all(|seq| !seq.together) {
            return Cow::Borrowed(&batch.seqs);
        }
        batch.seqs.iter().map(|seq| BatchSeq { together: false, ..*seq }).collect()
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
    projections: Projections,
    /// Norms over each head, or over all heads of a row together.
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    v_norm: Option<RmsNorm>,
    /// One more score for each query head, in memory and on the block's device.
    sinks: Option<(Arc<[f32]>, Tensor)>,
    /// Makes values of what the weights make of latent vectors.
    latent_values: Option<LatentValues>,
    output: Linear,
    params: AttentionParams,
    layer: usize,
    /// Which layer of the cache it looks at.
    cache: usize,
}

impl Attention {
    /// Takes `attn_q`, `attn_k`, `attn_v` (or `attn_qkv`) and `attn_output` of block `layer`, with the biases it has.
    pub(crate) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
    ) -> Result<Self, ModelError> {
        let projections = Projections::load(weights, layer, hidden, &params)?;
        Self::with_projections(weights, layer, hidden, params, projections, layer)
    }

    /// As [`Self::load`]; takes no `attn_v` where values come from the keys.
    pub(crate) fn load_with(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
        values: Values,
    ) -> Result<Self, ModelError> {
        if values == Values::Projected {
            return Self::load(weights, layer, hidden, params);
        }
        let linear = |name: &str, heads| {
            weights.linear(&format!("blk.{layer}.{name}"), hidden, heads * params.head_dim)
        };
        let both = [linear("attn_q", params.n_heads)?, linear("attn_k", params.n_kv_heads)?];
        Self::with_projections(weights, layer, hidden, params, Projections::ValuesFromKeys(both), layer)
    }

    /// As [`Self::load`]; `attn_q` gives each head's query and then a gate of the same size for what the head gives.
    pub(crate) fn load_gated(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
    ) -> Result<Self, ModelError> {
        let projections = Projections::load_gated(weights, layer, hidden, &params)?;
        Self::with_projections(weights, layer, hidden, params, projections, layer)
    }

    /// Attention over latent vectors, which `params` is that of. Takes what [`LatentProjections`] takes, `attn_v_b` and
    /// `attn_output`.
    pub(crate) fn load_latent(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
        latent: LatentParams,
    ) -> Result<Self, ModelError> {
        let projections = Box::new(LatentProjections::load(weights, layer, hidden, latent)?);
        let width = latent.n_heads * latent.value;
        let output = weights.linear(&format!("blk.{layer}.attn_output"), width, hidden)?;
        let attention = Self::new(Projections::Latent(projections), output, params, layer, layer);
        Ok(Attention { latent_values: Some(LatentValues::load(weights, layer, latent)?), ..attention })
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
        Self::with_projections(weights, layer, hidden, params, Projections::QueriesAlone(q), cache)
    }

    fn with_projections(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: AttentionParams,
        projections: Projections,
        cache: usize,
    ) -> Result<Self, ModelError> {
        let width = params.n_heads * params.head_dim;
        let output = weights.linear(&format!("blk.{layer}.attn_output"), width, hidden)?;
        Ok(Self::new(projections, output, params, layer, cache))
    }

    fn new(
        projections: Projections,
        output: Linear,
        params: AttentionParams,
        layer: usize,
        cache: usize,
    ) -> Self {
        let [q_norm, k_norm, v_norm] = [None, None, None];
        let cache = if params.in_one_pass { 0 } else { cache };
        let (sinks, latent_values) = (None, None);
        Attention { projections, q_norm, k_norm, v_norm, sinks, latent_values, output, params, layer, cache }
    }

    /// Adds `attn_q_norm` and `attn_k_norm`, over each head, before the rotary embedding.
    pub(crate) fn with_head_norms(self, weights: &Weights, eps: f64) -> Result<Self, ModelError> {
        let head_dim = self.params.head_dim;
        self.with_norms_over(weights, head_dim, head_dim, eps)
    }

    /// Adds `attn_q_norm` and `attn_k_norm`, over all heads of a row together, before the rotary embedding.
    pub(crate) fn with_row_norms(self, weights: &Weights, eps: f64) -> Result<Self, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = self.params;
        self.with_norms_over(weights, n_heads * head_dim, n_kv_heads * head_dim, eps)
    }

    fn with_norms_over(
        mut self,
        weights: &Weights,
        queries: usize,
        keys: usize,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let norm = |name: &str, width| weights.rms_norm(&format!("blk.{}.{name}", self.layer), width, eps);
        self.q_norm = Some(norm("attn_q_norm", queries)?);
        if self.has_keys() {
            self.k_norm = Some(norm("attn_k_norm", keys)?);
        }
        Ok(self)
    }

    /// Adds a norm without weights over each head of the values.
    pub(crate) fn with_value_norm(mut self, weights: &Weights, eps: f64) -> Result<Self, ModelError> {
        if self.has_keys() {
            let ones = vec![1.0; self.params.head_dim];
            self.v_norm = Some(RmsNorm::new(ones, eps, weights.split().block(self.layer).device())?);
        }
        Ok(self)
    }

    /// Adds `attn_sinks`: one more score for each query head, which takes its share of the weights and has no value.
    pub(crate) fn with_sinks(mut self, weights: &Weights) -> Result<Self, ModelError> {
        let name = format!("blk.{}.attn_sinks.weight", self.layer);
        let sinks = weights.vector(&name, self.params.n_heads)?;
        let tensor = Tensor::new(sinks.as_slice(), weights.split().of(&name).device())?;
        self.sinks = Some((sinks.into(), tensor));
        Ok(self)
    }

    /// Whether the layer has keys and values of its own.
    fn has_keys(&self) -> bool {
        !matches!(self.projections, Projections::QueriesAlone(_))
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
        let AttentionParams { n_heads, n_kv_heads, head_dim, scale, window, ahead, softcap, .. } =
            self.params;
        let blocks = &batch.groups[kv.group_of(self.cache)];
        let Projected { queries: mut q, gate, own } = self.projections.forward_host(x)?;
        if let Some((mut k, mut v)) = own {
            if let Some(norm) = &self.k_norm {
                norm.parts_in_place(&mut k)?;
            }
            if let Some(norm) = &self.v_norm {
                norm.parts_in_place(&mut v)?;
            }
            if let Some(rope) = rope {
                rope.turn(&mut k, n_kv_heads, head_dim)?;
            }
            kv.write(self.cache, &blocks.slots, &k, &v)?;
        }
        if let Some(norm) = &self.q_norm {
            norm.parts_in_place(&mut q)?;
        }
        if let Some(rope) = rope {
            rope.turn(&mut q, n_heads, head_dim)?;
        }
        if let Some(scale) = &self.params.query_scale {
            scale.apply_host(&mut q, &batch.positions)?;
        }
        let shape = AttentionShape {
            n_heads,
            n_kv_heads,
            head_dim,
            block_size: kv.block_size(),
            scale,
            window,
            ahead,
            softcap,
            sinks: self.sinks.as_ref().map(|(sinks, _)| Arc::clone(sinks)),
        };
        let (keys, values) = kv.slices(self.cache)?;
        let (seqs, tables) = (self.params.seqs_of(batch), &blocks.block_tables);
        let mut out = x.room(q.width());
        lantern_kernels::attention(x.pool(), &shape, &q, keys, values, &seqs, tables, &mut out)?;
        if let Some(mut gate) = gate {
            lantern_kernels::gate(x.pool(), Activation::Sigmoid, &mut gate, &out)?;
            out = gate;
        }
        if let Some(values) = &self.latent_values {
            out = values.forward_host(&out)?;
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
        let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = self.params;
        let rows = batch.rows();
        let group = kv.group_of(self.cache);
        let heads = |x: &Tensor, norm: Option<&RmsNorm>, heads: usize| {
            let x = norm.map(|norm| norm.parts_of_tensor(x)).transpose()?.unwrap_or_else(|| x.clone());
            Ok::<_, ModelError>(x.reshape((rows, heads, head_dim))?)
        };
        let turned = |heads: Tensor| match rope {
            Some(rope) => rope.turn_tensor(&heads),
            None => Ok(heads),
        };
        let Projected { queries, gate, own } = self.projections.forward_tensor(x)?;
        let mut q = turned(heads(&queries, self.q_norm.as_ref(), n_heads)?)?;
        if let Some(scale) = &self.params.query_scale {
            q = scale.apply_tensor(&q, &batch.positions)?;
        }
        if let Some((k, v)) = own {
            let k = turned(heads(&k, self.k_norm.as_ref(), n_kv_heads)?)?;
            let v = heads(&v, self.v_norm.as_ref(), n_kv_heads)?;
            kv.write_tensors(self.cache, &batch.groups[group].slots, &k, &v)?;
        }
        let sinks = self.sinks.as_ref().map(|(_, sinks)| sinks);
        let mut outs = Vec::with_capacity(batch.seqs.len());
        for seq in self.params.seqs_of(batch).iter() {
            let blocks = batch.blocks(group, seq, kv.block_size());
            let slots = attention_tensors::slots(blocks, seq, self.params.window, kv.block_size());
            let (keys, values) = kv.gather(self.cache, &slots, x.device())?;
            let queries = q.narrow(0, seq.first_row, seq.rows)?;
            let seq = SeqTensors { queries, keys, values, together: seq.together };
            outs.push(attention_tensors::attend(&self.params, sinks, &seq)?);
        }
        let mut out = Tensor::cat(&outs, 0)?.reshape((rows, n_heads * head_dim))?;
        if let Some(gate) = gate {
            out = gated(Activation::Sigmoid, &gate, &out)?;
        }
        if let Some(values) = &self.latent_values {
            out = values.forward_tensor(&out)?;
        }
        self.output.forward_tensor(&out)
    }
}
