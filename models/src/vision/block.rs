//! The block of vision transformers with layer norms, as SigLIP and Qwen3-VL have it.

use lantern_kernels::Activation;

use super::{AxialRope, PatchAttention, VisionParams, add};
use crate::layers::{LayerNorm, Linear};
use crate::rows::HostRows;
use crate::{ModelError, Weights};

/// Attention and a network, each behind a norm and added to what came in.
pub(super) struct Block {
    attention_norm: LayerNorm,
    qkv: Qkv,
    output: Linear,
    network_norm: LayerNorm,
    up: Linear,
    down: Linear,
}

/// Queries, keys and values.
enum Qkv {
    Separate([Linear; 3]),
    /// Beside each other.
    Joined(Linear),
}

impl Block {
    /// Takes the tensors under `v.blk.<layer>.`.
    pub(super) fn load(weights: &Weights, layer: usize, params: &VisionParams) -> Result<Self, ModelError> {
        let VisionParams { hidden, inner, eps, .. } = *params;
        let name = |name: &str| format!("v.blk.{layer}.{name}");
        let square = |part: &str| weights.linear(&name(part), hidden, hidden);
        let qkv = match weights.has(&name("attn_qkv.weight")) {
            true => Qkv::Joined(weights.linear(&name("attn_qkv"), hidden, 3 * hidden)?),
            false => Qkv::Separate([square("attn_q")?, square("attn_k")?, square("attn_v")?]),
        };
        Ok(Block {
            attention_norm: weights.layer_norm(&name("ln1"), hidden, eps)?,
            qkv,
            output: square("attn_out")?,
            network_norm: weights.layer_norm(&name("ln2"), hidden, eps)?,
            up: weights.linear(&name("ffn_up"), hidden, inner)?,
            down: weights.linear(&name("ffn_down"), inner, hidden)?,
        })
    }

    /// All blocks of a file.
    pub(super) fn load_all(weights: &Weights, params: &VisionParams) -> Result<Vec<Self>, ModelError> {
        (0..params.n_layers).map(|layer| Block::load(weights, layer, params)).collect()
    }

    /// `x[patches, hidden]` in place. `rope` turns queries and keys where positions are not only in the patches.
    pub(super) fn forward(
        &self,
        x: &mut HostRows,
        attention: &mut PatchAttention,
        rope: Option<&AxialRope>,
    ) -> Result<(), ModelError> {
        let mut normed = x.columns(0, x.width());
        self.attention_norm.apply_host(&mut normed)?;
        let [mut q, mut k, v] = self.qkv.forward(&normed)?;
        if let Some(rope) = rope {
            rope.turn(&mut q)?;
            rope.turn(&mut k)?;
        }
        add(x, &self.output.forward_host(&attention.attend(q, k, v)?)?)?;
        normed.copy_from_slice(x);
        self.network_norm.apply_host(&mut normed)?;
        let mut inner = self.up.forward_host(&normed)?;
        let (pool, values) = inner.pool_and_values();
        lantern_kernels::activate(pool, Activation::GeluTanh, values);
        add(x, &self.down.forward_host(&inner)?)
    }
}

impl Qkv {
    fn forward(&self, x: &HostRows) -> Result<[HostRows; 3], ModelError> {
        match self {
            Qkv::Separate([q, k, v]) => Linear::forward_each([q, k, v], x),
            Qkv::Joined(all) => {
                let all = all.forward_host(x)?;
                Ok([0, 1, 2].map(|part| all.columns(part * x.width(), x.width())))
            }
        }
    }
}
