//! OLMo 2 and 3, and OLMoE.

use super::sizes::{experts, require_normalised, require_silu, rope, sizes};
use super::tables::{ATTENTION, EXPERTS, HEAD_NORMS, MLP, NORMS, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::SAME;
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Olmo2ForCausalLM"],
        gguf: "olmo2",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS_AFTER, MLP],
        keys: olmo2,
        ..Family::PLAIN
    },
    Family {
        classes: &["Olmo3ForCausalLM"],
        gguf: "olmo2",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS_AFTER, MLP],
        keys: olmo3,
        ..Family::PLAIN
    },
    Family {
        classes: &["OlmoeForCausalLM"],
        gguf: "olmoe",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS, EXPERTS],
        keys: olmoe,
        ..Family::PLAIN
    },
];

const NORMS_AFTER: &[Rule] = &[
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", SAME),
    Rule("model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", SAME),
];

fn olmo2(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    let head_dim = sizes(config, keys)?;
    rope(config, keys, head_dim)
}

fn olmo3(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    keys.u32("attention.sliding_window", config.u32("sliding_window")?);
    let local = |layers: Vec<&str>| layers.iter().map(|&kind| kind == "sliding_attention").collect();
    let usual = (1..=config.u32("num_hidden_layers")?).map(|n| !n.is_multiple_of(4));
    let local: Vec<bool> = config.opt_layer_types("layer_types")?.map_or_else(|| usual.collect(), local);
    keys.bools("attention.sliding_window_pattern", local);
    // Nothing stretches layers with a window.
    let own = Rope::local(config);
    if own.kind() != "default" {
        return Err(config.unsupported("rope_parameters"));
    }
    if let Some(base) = own.base() {
        keys.f32("rope.freq_base_swa", base);
    }
    olmo2(config, keys)
}

fn olmoe(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_normalised(config, false)?;
    config.require("clip_qkv", |_| false)?;
    experts(config, keys)?;
    olmo2(config, keys)
}
