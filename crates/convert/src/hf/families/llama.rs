//! Llama, Mistral and Mixtral, and SmolLM 3, whose every fourth layer knows no positions.

use serde_json::Value;

use super::sizes::{experts, require_silu, sizes, whole_rope};
use super::tables::{ATTENTION, BLOCK_SPARSE_EXPERTS, MLP, NORMS, OUTER, TURNED_HEADS};
use super::{Computed, Family};
use crate::ConvertError;
use crate::hf::config::{Config, Keys};

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["LlamaForCausalLM", "MistralForCausalLM"],
        gguf: "llama",
        rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, MLP],
        keys: llama,
        ..Family::PLAIN
    },
    Family {
        classes: &["MixtralForCausalLM"],
        gguf: "llama",
        rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, BLOCK_SPARSE_EXPERTS],
        keys: mixtral,
        ..Family::PLAIN
    },
    Family {
        classes: &["SmolLM3ForCausalLM"],
        gguf: "smollm3",
        rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, MLP],
        keys: smollm3,
        ..Family::PLAIN
    },
];

pub fn llama(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    let context = config.u32("max_position_embeddings")?;
    // GGUF's llama has no window; one as long as the context is none.
    config
        .require("sliding_window", |window| window.as_u64().is_some_and(|window| window >= context.into()))?;
    let head_dim = sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    whole_rope(config, keys, head_dim)
}

fn mixtral(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    experts(config, keys)?;
    llama(config, keys)
}

/// Readers know which layers have no rotary embedding: every fourth.
fn smollm3(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    const EVERY: usize = 4;
    let fourth = |turned: &Value| {
        let turned = turned.as_array().into_iter().flatten();
        turned.enumerate().all(|(i, turns)| (turns == 0) == (i + 1).is_multiple_of(EVERY))
    };
    config.require("no_rope_layers", fourth)?;
    config.require("no_rope_layer_interval", |every| every == EVERY)?;
    config.require("use_sliding_window", |used| used == &Value::Bool(false))?;
    require_silu(config)?;
    let head_dim = sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    whole_rope(config, keys, head_dim)
}
