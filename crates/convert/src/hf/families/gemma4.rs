//! Gemma 4, the part that reads and writes: dense, with experts, and with a vector for each token in each layer.

use super::gemma3n::{BLOCK_NORMS, PER_LAYER};
use super::sizes::{experts, sizes};
use super::tables::{ATTENTION, HEAD_NORMS, MLP, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::SAME;
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[Family {
    classes: &["Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"],
    gguf: "gemma4",
    rules: &[OUTER, BLOCK_NORMS, PER_LAYER, OWN, ATTENTION, HEAD_NORMS, MLP],
    keys,
    ..Family::PLAIN
}];

const OWN: &[Rule] = &[
    Rule("model.layers.#.layer_scalar", "blk.#.layer_output_scale.weight", SAME),
    Rule("model.layers.#.post_feedforward_layernorm_1.weight", "blk.#.post_ffw_norm_1.weight", SAME),
    Rule("model.layers.#.post_feedforward_layernorm_2.weight", "blk.#.post_ffw_norm_2.weight", SAME),
    Rule("model.layers.#.pre_feedforward_layernorm_2.weight", "blk.#.pre_ffw_norm_2.weight", SAME),
    Rule("model.layers.#.router.proj.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("model.layers.#.router.scale", "blk.#.ffn_gate_inp.scale", SAME),
    Rule("model.layers.#.router.per_expert_scale", "blk.#.ffn_down_exps.scale", SAME),
    Rule("model.layers.#.experts.gate_up_proj", "blk.#.ffn_gate_up_exps.weight", SAME),
    Rule("model.layers.#.experts.down_proj", "blk.#.ffn_down_exps.weight", SAME),
];

/// What stands in the way of a frequency so much that it does not turn.
const STILL: f32 = 1e30;

fn keys(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    config.require("hidden_activation", |act| act == "gelu_pytorch_tanh")?;
    // Only pictures are looked at in both directions by the others.
    config.require("use_bidirectional_attention", |what| what == "vision" || what == false)?;
    let local_dim = sizes(config, keys)?;
    let local: Vec<bool> = config.layer_types()?.iter().map(|&kind| kind == "sliding_attention").collect();
    let n_layers = local.len() as u32;
    let readers = config.opt_u32("num_kv_shared_layers").unwrap_or(0);
    if config.is("use_double_wide_mlp") {
        let width = config.u32("intermediate_size")?;
        let twice = width.checked_mul(2).ok_or_else(|| config.unsupported("intermediate_size"))?;
        let first = n_layers.saturating_sub(readers);
        keys.u32s("feed_forward_length", (0..n_layers).map(|i| if i < first { width } else { twice }));
    }
    keys.u32("attention.sliding_window", config.u32("sliding_window")?);
    keys.bools("attention.sliding_window_pattern", local.iter().copied());
    keys.u32("attention.shared_kv_layers", readers);
    let per_layer = config.opt_u32("hidden_size_per_layer_input").unwrap_or(0);
    keys.u32("embedding_length_per_layer_input", per_layer);
    if let Some(cap) = config.opt_f32("final_logit_softcapping") {
        keys.f32("final_logit_softcapping", cap);
    }
    if config.is("enable_moe_block") {
        experts(config, keys)?;
        let width = config.any_u32(&["moe_intermediate_size", "expert_intermediate_size"])?;
        keys.u32("expert_feed_forward_length", width);
    }
    let global = |key: &str, in_layer: &str| of_global(config, &local, key, in_layer);
    if let Some(heads) = global("num_global_key_value_heads", "num_key_value_heads") {
        let all = config.u32("num_key_value_heads")?;
        keys.u32s("attention.head_count_kv", local.iter().map(|&local| if local { all } else { heads }));
    }
    let dim = global("global_head_dim", "head_dim").unwrap_or(local_dim);
    for kind in ["key", "value"] {
        keys.u32(&format!("attention.{kind}_length"), dim);
        keys.u32(&format!("attention.{kind}_length_swa"), local_dim);
    }
    rotary(config, keys, dim, local_dim)
}

/// A size of layers that look at everything: its own key, or what the first such layer says.
fn of_global(config: &Config, local: &[bool], key: &str, in_layer: &str) -> Option<u32> {
    let of_layer = || {
        let (layer, _) = local.iter().enumerate().find(|(_, local)| !**local)?;
        config.get("per_layer_config")?.get(layer.to_string())?.get(in_layer)?.as_u64()?.try_into().ok()
    };
    config.opt_u32(key).or_else(of_layer)
}

/// Most of a head stands still in layers that look at everything.
fn rotary(config: &Config, keys: &mut Keys, dim: u32, local_dim: u32) -> Result<Computed, ConvertError> {
    let (global, local) = (Rope::global(config), Rope::local(config));
    if global.kind() != "proportional"
        || local.kind() != "default"
        || local.turned().is_some_and(|t| t != 1.0)
    {
        return Err(config.unsupported("rope_parameters"));
    }
    let base = |rope: &Rope| rope.base().ok_or_else(|| config.unsupported("rope_parameters"));
    keys.f32("rope.freq_base", base(&global)?);
    keys.f32("rope.freq_base_swa", base(&local)?);
    keys.u32("rope.dimension_count", dim);
    keys.u32("rope.dimension_count_swa", local_dim);
    let turned = (dim as f32 * global.turned().unwrap_or(1.0) / 2.0) as u32;
    let divisors = (0..dim / 2).map(|i| if i < turned { 1.0 } else { STILL }).collect();
    Ok(vec![("rope_freqs.weight", divisors)])
}
