//! Granite 3 and 4: dense, with experts, and with Mamba-2 in most layers.

use super::sizes::{experts, require_silu, sizes, whole_rope};
use super::tables::{ATTENTION, MLP, NORMS, OUTER, TURNED_HEADS};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::{COLUMN, Change, FIRST_HALF, MINUS_EXP, SAME, SECOND_HALF};
use crate::hf::config::{Config, Keys};

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["GraniteForCausalLM"],
        gguf: "granite",
        rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, MLP],
        keys: granite,
        ..Family::PLAIN
    },
    Family {
        classes: &["GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"],
        gguf: "granitemoe",
        rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, EXPERTS, SHARED],
        keys: |config, keys| {
            experts(config, keys)?;
            shared(config, keys);
            granite(config, keys)
        },
        ..Family::PLAIN
    },
    Family {
        is_it: |config| has_mamba(config) && has_experts(config),
        rules: &HYBRID_WITH_EXPERTS,
        ..HYBRID
    },
    Family { is_it: |config| has_mamba(config) && !has_experts(config), ..HYBRID },
    Family { gguf: "granitemoe", is_it: has_experts, rules: &HYBRID_WITH_EXPERTS, ..HYBRID },
    Family { gguf: "granite", ..HYBRID },
];

const HYBRID: Family = Family {
    classes: &["GraniteMoeHybridForCausalLM"],
    gguf: "granitehybrid",
    rules: &[OUTER, TURNED_HEADS, ATTENTION, NORMS, MAMBA, ONLY_SHARED],
    keys: hybrid,
    ..Family::PLAIN
};

const HYBRID_WITH_EXPERTS: [&[Rule]; 7] = [OUTER, TURNED_HEADS, ATTENTION, NORMS, MAMBA, EXPERTS, SHARED];

