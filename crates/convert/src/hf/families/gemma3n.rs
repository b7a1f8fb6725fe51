//! Gemma 3n, the part that reads and writes.

use super::sizes::{rope, sizes};
use super::tables::{ATTENTION, HEAD_NORMS, MLP, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::{Change, SAME};
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[Family {
    classes: &["Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"],
    gguf: "gemma3n",
    rules: &[OUTER, BLOCK_NORMS, PER_LAYER, ALTUP, ATTENTION, HEAD_NORMS, MLP],
    keys,
    ..Family::PLAIN
}];

/// Also Gemma 4's.
pub const BLOCK_NORMS: &[Rule] = &[
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", SAME),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", SAME),
    Rule("model.layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", SAME),
    Rule("model.layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", SAME),
];

/// Also Gemma 4's. Tokens that stand for pictures and sounds have no vector for each layer; theirs are zeros.
pub const PER_LAYER: &[Rule] = &[
    Rule(
        "model.embed_tokens_per_layer.weight",
        "per_layer_token_embd.weight",
        Change {
            rows: Some(|config, n| Some((0..config.opt_u32("vocab_size")?.max(n as u32)).collect())),
            ..SAME
        },
    ),
    Rule("model.per_layer_model_projection.weight", "per_layer_model_proj.weight", SAME),
    Rule("model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight", SAME),
    Rule("model.layers.#.per_layer_input_gate.weight", "blk.#.inp_gate.weight", SAME),
    Rule("model.layers.#.per_layer_projection.weight", "blk.#.proj.weight", SAME),
    Rule("model.layers.#.post_per_layer_input_norm.weight", "blk.#.post_norm.weight", SAME),
];

const ALTUP: &[Rule] = &[
    Rule("model.altup_projections.#.weight", "altup_proj.weight", SAME),
    Rule("model.altup_unembed_projections.#.weight", "altup_unembd_proj.weight", SAME),
    Rule("model.layers.#.altup.correct_output_scale", "blk.#.altup_correct_scale.weight", SAME),
    Rule("model.layers.#.altup.correction_coefs.weight", "blk.#.altup_correct_coef.weight", SAME),
    Rule("model.layers.#.altup.prediction_coefs.weight", "blk.#.altup_predict_coef.weight", SAME),
    Rule("model.layers.#.altup.modality_router.weight", "blk.#.altup_router.weight", SAME),
    Rule("model.layers.#.altup.router_norm.weight", "blk.#.altup_router_norm.weight", SAME),
    Rule("model.layers.#.laurel.linear_left.weight", "blk.#.laurel_l.weight", SAME),
    Rule("model.layers.#.laurel.linear_right.weight", "blk.#.laurel_r.weight", SAME),
    Rule("model.layers.#.laurel.post_laurel_norm.weight", "blk.#.laurel_post_norm.weight", SAME),
];

fn keys(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    config.require("hidden_activation", |act| act == "gelu_pytorch_tanh")?;
    let head_dim = sizes(config, keys)?;
    let numbers = |key: &str| -> Option<Vec<f64>> {
        config.get(key)?.as_array()?.iter().map(serde_json::Value::as_f64).collect()
    };
    if let Some(widths) = numbers("intermediate_size") {
        keys.u32s("feed_forward_length", widths.iter().map(|&width| width as u32));
    }
    if let Some(cap) = config.opt_f32("final_logit_softcapping") {
        keys.f32("final_logit_softcapping", cap);
    }
    keys.u32("attention.sliding_window", config.u32("sliding_window")?);
    keys.bools(
        "attention.sliding_window_pattern",
        config.layer_types()?.iter().map(|&kind| kind == "sliding_attention"),
    );
    keys.u32("altup.active_idx", config.u32("altup_active_idx")?);
    keys.u32("altup.num_inputs", config.u32("altup_num_inputs")?);
    keys.u32("embedding_length_per_layer_input", config.u32("hidden_size_per_layer_input")?);
    keys.u32("attention.shared_kv_layers", config.u32("num_kv_shared_layers")?);
    let shares = numbers("activation_sparsity_pattern");
    let shares = shares.ok_or_else(|| config.unsupported("activation_sparsity_pattern"))?;
    keys.f32s("activation_sparsity_scale", shares.into_iter().map(normal_quantile));
    keys.f32("rope.freq_base_swa", Rope::local(config).base().unwrap_or(10_000.0));
    rope(config, keys, head_dim)
}

/// The point below which this share of normally distributed numbers lies.
fn normal_quantile(share: f64) -> f32 {
    if share <= 0.0 || share >= 1.0 {
        return if share <= 0.0 { f32::NEG_INFINITY } else { f32::INFINITY };
    }
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if normal_share(middle) < share { low = middle } else { high = middle }
    }
    low as f32
}

/// The share of normally distributed numbers below `x`, by the series `x + x³/3 + x⁵/(3·5) + …`.
fn normal_share(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for i in 1..400 {
        term *= x * x / f64::from(2 * i + 1);
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nineteen_of_twenty_lie_below() {
        assert_eq!(normal_quantile(0.95), 1.644_853_6);
        assert!(normal_quantile(0.5).abs() < 1e-9);
        assert!((normal_quantile(0.01) + 2.326_348).abs() < 1e-6);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f32::NEG_INFINITY, f32::INFINITY));
    }
}
