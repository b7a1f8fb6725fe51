//! Qwen 3.5, dense and with experts, and Qwen3-Next: linear attention in most layers.
//!
//! Checkpoints have the heads of values next to the head of keys they share. Files of Qwen 3.5 have them in the order in which heads
//! of keys repeat; those of Qwen3-Next keep theirs. A block that predicts a second token becomes one behind the last.

use super::sizes::{divisors, narrow_experts, require_silu, sizes};
use super::tables::{ATTENTION, EXPERTS, MLP, NEXT, OUTER, SHARED_EXPERT};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::{ADD_ONE, Change, MINUS_EXP, SAME};
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM"],
        gguf: "qwen35",
        rules: &[NORMS_PLUS_ONE, OUTER, ATTENTION, LINEAR, MLP, NEXT],
        keys: qwen35,
        name,
        next_blocks,
        ..Family::PLAIN
    },
    Family {
        classes: &["Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM"],
        gguf: "qwen35moe",
        rules: &[NORMS_PLUS_ONE, OUTER, ATTENTION, LINEAR, EXPERTS, SHARED_EXPERT, NEXT],
        keys: with_experts,
        name,
        next_blocks,
        ..Family::PLAIN
    },
    Family {
        classes: &["Qwen3NextForCausalLM"],
        gguf: "qwen3next",
        rules: &[NORMS_PLUS_ONE, OUTER, ATTENTION, FUSED_LINEAR, EXPERTS, SHARED_EXPERT, NEXT],
        keys: with_experts,
        name,
        next_blocks,
        ..Family::PLAIN
    },
];

const NORMS_PLUS_ONE: &[Rule] = &[
    Rule("model.norm.weight", "output_norm.weight", ADD_ONE),
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", ADD_ONE),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", ADD_ONE),
    Rule("model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", ADD_ONE),
    Rule("model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", ADD_ONE),
    Rule("model.layers.#.enorm.weight", "blk.#.nextn.enorm.weight", ADD_ONE),
    Rule("model.layers.#.hnorm.weight", "blk.#.nextn.hnorm.weight", ADD_ONE),
    Rule("model.layers.#.shared_head.norm.weight", "blk.#.nextn.shared_head_norm.weight", ADD_ONE),
];

/// One number for each head of values.
const STEPS: Change =
    Change { rows: Some(|config, n| Heads::read(config)?.repeated(0, 1).filter(|o| o.len() == n)), ..SAME };
/// The values of all heads.
const VALUES: Change = Change { rows: Some(value_rows), ..SAME };
/// Queries and keys, which stay, and values.
const ALL: Change = Change {
    rows: Some(|config, n| {
        let heads = Heads::read(config)?;
        heads.repeated(2 * heads.keys * heads.key_dim, heads.value_dim).filter(|order| order.len() == n)
    }),
    ..SAME
};

const LINEAR: &[Rule] = &[
    Rule("model.layers.#.linear_attn.in_proj_qkv.weight", "blk.#.attn_qkv.weight", ALL),
    Rule("model.layers.#.linear_attn.in_proj_z.weight", "blk.#.attn_gate.weight", VALUES),
    Rule("model.layers.#.linear_attn.in_proj_a.weight", "blk.#.ssm_alpha.weight", STEPS),
    Rule("model.layers.#.linear_attn.in_proj_b.weight", "blk.#.ssm_beta.weight", STEPS),
    Rule("model.layers.#.linear_attn.conv1d.weight", "blk.#.ssm_conv1d.weight", ALL),
    Rule("model.layers.#.linear_attn.A_log", "blk.#.ssm_a", Change { rows: STEPS.rows, ..MINUS_EXP }),
    Rule("model.layers.#.linear_attn.dt_bias", "blk.#.ssm_dt.bias", STEPS),
    Rule("model.layers.#.linear_attn.norm.weight", "blk.#.ssm_norm.weight", SAME),
    Rule(
        "model.layers.#.linear_attn.out_proj.weight",
        "blk.#.ssm_out.weight",
        Change { columns: Some(value_rows), ..SAME },
    ),
];

/// For each head of keys its query, key, values and gates lie together.
const FUSED_LINEAR: &[Rule] = &[
    Rule(
        "model.layers.#.linear_attn.in_proj_qkvz.weight",
        "blk.#.attn_qkv.weight",
        Change { rows: Some(|config, n| Heads::read(config)?.unmixed(n, &[0, 1, 2])), ..SAME },
    ),
    Rule(
        "model.layers.#.linear_attn.in_proj_qkvz.weight",
        "blk.#.attn_gate.weight",
        Change { rows: Some(|config, n| Heads::read(config)?.unmixed(n, &[3])), ..SAME },
    ),
    Rule("model.layers.#.linear_attn.in_proj_ba.weight", "blk.#.ssm_ba.weight", SAME),
    Rule("model.layers.#.linear_attn.conv1d.weight", "blk.#.ssm_conv1d.weight", SAME),
    Rule("model.layers.#.linear_attn.A_log", "blk.#.ssm_a", MINUS_EXP),
    Rule("model.layers.#.linear_attn.dt_bias", "blk.#.ssm_dt.bias", SAME),
    Rule("model.layers.#.linear_attn.norm.weight", "blk.#.ssm_norm.weight", SAME),
    Rule("model.layers.#.linear_attn.out_proj.weight", "blk.#.ssm_out.weight", SAME),
];

