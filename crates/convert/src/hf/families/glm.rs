//! GLM 4 (0414), and GLM 4.5 and 4.6 with experts.

use super::sizes::{divisors, experts, require_silu, sizes};
use super::tables::{
    ATTENTION, EXPERTS, FUSED_MLP, HEAD_NORMS, MLP, NEXT, NORMS, NORMS_BETWEEN, OUTER, SHARED_EXPERTS,
};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::SAME;
use crate::hf::config::{Config, Keys};
use crate::hf::names::layer_of;
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Glm4ForCausalLM"],
        gguf: "glm4",
        rules: &[OUTER, ATTENTION, AROUND, NORMS, FUSED_MLP],
        keys: glm4,
        ..Family::PLAIN
    },
    Family {
        classes: &["Glm4MoeForCausalLM"],
        gguf: "glm4moe",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS_BETWEEN, MLP, EXPERTS, SHARED_EXPERTS, NEXT],
        keys: glm4moe,
        next_blocks,
        ..Family::PLAIN
    },
];

const AROUND: &[Rule] = &[
    Rule("model.layers.#.post_self_attn_layernorm.weight", "blk.#.post_attention_norm.weight", SAME),
    Rule("model.layers.#.post_mlp_layernorm.weight", "blk.#.post_ffw_norm.weight", SAME),
];

/// GGUF's name for scores that are sigmoids.
const SIGMOID: u32 = 2;

fn next_blocks(config: &Config, names: &mut dyn Iterator<Item = &str>) -> u32 {
    let layers = names.filter_map(layer_of).max().map_or(0, |last| last.min(1 << 12) as u32 + 1);
    layers.saturating_sub(config.opt_u32("num_hidden_layers").unwrap_or(layers))
}

fn glm4(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    let head_dim = sizes(config, keys)?;
    let rope = Rope::global(config);
    keys.u32("rope.dimension_count", (head_dim as f32 * rope.turned().unwrap_or(0.5)) as u32);
    divisors(rope, keys, head_dim)
}

fn glm4moe(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    experts(config, keys)?;
    keys.u32("expert_feed_forward_length", config.u32("moe_intermediate_size")?);
    keys.u32("expert_shared_count", config.u32("n_shared_experts")?);
    keys.u32("leading_dense_block_count", config.u32("first_k_dense_replace")?);
    keys.u32("expert_gating_func", SIGMOID);
    keys.f32("expert_weights_scale", config.f32("routed_scaling_factor")?);
    keys.bool("expert_weights_norm", config.is("norm_topk_prob"));
    glm4(config, keys)
}
