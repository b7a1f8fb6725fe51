//! Nemotron-H and Nemotron 3: each layer is Mamba-2, attention, a network, or experts.

use super::sizes::experts;
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::{COLUMN, Change, KEYS, MINUS_EXP, QUERIES, SAME};
use crate::hf::config::{Config, Keys};

pub const FAMILIES: &[Family] =
    &[Family { gguf: "nemotron_h_moe", is_it: has_experts, ..PLAIN }, Family { gguf: "nemotron_h", ..PLAIN }];

const PLAIN: Family = Family {
    classes: &["NemotronHForCausalLM"],
    rules: &[OUTER, MAMBA, ATTENTION, NETWORKS],
    keys,
    // What predicts further tokens is left out.
    name: |_, name| (!name.starts_with("mtp.")).then_some(name),
    ..Family::PLAIN
};

const OUTER: &[Rule] = &[
    Rule("backbone.embeddings.weight", "token_embd.weight", SAME),
    Rule("backbone.norm_f.weight", "output_norm.weight", SAME),
    Rule("lm_head.weight", "output.weight", SAME),
    Rule("backbone.layers.#.norm.weight", "blk.#.attn_norm.weight", SAME),
];

const MAMBA: &[Rule] = &[
    Rule("backbone.layers.#.mixer.in_proj.weight", "blk.#.ssm_in.weight", SAME),
    Rule("backbone.layers.#.mixer.conv1d.weight", "blk.#.ssm_conv1d.weight", SAME),
    Rule("backbone.layers.#.mixer.conv1d.bias", "blk.#.ssm_conv1d.bias", SAME),
    Rule("backbone.layers.#.mixer.dt_bias", "blk.#.ssm_dt.bias", SAME),
    Rule("backbone.layers.#.mixer.A_log", "blk.#.ssm_a", Change { cut: COLUMN.cut, ..MINUS_EXP }),
    Rule("backbone.layers.#.mixer.D", "blk.#.ssm_d", COLUMN),
    Rule(
        "backbone.layers.#.mixer.norm.weight",
        "blk.#.ssm_norm.weight",
        Change { cut: Some(|config, _| config.opt_usize("n_groups")), ..SAME },
    ),
    Rule("backbone.layers.#.mixer.out_proj.weight", "blk.#.ssm_out.weight", SAME),
];

/// Files have heads as if they were turned.
const ATTENTION: &[Rule] = &[
    Rule("backbone.layers.#.mixer.q_proj.weight", "blk.#.attn_q.weight", QUERIES),
    Rule("backbone.layers.#.mixer.k_proj.weight", "blk.#.attn_k.weight", KEYS),
    Rule("backbone.layers.#.mixer.v_proj.weight", "blk.#.attn_v.weight", SAME),
    Rule("backbone.layers.#.mixer.o_proj.weight", "blk.#.attn_output.weight", SAME),
];

const NETWORKS: &[Rule] = &[
    Rule("backbone.layers.#.mixer.up_proj.weight", "blk.#.ffn_up.weight", SAME),
    Rule("backbone.layers.#.mixer.down_proj.weight", "blk.#.ffn_down.weight", SAME),
    Rule("backbone.layers.#.mixer.gate.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("backbone.layers.#.mixer.gate.e_score_correction_bias", "blk.#.exp_probs_b.bias", SAME),
    Rule("backbone.layers.#.mixer.experts.#.up_proj.weight", "blk.#.ffn_up_exps.weight", SAME),
    Rule("backbone.layers.#.mixer.experts.#.down_proj.weight", "blk.#.ffn_down_exps.weight", SAME),
    Rule("backbone.layers.#.mixer.shared_experts.up_proj.weight", "blk.#.ffn_up_shexp.weight", SAME),
    Rule("backbone.layers.#.mixer.shared_experts.down_proj.weight", "blk.#.ffn_down_shexp.weight", SAME),
];

fn has_experts(config: &Config) -> bool {
    config.opt_u32("num_experts_per_tok").is_some()
}

/// What a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mamba,
    Attention,
    Network,
}

