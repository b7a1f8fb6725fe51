//! What Hugging Face's classes are in GGUF: names of tensors, hyper-parameters, and how weights change on the way.
//!
//! One short table a family; numbers in names are written `#`, and come in the same order on both sides. A second number
//! that is only on the left counts experts, whose matrices become one tensor.

use serde_json::Value;

use super::config::{Config, Keys};
use super::rope::Rope;
use crate::ConvertError;

/// How the numbers of a tensor change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// Halves of the heads of queries are interleaved: GGUF's `llama` turns neighbours, Hugging Face turns halves.
    Queries,
    /// The same for the heads of keys.
    Keys,
    /// Gemma multiplies by one more than what it stores.
    AddOne,
}

/// A tensor's name here and there.
pub struct Rule(pub &'static str, pub &'static str, pub Change);

/// What the frequencies of rotary embeddings are divided by, where that is a tensor.
pub type Divisors = Option<Vec<f32>>;

/// A kind of model.
pub struct Family {
    /// Hugging Face's classes.
    pub classes: &'static [&'static str],
    /// GGUF's architecture.
    pub gguf: &'static str,
    /// Tables of tensors.
    pub rules: &'static [&'static [Rule]],
    /// Writes the hyper-parameters; gives the values of `rope_freqs.weight` where the model has them.
    pub keys: fn(&Config, &mut Keys) -> Result<Divisors, ConvertError>,
}

/// All that can be converted.
pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["LlamaForCausalLM", "MistralForCausalLM"],
        gguf: "llama",
        rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, MLP],
        keys: llama,
    },
    Family {
        classes: &["Qwen2ForCausalLM"],
        gguf: "qwen2",
        rules: &[OUTER, ATTENTION, NORMS, MLP],
        keys: qwen,
    },
    Family {
        classes: &["Qwen3ForCausalLM"],
        gguf: "qwen3",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS, MLP],
        keys: qwen,
    },
    Family {
        classes: &["Qwen3MoeForCausalLM"],
        gguf: "qwen3moe",
        rules: &[OUTER, ATTENTION, HEAD_NORMS, NORMS, EXPERTS],
        keys: qwen3moe,
    },
    Family {
        classes: &["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
        gguf: "gemma3",
        rules: &[GEMMA_NORMS, OUTER, ATTENTION, MLP],
        keys: gemma3,
    },
];

use Change::{AddOne, Keys as KeyHeads, None as Same, Queries};

const OUTER: &[Rule] = &[
    Rule("model.embed_tokens.weight", "token_embd.weight", Same),
    Rule("model.norm.weight", "output_norm.weight", Same),
    Rule("lm_head.weight", "output.weight", Same),
];

/// Stands before [`ATTENTION`], whose rules for the same tensors then never apply.
const TURNED_HEADS: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", Queries),
    Rule("model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", KeyHeads),
    Rule("model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias", Queries),
    Rule("model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias", KeyHeads),
];

const ATTENTION: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", Same),
    Rule("model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", Same),
    Rule("model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", Same),
    Rule("model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", Same),
    Rule("model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias", Same),
    Rule("model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias", Same),
    Rule("model.layers.#.self_attn.v_proj.bias", "blk.#.attn_v.bias", Same),
    Rule("model.layers.#.self_attn.o_proj.bias", "blk.#.attn_output.bias", Same),
];

const HEAD_NORMS: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", Same),
    Rule("model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", Same),
];

const NORMS: &[Rule] = &[
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", Same),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", Same),
];

const MLP: &[Rule] = &[
    Rule("model.layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight", Same),
    Rule("model.layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight", Same),
    Rule("model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", Same),
];

const EXPERTS: &[Rule] = &[
    Rule("model.layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight", Same),
    Rule("model.layers.#.mlp.experts.#.gate_proj.weight", "blk.#.ffn_gate_exps.weight", Same),
    Rule("model.layers.#.mlp.experts.#.up_proj.weight", "blk.#.ffn_up_exps.weight", Same),
    Rule("model.layers.#.mlp.experts.#.down_proj.weight", "blk.#.ffn_down_exps.weight", Same),
];

const GEMMA_NORMS: &[Rule] = &[
    Rule("model.norm.weight", "output_norm.weight", AddOne),
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", AddOne),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", AddOne),
    Rule("model.layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", AddOne),
    Rule("model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", AddOne),
    Rule("model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", AddOne),
    Rule("model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", AddOne),
];

