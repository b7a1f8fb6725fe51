//! Gemma 2 and 3.

use serde_json::Value;

use super::sizes::{rope, sizes};
use super::tables::{ATTENTION, MLP, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::ADD_ONE;
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Gemma2ForCausalLM"],
        gguf: "gemma2",
        rules: &[NORMS_PLUS_ONE, OUTER, ATTENTION, MLP],
        keys: gemma2,
        ..Family::PLAIN
    },
    Family {
        classes: &["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
        gguf: "gemma3",
        rules: &[NORMS_PLUS_ONE, OUTER, ATTENTION, MLP],
        keys: gemma3,
        ..Family::PLAIN
    },
];

const NORMS_PLUS_ONE: &[Rule] = &[
    Rule("model.norm.weight", "output_norm.weight", ADD_ONE),
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", ADD_ONE),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", ADD_ONE),
    Rule("model.layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", ADD_ONE),
    Rule("model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", ADD_ONE),
    Rule("model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", ADD_ONE),
    Rule("model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", ADD_ONE),
];

/// Gives the width of a head. `widest` is the number of layers by which readers know the model whose queries are scaled
/// by its own width: GGUF has no key for that.
fn shared(config: &Config, keys: &mut Keys, widest: u32) -> Result<u32, ConvertError> {
    config.require("hidden_activation", |act| act == "gelu_pytorch_tanh")?;
    let head_dim = sizes(config, keys)?;
    let known = match config.u32("num_hidden_layers")? {
        layers if layers == widest => config.u32("hidden_size")? / config.u32("num_attention_heads")?.max(1),
        _ => head_dim,
    };
    config.require("query_pre_attn_scalar", |scale| scale.as_f64() == Some(known.into()))?;
    keys.u32("attention.sliding_window", config.u32("sliding_window")?);
    if let Some(cap) = config.opt_f32("final_logit_softcapping") {
        keys.f32("final_logit_softcapping", cap);
    }
    Ok(head_dim)
}

fn gemma2(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    // Where a file says nothing readers take the largest models' caps; zero is none.
    let cap = |key: &str| config.opt_f32(key).unwrap_or(0.0);
    keys.f32("attn_logit_softcapping", cap("attn_logit_softcapping"));
    keys.f32("final_logit_softcapping", cap("final_logit_softcapping"));
    let head_dim = shared(config, keys, 46)?;
    if window_pattern(config, 2)? != 2 {
        return Err(config.unsupported("layer_types"));
    }
    rope(config, keys, head_dim)
}

fn gemma3(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    config.require("attn_logit_softcapping", |_| false)?;
    let head_dim = shared(config, keys, 62)?;
    let pattern = window_pattern(config, 6)?;
    if pattern != 6 {
        keys.u32("attention.sliding_window_pattern", pattern);
    }
    keys.f32("rope.freq_base_swa", Rope::local(config).base().unwrap_or(10_000.0));
    rope(config, keys, head_dim)
}

/// Every how many layers one looks at everything.
fn window_pattern(config: &Config, default: u32) -> Result<u32, ConvertError> {
    let Some(kinds) = config.get("layer_types").and_then(Value::as_array) else {
        return Ok(config.opt_u32("sliding_window_pattern").unwrap_or(default));
    };
    let full = |kind: &Value| kind == "full_attention";
    let pattern = kinds.iter().position(full).map_or(default as usize, |first| first + 1);
    let regular = kinds.iter().enumerate().all(|(i, kind)| full(kind) == (i + 1).is_multiple_of(pattern));
    if regular { Ok(pattern as u32) } else { Err(config.unsupported("layer_types")) }
}
