//! Attention over latent vectors (MLA; DeepSeek-AI, 2024): a token keeps one short vector and one turned part of a key for
//! all heads, of which each head would make keys and values of its own.
//!
//! They are not made: a query that went through its head's matrix for keys can be compared with the latent vector itself,
//! and what the weights make of latent vectors goes through the head's matrix for values. So this is attention with one
//! head of keys and many of queries, and the cache holds a latent vector where other models have keys of all heads. It
//! holds it twice, because keys and values lie apart there.

use candle_core::Tensor;

use super::per_head::PerHead;
use super::projections::Projected;
use super::{AttentionParams, Linear, RmsNorm};
use crate::older::RowsOf;
use crate::rows::HostRows;
use crate::{ModelError, Weights};

/// The sizes of latent attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LatentParams {
    pub(crate) n_heads: usize,
    /// Numbers of a query or key that know no position.
    pub(crate) still: usize,
    /// Numbers of a query or key that are turned.
    pub(crate) turned: usize,
    /// Numbers of a value.
    pub(crate) value: usize,
    /// Numbers of a latent vector.
    pub(crate) latent: usize,
    /// Numbers of the short vector that queries are made of, where there is one.
    pub(crate) query_latent: Option<usize>,
    pub(crate) norm_eps: f64,
}

impl LatentParams {
    /// The attention that it is, with this factor of the scores. The turned part of a key comes first.
    pub(crate) fn attention(&self, scale: f32) -> AttentionParams {
        AttentionParams {
            n_heads: self.n_heads,
            n_kv_heads: 1,
            head_dim: self.turned + self.latent,
            scale,
            window: None,
            ahead: 0,
            in_one_pass: false,
            pictures_together: true,
            softcap: None,
            query_scale: None,
        }
    }

    /// The matrix from latent vectors to keys (`values`: to values) in files from before 2025, which have both in
    /// `attn_kv_b`: for each head what makes its key, then what makes its value. `None` where they are apart.
    fn taken_apart(
        &self,
        weights: &Weights,
        layer: usize,
        values: bool,
    ) -> Result<Option<PerHead>, ModelError> {
        let LatentParams { n_heads, still, value, latent, .. } = *self;
        let name = format!("blk.{layer}.attn_kv_b");
        if !weights.has(&format!("{name}.weight")) || weights.has(&format!("blk.{layer}.attn_k_b.weight")) {
            // A file may have it both ways.
            weights.ignore(&format!("{name}.weight"));
            return Ok(None);
        }
        let of_head = if values { still..still + value } else { 0..still };
        let head = |head: usize| of_head.clone().map(move |row| head * (still + value) + row);
        let rows: Vec<usize> = (0..n_heads).flat_map(head).collect();
        let outputs = n_heads * (still + value);
        let part = RowsOf { name: &name, inputs: latent, outputs, rows: &rows };
        Ok(Some(match values {
            true => PerHead::new(weights.matrices_of(&part, n_heads)?, n_heads, value),
            false => PerHead::new(weights.transposed_of(&part, n_heads)?, n_heads, latent),
        }))
    }
}

/// The layers that make queries and latent vectors.
pub(crate) struct LatentProjections {
    /// The queries of all heads, or the short vector that they are made of.
    q: Linear,
    /// From that one to the queries.
    q_up: Option<(RmsNorm, Linear)>,
    /// To the latent vector and the part of the key that is turned.
    kv: Linear,
    kv_norm: RmsNorm,
    /// From the still part of queries to what is compared with latent vectors.
    k_up: PerHead,
    params: LatentParams,
}