/// The sizes that every transformer has. Gives the width of a head.
fn sizes(config: &Config, keys: &mut Keys) -> Result<u32, ConvertError> {
    let (hidden, heads) = (config.u32("hidden_size")?, config.u32("num_attention_heads")?);
    keys.u32("block_count", config.u32("num_hidden_layers")?);
    keys.u32("context_length", config.u32("max_position_embeddings")?);
    keys.u32("embedding_length", hidden);
    keys.u32("feed_forward_length", config.u32("intermediate_size")?);
    keys.u32("attention.head_count", heads);
    keys.u32("attention.head_count_kv", config.opt_u32("num_key_value_heads").unwrap_or(heads));
    keys.f32("attention.layer_norm_rms_epsilon", config.f32("rms_norm_eps")?);
    let head_dim = config.opt_u32("head_dim").unwrap_or(hidden / heads.max(1));
    keys.u32("attention.key_length", head_dim);
    keys.u32("attention.value_length", head_dim);
    Ok(head_dim)
}

fn llama(config: &Config, keys: &mut Keys) -> Result<Divisors, ConvertError> {
    config.require("hidden_act", |act| act == "silu")?;
    let context = config.u32("max_position_embeddings")?;
    // GGUF's llama has no window; one as long as the context is none.
    config
        .require("sliding_window", |window| window.as_u64().is_some_and(|window| window >= context.into()))?;
    let head_dim = sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    keys.u32("rope.dimension_count", head_dim);
    Rope::global(config).write(keys, head_dim)
}

fn qwen(config: &Config, keys: &mut Keys) -> Result<Divisors, ConvertError> {
    config.require("hidden_act", |act| act == "silu")?;
    config.require("use_sliding_window", |used| used == &Value::Bool(false))?;
    let head_dim = sizes(config, keys)?;
    Rope::global(config).write(keys, head_dim)
}

fn qwen3moe(config: &Config, keys: &mut Keys) -> Result<Divisors, ConvertError> {
    config.require("decoder_sparse_step", |step| step == 1)?;
    config.require("mlp_only_layers", |layers| layers.as_array().is_some_and(Vec::is_empty))?;
    if !config.is("norm_topk_prob") {
        return Err(config.unsupported("norm_topk_prob"));
    }
    keys.u32(
        "expert_count",
        config.opt_u32("num_experts").map_or_else(|| config.u32("num_local_experts"), Ok)?,
    );
    keys.u32("expert_used_count", config.u32("num_experts_per_tok")?);
    keys.u32("expert_feed_forward_length", config.u32("moe_intermediate_size")?);
    qwen(config, keys)
}

fn gemma3(config: &Config, keys: &mut Keys) -> Result<Divisors, ConvertError> {
    config.require("hidden_activation", |act| act == "gelu_pytorch_tanh")?;
    config.require("attn_logit_softcapping", |_| false)?;
    let head_dim = sizes(config, keys)?;
    // GGUF has no key for it: readers know the largest model, which differs, by its number of layers.
    let known = match config.u32("num_hidden_layers")? {
        62 => config.u32("hidden_size")? / config.u32("num_attention_heads")?.max(1),
        _ => head_dim,
    };
    config.require("query_pre_attn_scalar", |scale| scale.as_f64() == Some(known.into()))?;
    keys.u32("attention.sliding_window", config.u32("sliding_window")?);
    let pattern = window_pattern(config)?;
    if pattern != 6 {
        keys.u32("attention.sliding_window_pattern", pattern);
    }
    if let Some(cap) = config.opt_f32("final_logit_softcapping") {
        keys.f32("final_logit_softcapping", cap);
    }
    keys.f32("rope.freq_base_swa", Rope::local(config).base().unwrap_or(10_000.0));
    Rope::global(config).write(keys, head_dim)
}

/// Every how many layers one looks at everything.
fn window_pattern(config: &Config) -> Result<u32, ConvertError> {
    let Some(kinds) = config.get("layer_types").and_then(Value::as_array) else {
        return Ok(config.opt_u32("sliding_window_pattern").unwrap_or(6));
    };
    let full = |kind: &Value| kind == "full_attention";
    let pattern = kinds.iter().position(full).map_or(6, |first| first + 1);
    let regular = kinds.iter().enumerate().all(|(i, kind)| full(kind) == (i + 1).is_multiple_of(pattern));
    if regular { Ok(pattern as u32) } else { Err(config.unsupported("layer_types")) }
}