/// The layers, by a letter each or by a word each.
fn kinds(config: &Config) -> Result<Vec<Kind>, ConvertError> {
    let kind = |word: &str| match word {
        "M" | "mamba" | "linear_attention" => Some(Kind::Mamba),
        "*" | "attention" | "full_attention" => Some(Kind::Attention),
        "-" | "mlp" if !has_experts(config) => Some(Kind::Network),
        "E" | "moe" if has_experts(config) => Some(Kind::Network),
        _ => None,
    };
    let key = "hybrid_override_pattern";
    let kinds: Option<Vec<Kind>> = match (config.opt_str(key), config.get("layers_block_type")) {
        (Some(letters), _) => letters.split("").filter(|letter| !letter.is_empty()).map(kind).collect(),
        (None, Some(words)) => {
            words.as_array().into_iter().flatten().map(|word| kind(word.as_str()?)).collect()
        }
        (None, None) => None,
    };
    let stated = config.opt_usize("num_hidden_layers");
    let fits = |kinds: &Vec<Kind>| !kinds.is_empty() && stated.is_none_or(|n| n == kinds.len());
    kinds.filter(fits).ok_or_else(|| config.unsupported(key))
}

fn keys(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    config.require("mlp_hidden_act", |act| act == "relu2")?;
    config.require("mamba_hidden_act", |act| act == "silu")?;
    let kinds = kinds(config)?;
    keys.u32("block_count", kinds.len() as u32);
    // Nothing bounds it where nothing knows positions.
    keys.u32("context_length", 1 << 20);
    keys.u32("embedding_length", config.u32("hidden_size")?);
    keys.u32("attention.head_count", config.u32("num_attention_heads")?);
    let only =
        |kind: Kind, number: u32| kinds.iter().map(move |&other| if other == kind { number } else { 0 });
    keys.u32s("attention.head_count_kv", only(Kind::Attention, config.u32("num_key_value_heads")?));
    let head_dim = config.any_u32(&["head_dim", "attention_head_dim"])?;
    for key in ["attention.key_length", "attention.value_length", "rope.dimension_count"] {
        keys.u32(key, head_dim);
    }
    // Attention knows no positions.
    keys.bool("rope.scaling.finetuned", false);
    let eps =
        ["layer_norm_epsilon", "rms_norm_eps", "norm_eps"].into_iter().find_map(|key| config.opt_f32(key));
    keys.f32("attention.layer_norm_epsilon", eps.ok_or_else(|| config.unsupported("layer_norm_epsilon"))?);
    let heads = config.u32("mamba_num_heads")?;
    let inner = heads.checked_mul(config.u32("mamba_head_dim")?);
    keys.u32("ssm.inner_size", inner.ok_or_else(|| config.unsupported("mamba_head_dim"))?);
    keys.u32("ssm.time_step_rank", heads);
    keys.u32("ssm.conv_kernel", config.u32("conv_kernel")?);
    keys.u32("ssm.state_size", config.u32("ssm_state_size")?);
    keys.u32("ssm.group_count", config.u32("n_groups")?);
    let width =
        config.u32(if has_experts(config) { "moe_intermediate_size" } else { "intermediate_size" })?;
    keys.u32s("feed_forward_length", only(Kind::Network, width));
    if has_experts(config) {
        routing(config, keys)?;
    }
    Ok(Computed::new())
}

fn routing(config: &Config, keys: &mut Keys) -> Result<(), ConvertError> {
    config.require("moe_latent_size", |_| false)?;
    experts(config, keys)?;
    keys.u32("expert_feed_forward_length", config.u32("moe_intermediate_size")?);
    keys.u32("expert_shared_feed_forward_length", config.u32("moe_shared_expert_intermediate_size")?);
    keys.u32("expert_shared_count", config.u32("n_shared_experts")?);
    keys.bool("expert_weights_norm", config.is("norm_topk_prob"));
    keys.f32("expert_weights_scale", config.f32("routed_scaling_factor")?);
    Ok(())
}
