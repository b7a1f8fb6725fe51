//! From a block's rows to the queries, keys and values of its attention.

use candle_core::Tensor;

use super::latent::LatentProjections;
use super::{AttentionParams, Linear};
use crate::rows::HostRows;
use crate::{ModelError, Weights};

/// The layers that make queries, keys and values.
pub(crate) enum Projections {
    /// One each.
    Separate([Linear; 3]),
    /// One whose outputs are the queries, then the keys, then the values.
    Fused { all: Linear, queries: usize, keys: usize },
    /// One each, where each head of the queries has as many numbers behind it, which gate what the head gives.
    Gated { layers: [Linear; 3], head_dim: usize },
    /// Values are the keys, before their norm and their turn.
    ValuesFromKeys([Linear; 2]),
    /// Queries and keys to be compared with latent vectors.
    Latent(Box<LatentProjections>),
    /// Queries alone: the layer looks at the keys and values of another.
    QueriesAlone(Linear),
}

/// Queries, and keys and values where the layer has its own; none normed or turned yet.
pub(super) struct Projected<T> {
    pub(super) queries: T,
    /// What gates the results, as wide as the queries.
    pub(super) gate: Option<T>,
    pub(super) own: Option<(T, T)>,
}

impl Projections {
    /// Takes `attn_q`, `attn_k` and `attn_v` of block `layer`, or `attn_qkv`, with the biases they have.
    pub(super) fn load(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: &AttentionParams,
    ) -> Result<Self, ModelError> {
        let (queries, keys) = (params.n_heads * params.head_dim, params.n_kv_heads * params.head_dim);
        let linear = |name: &str, width| weights.linear(&format!("blk.{layer}.{name}"), hidden, width);
        if weights.has(&format!("blk.{layer}.attn_qkv.weight")) {
            return Ok(Projections::Fused { all: linear("attn_qkv", queries + 2 * keys)?, queries, keys });
        }
        Ok(Projections::Separate([
            linear("attn_q", queries)?,
            linear("attn_k", keys)?,
            linear("attn_v", keys)?,
        ]))
    }

    /// As [`Self::load`]; `attn_q` gives each head's query and then its gate.
    pub(super) fn load_gated(
        weights: &Weights,
        layer: usize,
        hidden: usize,
        params: &AttentionParams,
    ) -> Result<Self, ModelError> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, .. } = *params;
        let linear = |name: &str, heads: usize| {
            weights.linear(&format!("blk.{layer}.{name}"), hidden, heads * head_dim)
        };
        let layers =
            [linear("attn_q", 2 * n_heads)?, linear("attn_k", n_kv_heads)?, linear("attn_v", n_kv_heads)?];
        Ok(Projections::Gated { layers, head_dim })
    }

    pub(super) fn forward_host(&self, x: &HostRows) -> Result<Projected<HostRows>, ModelError> {
        match self {
            Projections::Separate([q, k, v]) => {
                let [queries, k, v] = Linear::forward_each([q, k, v], x)?;
                Ok(Projected { queries, gate: None, own: Some((k, v)) })
            }
            Projections::Gated { layers: [q, k, v], head_dim } => {
                let [both, k, v] = Linear::forward_each([q, k, v], x)?;
                let [queries, gate] = halves_of_heads(&both, *head_dim);
                Ok(Projected { queries, gate: Some(gate), own: Some((k, v)) })
            }
            Projections::Fused { all, queries, keys } => {
                let all = all.forward_host(x)?;
                let own = (all.columns(*queries, *keys), all.columns(queries + keys, *keys));
                Ok(Projected { queries: all.columns(0, *queries), gate: None, own: Some(own) })
            }
            Projections::ValuesFromKeys([q, k]) => {
                let [queries, k] = Linear::forward_each([q, k], x)?;
                let v = k.columns(0, k.width());
                Ok(Projected { queries, gate: None, own: Some((k, v)) })
            }
            Projections::Latent(latent) => latent.forward_host(x),
            Projections::QueriesAlone(q) => {
                Ok(Projected { queries: q.forward_host(x)?, gate: None, own: None })
            }
        }
    }

    pub(super) fn forward_tensor(&self, x: &Tensor) -> Result<Projected<Tensor>, ModelError> {
        match self {
            Projections::Separate([q, k, v]) => {
                let own = (k.forward_tensor(x)?, v.forward_tensor(x)?);
                Ok(Projected { queries: q.forward_tensor(x)?, gate: None, own: Some(own) })
            }
            Projections::Gated { layers: [q, k, v], head_dim } => {
                let own = (k.forward_tensor(x)?, v.forward_tensor(x)?);
                let both = q.forward_tensor(x)?.reshape((x.dim(0)?, (), 2 * *head_dim))?;
                let half = |i: usize| both.narrow(2, i * head_dim, *head_dim)?.flatten(1, 2);
                Ok(Projected { queries: half(0)?, gate: Some(half(1)?), own: Some(own) })
            }
            Projections::Fused { all, queries, keys } => {
                let all = all.forward_tensor(x)?;
                let columns = |first, width| all.narrow(1, first, width)?.contiguous();
                let own = (columns(*queries, *keys)?, columns(queries + keys, *keys)?);
                Ok(Projected { queries: columns(0, *queries)?, gate: None, own: Some(own) })
            }
            Projections::ValuesFromKeys([q, k]) => {
                let k = k.forward_tensor(x)?;
                Ok(Projected { queries: q.forward_tensor(x)?, gate: None, own: Some((k.clone(), k)) })
            }
            Projections::Latent(latent) => latent.forward_tensor(x),
            Projections::QueriesAlone(q) => {
                Ok(Projected { queries: q.forward_tensor(x)?, gate: None, own: None })
            }
        }
    }
}

/// The first half of every head in rows of heads of `2 * head_dim` numbers, and the second.
pub(super) fn halves_of_heads(x: &HostRows, head_dim: usize) -> [HostRows; 2] {
    let mut halves = [x.room(x.width() / 2), x.room(x.width() / 2)];
    for (index, head) in x.chunks_exact(2 * head_dim).enumerate() {
        for (half, from) in halves.iter_mut().zip(head.chunks_exact(head_dim)) {
            half[index * head_dim..][..head_dim].copy_from_slice(from);
        }
    }
    halves
}
