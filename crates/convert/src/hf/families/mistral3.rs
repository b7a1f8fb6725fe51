//! Mistral Small 3 and Ministral 3, also as the language model of a model that sees.

use super::llama::llama;
use super::sizes::{divisors, require_silu, sizes};
use super::tables::{ATTENTION, MLP, NORMS, OUTER, TURNED_HEADS};
use super::{Computed, Family};
use crate::ConvertError;
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[Family {
    classes: &["Mistral3ForConditionalGeneration", "Ministral3ForCausalLM"],
    gguf: "mistral3",
    rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, MLP],
    keys,
    ..Family::PLAIN
}];

fn keys(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    config.require("model_type", |kind| {
        ["mistral", "mistral3", "ministral3"].iter().any(|known| kind == known)
    })?;
    let rope = Rope::global(config).knowing(&["mscale", "mscale_all_dim"]);
    if rope.kind() != "yarn" {
        return llama(config, keys);
    }
    require_silu(config)?;
    config.require("sliding_window", |_| false)?;
    // Readers take the usual growth of scores in full, and from it what `mscale_all_dim` says.
    if rope.number("mscale").is_some_and(|scale| scale != 1.0) {
        return Err(config.unsupported("rope_parameters"));
    }
    let head_dim = sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    keys.u32("rope.dimension_count", head_dim);
    if let Some(scale) = rope.number("mscale_all_dim") {
        keys.f32("rope.scaling.yarn_log_multiplier", scale);
    }
    if let Some(slope) = rope.number("llama_4_scaling_beta") {
        keys.f32("attention.temperature_scale", slope);
    }
    divisors(rope, keys, head_dim)
}
