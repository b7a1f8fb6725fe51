//! LFM2, dense and with experts: gated short convolutions in most layers.

use super::sizes::{experts, require_normalised, rope, sizes};
use super::tables::{ATTENTION, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::SAME;
use crate::hf::config::{Config, Keys};

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Lfm2ForCausalLM", "LFM2ForCausalLM"],
        gguf: "lfm2",
        rules: &[OUTER, BLOCKS, ATTENTION],
        keys: lfm2,
        ..Family::PLAIN
    },
    Family {
        classes: &["Lfm2MoeForCausalLM"],
        gguf: "lfm2moe",
        rules: &[OUTER, BLOCKS, ATTENTION, EXPERTS],
        keys: with_experts,
        ..Family::PLAIN
    },
];

const BLOCKS: &[Rule] = &[
    Rule("model.embedding_norm.weight", "token_embd_norm.weight", SAME),
    Rule("model.layers.#.operator_norm.weight", "blk.#.attn_norm.weight", SAME),
    Rule("model.layers.#.ffn_norm.weight", "blk.#.ffn_norm.weight", SAME),
    Rule("model.layers.#.conv.in_proj.weight", "blk.#.shortconv.in_proj.weight", SAME),
    Rule("model.layers.#.conv.conv.weight", "blk.#.shortconv.conv.weight", SAME),
    Rule("model.layers.#.conv.out_proj.weight", "blk.#.shortconv.out_proj.weight", SAME),
    Rule("model.layers.#.self_attn.out_proj.weight", "blk.#.attn_output.weight", SAME),
    Rule("model.layers.#.self_attn.q_layernorm.weight", "blk.#.attn_q_norm.weight", SAME),
    Rule("model.layers.#.self_attn.k_layernorm.weight", "blk.#.attn_k_norm.weight", SAME),
    Rule("model.layers.#.feed_forward.w1.weight", "blk.#.ffn_gate.weight", SAME),
    Rule("model.layers.#.feed_forward.w2.weight", "blk.#.ffn_down.weight", SAME),
    Rule("model.layers.#.feed_forward.w3.weight", "blk.#.ffn_up.weight", SAME),
];

const EXPERTS: &[Rule] = &[
    Rule("model.layers.#.feed_forward.gate.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("model.layers.#.feed_forward.expert_bias", "blk.#.exp_probs_b.bias", SAME),
    Rule("model.layers.#.feed_forward.experts.#.w1.weight", "blk.#.ffn_gate_exps.weight", SAME),
    Rule("model.layers.#.feed_forward.experts.#.w2.weight", "blk.#.ffn_down_exps.weight", SAME),
    Rule("model.layers.#.feed_forward.experts.#.w3.weight", "blk.#.ffn_up_exps.weight", SAME),
];

/// GGUF's name for scores that are sigmoids.
const SIGMOID: u32 = 2;

fn with_experts(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_normalised(config, true)?;
    config.require("routed_scaling_factor", |factor| factor.as_f64() == Some(1.0))?;
    experts(config, keys)?;
    keys.u32("expert_feed_forward_length", config.u32("moe_intermediate_size")?);
    keys.u32("leading_dense_block_count", config.u32("num_dense_layers")?);
    keys.u32("expert_gating_func", SIGMOID);
    blocks(config, keys)
}

fn lfm2(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    let computed = blocks(config, keys)?;
    keys.u32("feed_forward_length", width(config)?);
    Ok(computed)
}

fn blocks(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    config.require("conv_bias", |bias| bias == false)?;
    let head_dim = sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    keys.u32("shortconv.l_cache", config.any_u32(&["conv_L_cache"])?);
    let kv_heads = config.u32("num_key_value_heads")?;
    let attention = is_attention(config)?;
    keys.u32s("attention.head_count_kv", attention.into_iter().map(|is| if is { kv_heads } else { 0 }));
    rope(config, keys, head_dim)
}

/// Which layers have attention; older files list them by number.
fn is_attention(config: &Config) -> Result<Vec<bool>, ConvertError> {
    if let Some(kinds) = config.opt_layer_types("layer_types")? {
        return Ok(kinds.iter().map(|&kind| kind != "conv").collect());
    }
    let listed = config.get("full_attn_idxs").and_then(|list| list.as_array());
    let listed = listed.ok_or_else(|| config.unsupported("layer_types"))?;
    Ok((0..config.u32("num_hidden_layers")?).map(|layer| listed.iter().any(|other| other == layer)).collect())
}

/// The width of networks, which may be stated as one that the usual rule makes smaller.
fn width(config: &Config) -> Result<u32, ConvertError> {
    let stated = config.any_u32(&["block_ff_dim", "intermediate_size"])?;
    if !config.is("block_auto_adjust_ff_dim") {
        return Ok(stated);
    }
    let factor = config.opt_f32("block_ffn_dim_multiplier").unwrap_or(1.0);
    let width = (f64::from(factor) * f64::from(stated / 3 * 2 + stated % 3 * 2 / 3)) as u32;
    let step = config.u32("block_multiple_of")?;
    let whole = width.checked_next_multiple_of(step);
    whole.ok_or_else(|| config.unsupported("block_multiple_of"))
}