fn value_rows(config: &Config, n: usize) -> Option<Vec<u32>> {
    let heads = Heads::read(config)?;
    heads.repeated(0, heads.value_dim).filter(|order| order.len() == n)
}

/// The heads of linear attention.
struct Heads {
    keys: u32,
    key_dim: u32,
    /// Heads of values for each head of keys.
    each: u32,
    value_dim: u32,
}

impl Heads {
    fn read(config: &Config) -> Option<Self> {
        let size = |key: &str| config.opt_u32(key).filter(|&n| n > 0 && n < 1 << 15);
        let (keys, values) = (size("linear_num_key_heads")?, size("linear_num_value_heads")?);
        let each = values / keys;
        let (key_dim, value_dim) = (size("linear_key_head_dim")?, size("linear_value_head_dim")?);
        (each * keys == values).then_some(Heads { keys, key_dim, each, value_dim })
    }

    /// `first` numbers as they are, then those of the heads of values, `width` each, in the order in which heads of keys
    /// repeat.
    fn repeated(&self, first: u32, width: u32) -> Option<Vec<u32>> {
        let heads =
            (0..self.each).flat_map(|i| (0..self.keys).map(move |key| first + (key * self.each + i) * width));
        Some((0..first).chain(heads.flat_map(|start| start..start + width)).collect())
    }

    /// Of `n` rows that hold query, key, values and gates of each head of keys, those of some of the four.
    fn unmixed(&self, n: usize, parts: &[usize]) -> Option<Vec<u32>> {
        let values = self.each * self.value_dim;
        let widths = [self.key_dim, self.key_dim, values, values];
        let all: u32 = widths.iter().sum();
        let of_part = |&part: &usize| {
            let start: u32 = widths[..part].iter().sum();
            (0..self.keys).flat_map(move |key| key * all + start..key * all + start + widths[part])
        };
        (n == (self.keys * all) as usize).then(|| parts.iter().flat_map(of_part).collect())
    }
}

/// Blocks that predict further tokens come behind the others.
fn name(config: &Config, name: String) -> Option<String> {
    let Some(rest) = name.strip_prefix("model.").unwrap_or(&name).strip_prefix("mtp.") else {
        return Some(name);
    };
    let first = config.opt_usize("num_hidden_layers")?;
    if let Some((layer, rest)) = rest.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
        return Some(format!("model.layers.{}.{rest}", first + layer.parse::<usize>().ok()?));
    }
    let (part, end) = rest.split_once('.')?;
    let part = match part {
        "fc" => "eh_proj",
        "pre_fc_norm_embedding" => "enorm",
        "pre_fc_norm_hidden" => "hnorm",
        "norm" => "shared_head.norm",
        other => other,
    };
    Some(format!("model.layers.{first}.{part}.{end}"))
}

fn next_blocks(_: &Config, names: &mut dyn Iterator<Item = &str>) -> u32 {
    let layer = |name: &str| name.split_once("mtp.layers.")?.1.split('.').next()?.parse::<u32>().ok();
    names.filter_map(layer).max().map_or(0, |last| last.min(1 << 10) + 1)
}

fn with_experts(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    // What chosen experts count sums to 1; Qwen 3.5 does not say so.
    config.require("norm_topk_prob", |normalised| normalised == true)?;
    narrow_experts(config, keys)?;
    qwen35(config, keys)
}

fn qwen35(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    /// Every so manieth layer looks at everything, where nothing is said.
    const INTERVAL: u32 = 4;
    require_silu(config)?;
    config.require("attn_output_gate", |gated| gated == true)?;
    let head_dim = sizes(config, keys)?;
    for (theirs, ours) in [
        ("linear_conv_kernel_dim", "ssm.conv_kernel"),
        ("linear_key_head_dim", "ssm.state_size"),
        ("linear_num_key_heads", "ssm.group_count"),
        ("linear_num_value_heads", "ssm.time_step_rank"),
    ] {
        keys.u32(ours, config.u32(theirs)?);
    }
    let inner = config.u32("linear_value_head_dim")?.checked_mul(config.u32("linear_num_value_heads")?);
    keys.u32("ssm.inner_size", inner.ok_or_else(|| config.unsupported("linear_value_head_dim"))?);
    if let Some(kinds) = config.opt_layer_types("layer_types")? {
        let linear = kinds.iter().map(|&kind| kind == "linear_attention");
        keys.bools("attention.recurrent_layers", linear.chain((0..config.next_blocks).map(|_| false)));
    }
    keys.u32("full_attention_interval", config.opt_u32("full_attention_interval").unwrap_or(INTERVAL));
    let rope = Rope::global(config);
    keys.u32("rope.dimension_count", (head_dim as f32 * rope.turned().unwrap_or(0.25)) as u32);
    if keys.architecture != "qwen3next" {
        let sections = rope.get("mrope_section").and_then(|sections| sections.as_array()).cloned();
        let sections = sections.map_or(vec![11, 11, 10], |list| {
            list.iter().filter_map(|n| n.as_u64()?.try_into().ok()).collect::<Vec<u32>>()
        });
        keys.u32s("rope.dimension_sections", sections.into_iter().chain([0; 4]).take(4));
    }
    divisors(rope, keys, head_dim)
}
