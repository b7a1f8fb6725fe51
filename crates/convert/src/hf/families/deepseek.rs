//! DeepSeek V2, V3 and R1: latent attention, whose matrix for keys and values is taken apart.

use super::sizes::{divisors, experts, require_silu, sizes};
use super::tables::{ATTENTION, EXPERTS, MLP, NORMS, OUTER, SHARED_EXPERTS};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::{Change, SAME};
use crate::hf::config::{Config, Keys};
use crate::hf::names::layer_of;
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[Family {
    classes: &["DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"],
    gguf: "deepseek2",
    rules: &[OUTER, LATENT, ATTENTION, NORMS, MLP, EXPERTS, SHARED_EXPERTS],
    keys,
    name,
    ..Family::PLAIN
}];

const PER_HEAD: Change = Change { cut: Some(|config, _| config.opt_usize("num_attention_heads")), ..SAME };

const LATENT: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_a_proj.weight", "blk.#.attn_q_a.weight", SAME),
    Rule("model.layers.#.self_attn.q_a_layernorm.weight", "blk.#.attn_q_a_norm.weight", SAME),
    Rule("model.layers.#.self_attn.q_b_proj.weight", "blk.#.attn_q_b.weight", SAME),
    Rule("model.layers.#.self_attn.kv_a_proj_with_mqa.weight", "blk.#.attn_kv_a_mqa.weight", SAME),
    Rule("model.layers.#.self_attn.kv_a_layernorm.weight", "blk.#.attn_kv_a_norm.weight", SAME),
    // Keys are not made: queries go through what would make them, the other way.
    Rule(
        "model.layers.#.self_attn.kv_b_proj.weight",
        "blk.#.attn_k_b.weight",
        Change {
            rows: Some(|config, n| Some((0..still(config, n)?).collect())),
            transposed: true,
            ..PER_HEAD
        },
    ),
    Rule(
        "model.layers.#.self_attn.kv_b_proj.weight",
        "blk.#.attn_v_b.weight",
        Change { rows: Some(|config, n| Some((still(config, n)?..n as u32).collect())), ..PER_HEAD },
    ),
];

/// Numbers of a head's key that know no position, if a head's value is the rest of `n`.
fn still(config: &Config, n: usize) -> Option<u32> {
    let (still, value) = (config.opt_u32("qk_nope_head_dim")?, config.opt_usize("v_head_dim")?);
    (n.checked_sub(value)? == still as usize).then_some(still)
}

/// Blocks that predict further tokens are left out.
fn name(config: &Config, name: String) -> Option<String> {
    let beyond = layer_of(&name).is_some_and(|layer| Some(layer) >= config.opt_usize("num_hidden_layers"));
    (!beyond).then_some(name)
}

fn keys(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    config.require("moe_layer_freq", |every| every == 1)?;
    let sum = |a: &str, b: &str| {
        let sum = config.u32(a)?.checked_add(config.u32(b)?);
        sum.ok_or_else(|| config.unsupported(a))
    };
    sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    // All heads of queries look at one latent vector and one turned part of a key.
    let (latent, turned) = (config.u32("kv_lora_rank")?, config.u32("qk_rope_head_dim")?);
    keys.u32("attention.head_count_kv", 1);
    keys.u32("attention.kv_lora_rank", latent);
    keys.u32("attention.key_length", sum("kv_lora_rank", "qk_rope_head_dim")?);
    keys.u32("attention.value_length", latent);
    keys.u32("attention.key_length_mla", sum("qk_nope_head_dim", "qk_rope_head_dim")?);
    keys.u32("attention.value_length_mla", config.u32("v_head_dim")?);
    if let Some(rank) = config.opt_u32("q_lora_rank") {
        keys.u32("attention.q_lora_rank", rank);
    }
    routing(config, keys)?;
    keys.u32("rope.dimension_count", turned);
    let rope = Rope::global(config).knowing(&["mscale", "mscale_all_dim"]);
    // Where both are the same, what one adds to cosines and sines the other takes away.
    let (scale, of_all) = (rope.double("mscale"), rope.double("mscale_all_dim"));
    if let Some(of_all) = of_all {
        keys.f32("rope.scaling.yarn_log_multiplier", (0.1 * of_all) as f32);
    }
    if scale != of_all {
        return Err(config.unsupported("rope_scaling"));
    }
    divisors(rope, keys, turned)
}

fn routing(config: &Config, keys: &mut Keys) -> Result<(), ConvertError> {
    experts(config, keys)?;
    keys.u32("leading_dense_block_count", config.opt_u32("first_k_dense_replace").unwrap_or(0));
    keys.u32("expert_feed_forward_length", config.u32("moe_intermediate_size")?);
    keys.u32("expert_shared_count", config.opt_u32("n_shared_experts").unwrap_or(0));
    if let Some(factor) = config.opt_f32("routed_scaling_factor") {
        keys.f32("expert_weights_scale", factor);
    }
    if config.is("norm_topk_prob") {
        keys.bool("expert_weights_norm", true);
    }
    // V3 has no other than sigmoids, V2 none but a softmax.
    match config.opt_str("scoring_func").unwrap_or(if config.class.contains("V3") {
        "sigmoid"
    } else {
        "softmax"
    }) {
        "softmax" => keys.u32("expert_gating_func", 1),
        "sigmoid" => keys.u32("expert_gating_func", 2),
        _ => return Err(config.unsupported("scoring_func")),
    }
    Ok(())
}