impl LatentProjections {
    /// Takes `attn_q`, or `attn_q_a`, `attn_q_a_norm` and `attn_q_b`; and `attn_kv_a_mqa`, `attn_kv_a_norm` and
    /// `attn_k_b` of block `layer`, or `attn_kv_b`.
    pub(super) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: LatentParams,
    ) -> Result<Self, ModelError> {
        let LatentParams { n_heads, still, turned, latent, norm_eps, .. } = params;
        let name = |name: &str| format!("blk.{layer}.{name}");
        let queries = n_heads * (still + turned);
        let (q, q_up) = match params.query_latent {
            None => (weights.linear(&name("attn_q"), hidden, queries)?, None),
            Some(width) => {
                let norm = weights.rms_norm(&name("attn_q_a_norm"), width, norm_eps)?;
                let up = weights.linear(&name("attn_q_b"), width, queries)?;
                (weights.linear(&name("attn_q_a"), hidden, width)?, Some((norm, up)))
            }
        };
        Ok(LatentProjections {
            q,
            q_up,
            kv: weights.linear(&name("attn_kv_a_mqa"), hidden, latent + turned)?,
            kv_norm: weights.rms_norm(&name("attn_kv_a_norm"), latent, norm_eps)?,
            k_up: match params.taken_apart(weights, layer, false)? {
                Some(k_up) => k_up,
                None => PerHead::load(weights, &name("attn_k_b"), still, latent, n_heads)?,
            },
            params,
        })
    }

    pub(super) fn forward_host(&self, x: &HostRows) -> Result<Projected<HostRows>, ModelError> {
        let LatentParams { n_heads, still, turned, latent, .. } = self.params;
        let [mut q, kv] = Linear::forward_each([&self.q, &self.kv], x)?;
        if let Some((norm, up)) = &self.q_up {
            norm.parts_in_place(&mut q)?;
            q = up.forward_host(&q)?;
        }
        let compared = self.k_up.forward_host(&q.parts(n_heads, 0, still))?;
        let queries = q.parts(n_heads, still, turned).joined(&compared, n_heads);
        let mut vector = kv.columns(0, latent);
        self.kv_norm.parts_in_place(&mut vector)?;
        let key = kv.columns(latent, turned).joined(&vector, 1);
        // The turned part of what is kept as a value is never looked at.
        let value = key.columns(0, key.width());
        Ok(Projected { queries, gate: None, own: Some((key, value)) })
    }

    pub(super) fn forward_tensor(&self, x: &Tensor) -> Result<Projected<Tensor>, ModelError> {
        let LatentParams { n_heads, still, turned, latent, .. } = self.params;
        let mut q = self.q.forward_tensor(x)?;
        if let Some((norm, up)) = &self.q_up {
            q = up.forward_tensor(&norm.forward_tensor(&q)?)?;
        }
        let q = q.reshape(((), n_heads, still + turned))?;
        let compared = self.k_up.forward_tensor(&q.narrow(2, 0, still)?)?;
        let queries = Tensor::cat(&[&q.narrow(2, still, turned)?, &compared], 2)?.flatten(1, 2)?;
        let kv = self.kv.forward_tensor(x)?;
        let vector = self.kv_norm.forward_tensor(&kv.narrow(1, 0, latent)?.contiguous()?)?;
        let key = Tensor::cat(&[&kv.narrow(1, latent, turned)?, &vector], 1)?;
        Ok(Projected { queries, gate: None, own: Some((key.clone(), key)) })
    }
}

/// From what the weights of each head make of latent vectors to the values they stand for.
pub(super) struct LatentValues {
    up: PerHead,
    params: LatentParams,
}

impl LatentValues {
    /// Takes `attn_v_b` of block `layer`, or `attn_kv_b`.
    pub(super) fn load(weights: &Weights, layer: usize, params: LatentParams) -> Result<Self, ModelError> {
        let LatentParams { n_heads, value, latent, .. } = params;
        let up = match params.taken_apart(weights, layer, true)? {
            Some(up) => up,
            None => PerHead::load(weights, &format!("blk.{layer}.attn_v_b"), latent, value, n_heads)?,
        };
        Ok(LatentValues { up, params })
    }

    /// `[rows, n_heads * (turned + latent)]` to `[rows, n_heads * value]`.
    pub(super) fn forward_host(&self, x: &HostRows) -> Result<HostRows, ModelError> {
        let LatentParams { n_heads, turned, latent, .. } = self.params;
        self.up.forward_host(&x.parts(n_heads, turned, latent))
    }

    /// As [`Self::forward_host`].
    pub(super) fn forward_tensor(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let LatentParams { n_heads, turned, latent, .. } = self.params;
        let vectors = x.reshape(((), n_heads, turned + latent))?.narrow(2, turned, latent)?;
        Ok(self.up.forward_tensor(&vectors)?.flatten(1, 2)?)
    }
}
