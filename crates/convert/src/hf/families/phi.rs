//! Phi 3, 3.5 and 4, and Phi 3.5 with experts.

use super::sizes::{experts, require_silu, sizes};
use super::tables::{ATTENTION, BLOCK_SPARSE_EXPERTS, FUSED_MLP, NORMS, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::SAME;
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Phi3ForCausalLM"],
        gguf: "phi3",
        rules: &[OUTER, FUSED_ATTENTION, ATTENTION, NORMS, FUSED_MLP],
        keys: phi3,
        ..Family::PLAIN
    },
    Family {
        classes: &["PhiMoEForCausalLM", "PhimoeForCausalLM"],
        gguf: "phimoe",
        rules: &[OUTER, BIASES, ATTENTION, NORMS, BLOCK_SPARSE_EXPERTS],
        keys: phimoe,
        ..Family::PLAIN
    },
];

const FUSED_ATTENTION: &[Rule] =
    &[Rule("model.layers.#.self_attn.qkv_proj.weight", "blk.#.attn_qkv.weight", SAME)];

const BIASES: &[Rule] = &[
    Rule("model.norm.bias", "output_norm.bias", SAME),
    Rule("lm_head.bias", "output.bias", SAME),
    Rule("model.layers.#.input_layernorm.bias", "blk.#.attn_norm.bias", SAME),
    Rule("model.layers.#.post_attention_layernorm.bias", "blk.#.ffn_norm.bias", SAME),
];

fn phimoe(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    experts(config, keys)?;
    phi3(config, keys)
}

fn phi3(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    let head_dim = sizes(config, keys)?;
    // Zero stands for none.
    keys.u32("attention.sliding_window", config.opt_u32("sliding_window").unwrap_or(0));
    let rope = Rope::global(config);
    let turned = (rope.turned().unwrap_or(1.0) * head_dim as f32) as u32;
    keys.u32("rope.dimension_count", turned);
    if let Some(base) = rope.base() {
        keys.f32("rope.freq_base", base);
    }
    let (trained, original) = (config.u32("max_position_embeddings")?, rope.original_context()?);
    keys.u32("rope.scaling.original_context_length", original);
    match rope.kind() {
        "default" => return Ok(Computed::new()),
        "longrope" | "su" => {}
        _ => return Err(config.unsupported("rope_scaling")),
    }
    let factors = |key: &str| {
        let list = rope.get(key).and_then(|list| list.as_array());
        let list =
            list.and_then(|list| list.iter().map(|x| Some(x.as_f64()? as f32)).collect::<Option<Vec<f32>>>());
        let list = list.filter(|list| list.len() == turned as usize / 2);
        list.ok_or_else(|| config.unsupported("rope_scaling"))
    };
    let scale = f64::from(trained) / f64::from(original.max(1));
    let grown = if scale > 1.0 { (1.0 + scale.ln() / f64::from(original).ln()).sqrt() } else { 1.0 };
    keys.f32("rope.scaling.attn_factor", grown as f32);
    Ok(vec![
        ("rope_factors_long.weight", factors("long_factor")?),
        ("rope_factors_short.weight", factors("short_factor")?),
    ])
}