const EXPERTS: &[Rule] = &[
    Rule("model.layers.#.block_sparse_moe.router.layer.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("model.layers.#.block_sparse_moe.input_linear.weight", "blk.#.ffn_gate_exps.weight", FIRST_HALF),
    Rule("model.layers.#.block_sparse_moe.input_linear.weight", "blk.#.ffn_up_exps.weight", SECOND_HALF),
    Rule("model.layers.#.block_sparse_moe.output_linear.weight", "blk.#.ffn_down_exps.weight", SAME),
];

const SHARED: &[Rule] = &[
    Rule("model.layers.#.shared_mlp.input_linear.weight", "blk.#.ffn_gate_shexp.weight", FIRST_HALF),
    Rule("model.layers.#.shared_mlp.input_linear.weight", "blk.#.ffn_up_shexp.weight", SECOND_HALF),
    Rule("model.layers.#.shared_mlp.output_linear.weight", "blk.#.ffn_down_shexp.weight", SAME),
];

/// Where there are no experts beside it, it is the network.
const ONLY_SHARED: &[Rule] = &[
    Rule("model.layers.#.shared_mlp.input_linear.weight", "blk.#.ffn_gate.weight", FIRST_HALF),
    Rule("model.layers.#.shared_mlp.input_linear.weight", "blk.#.ffn_up.weight", SECOND_HALF),
    Rule("model.layers.#.shared_mlp.output_linear.weight", "blk.#.ffn_down.weight", SAME),
];

const MAMBA: &[Rule] = &[
    Rule("model.layers.#.mamba.in_proj.weight", "blk.#.ssm_in.weight", SAME),
    Rule("model.layers.#.mamba.conv1d.weight", "blk.#.ssm_conv1d.weight", SAME),
    Rule("model.layers.#.mamba.conv1d.bias", "blk.#.ssm_conv1d.bias", SAME),
    Rule("model.layers.#.mamba.dt_bias", "blk.#.ssm_dt.bias", SAME),
    Rule("model.layers.#.mamba.A_log", "blk.#.ssm_a", Change { cut: COLUMN.cut, ..MINUS_EXP }),
    Rule("model.layers.#.mamba.D", "blk.#.ssm_d", COLUMN),
    Rule(
        "model.layers.#.mamba.norm.weight",
        "blk.#.ssm_norm.weight",
        Change { cut: Some(|config, _| config.opt_usize("mamba_n_groups")), ..SAME },
    ),
    Rule("model.layers.#.mamba.out_proj.weight", "blk.#.ssm_out.weight", SAME),
];

fn has_experts(config: &Config) -> bool {
    config.opt_u32("num_local_experts").is_some_and(|n| n > 0)
}

fn has_mamba(config: &Config) -> bool {
    is_attention(config).is_ok_and(|layers| layers.contains(&false))
}

/// Which layers have attention; the others have Mamba-2.
fn is_attention(config: &Config) -> Result<Vec<bool>, ConvertError> {
    let kind = |&kind: &&str| match kind {
        "attention" | "full_attention" => Some(true),
        "mamba" | "linear_attention" => Some(false),
        _ => None,
    };
    let kinds: Option<Vec<bool>> = config.layer_types()?.iter().map(kind).collect();
    kinds.ok_or_else(|| config.unsupported("layer_types"))
}

/// The width of what every row passes.
fn shared(config: &Config, keys: &mut Keys) {
    if let Some(width) = config.opt_u32("shared_intermediate_size").filter(|&width| width > 0) {
        keys.u32("expert_shared_feed_forward_length", width);
    }
}

fn granite(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    let head_dim = sizes(config, keys)?;
    keys.u32("vocab_size", config.u32("vocab_size")?);
    for (theirs, ours) in [
        ("attention_multiplier", "attention.scale"),
        ("embedding_multiplier", "embedding_scale"),
        ("residual_multiplier", "residual_scale"),
        ("logits_scaling", "logit_scale"),
    ] {
        if let Some(factor) = config.opt_f32(theirs).filter(|&factor| factor != 0.0) {
            keys.f32(ours, factor);
        }
    }
    whole_rope(config, keys, head_dim)
}

fn hybrid(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    let attention = is_attention(config)?;
    let has_mamba = attention.contains(&false);
    // Beside Mamba-2 attention knows no positions, and nothing bounds the context.
    let positions = config.opt_str("position_embedding_type").unwrap_or("rope");
    if (positions == "rope") == has_mamba {
        return Err(config.unsupported("position_embedding_type"));
    }
    let computed = granite(config, keys)?;
    if has_mamba {
        keys.u32("context_length", 1 << 20);
    }
    keys.bool("rope.scaling.finetuned", !has_mamba);
    if has_experts(config) {
        experts(config, keys)?;
    }
    shared(config, keys);
    let kv_heads = config.u32("num_key_value_heads")?;
    keys.u32s("attention.head_count_kv", attention.iter().map(|&is| if is { kv_heads } else { 0 }));
    // Models of attention alone have a configuration for it all the same.
    if has_mamba || config.opt_u32("mamba_n_heads").is_some() {
        mamba(config, keys)?;
    }
    Ok(computed)
}

fn mamba(config: &Config, keys: &mut Keys) -> Result<(), ConvertError> {
    let heads = config.u32("mamba_n_heads")?;
    let inner = config.u32("mamba_expand")?.checked_mul(config.u32("hidden_size")?);
    let inner = inner.filter(|inner| {
        config.opt_u32("mamba_d_head").is_none_or(|dim| Some(*inner) == heads.checked_mul(dim))
    });
    keys.u32("ssm.inner_size", inner.ok_or_else(|| config.unsupported("mamba_expand"))?);
    keys.u32("ssm.time_step_rank", heads);
    keys.u32("ssm.conv_kernel", config.u32("mamba_d_conv")?);
    keys.u32("ssm.state_size", config.u32("mamba_d_state")?);
    keys.u32("ssm.group_count", config.u32("mamba_n_groups")?);
    Ok(())
}
