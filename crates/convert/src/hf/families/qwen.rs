//! Qwen 2 and 3, dense and with experts.

use serde_json::Value;

use super::sizes::{narrow_experts, require_normalised, require_silu, rope, sizes};
use super::tables::{ATTENTION, EXPERTS, HEAD_NORMS, MLP, NORMS, OUTER, SHARED_EXPERT};
use super::{Computed, Family};
use crate::ConvertError;
use crate::hf::config::{Config, Keys};

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Qwen2ForCausalLM"],
        gguf: "qwen2",
        rules: &[OUTER, ATTENTION, NORMS, MLP],
        keys: qwen,
        ..Family::PLAIN
    },
    Family {
        classes: &["Qwen2MoeForCausalLM"],
        gguf: "qwen2moe",
        rules: &[OUTER, ATTENTION, NORMS, EXPERTS, SHARED_EXPERT],
        keys: |config, keys| with_experts(config, keys, false),
        ..Family::PLAIN
    },
    Family {
        classes: &["Qwen3ForCausalLM"],
        gguf: "qwen3",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS, MLP],
        keys: qwen,
        ..Family::PLAIN
    },
    Family {
        classes: &["Qwen3MoeForCausalLM"],
        gguf: "qwen3moe",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS, EXPERTS],
        keys: |config, keys| with_experts(config, keys, true),
        ..Family::PLAIN
    },
];

fn qwen(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    config.require("use_sliding_window", |used| used == &Value::Bool(false))?;
    let head_dim = sizes(config, keys)?;
    rope(config, keys, head_dim)
}

/// `normalised`: whether the weights of the chosen experts sum to 1.
fn with_experts(config: &Config, keys: &mut Keys, normalised: bool) -> Result<Computed, ConvertError> {
    require_normalised(config, normalised)?;
    narrow_experts(config, keys)?;
    qwen(config, keys)
}
