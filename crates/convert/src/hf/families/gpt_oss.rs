//! gpt-oss: experts in four bits, which stay as they are but for their order, or in sixteen.
//!
//! Gates and what they multiply lie alternately; in sixteen bits matrices are stored with their outputs next to each other.

use super::sizes::{divisors, experts, sizes};
use super::tables::{ATTENTION, NORMS_BETWEEN, OUTER};
use super::{Computed, Family, Rule};
use crate::ConvertError;
use crate::hf::change::{Change, Order, SAME, every_other};
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

pub const FAMILIES: &[Family] = &[Family {
    classes: &["GptOssForCausalLM"],
    gguf: "gpt-oss",
    rules: &[OUTER, ATTENTION, NORMS_BETWEEN, EXPERTS],
    keys,
    ..Family::PLAIN
}];

const EVEN: Option<Order> = Some(|_, n| every_other(n, 0));
const ODD: Option<Order> = Some(|_, n| every_other(n, 1));
const PACKED: Change = Change { packed: true, ..SAME };
const TRANSPOSED: Change = Change { transposed: true, ..SAME };

const EXPERTS: &[Rule] = &[
    Rule("model.layers.#.self_attn.sinks", "blk.#.attn_sinks.weight", SAME),
    Rule("model.layers.#.mlp.router.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("model.layers.#.mlp.router.bias", "blk.#.ffn_gate_inp.bias", SAME),
    Rule(
        "model.layers.#.mlp.experts.gate_up_proj_blocks",
        "blk.#.ffn_gate_exps.weight",
        Change { rows: EVEN, ..PACKED },
    ),
    Rule(
        "model.layers.#.mlp.experts.gate_up_proj_blocks",
        "blk.#.ffn_up_exps.weight",
        Change { rows: ODD, ..PACKED },
    ),
    Rule("model.layers.#.mlp.experts.down_proj_blocks", "blk.#.ffn_down_exps.weight", PACKED),
    Rule(
        "model.layers.#.mlp.experts.gate_up_proj",
        "blk.#.ffn_gate_exps.weight",
        Change { columns: EVEN, ..TRANSPOSED },
    ),
    Rule(
        "model.layers.#.mlp.experts.gate_up_proj",
        "blk.#.ffn_up_exps.weight",
        Change { columns: ODD, ..TRANSPOSED },
    ),
    Rule("model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps.weight", TRANSPOSED),
    Rule(
        "model.layers.#.mlp.experts.gate_up_proj_bias",
        "blk.#.ffn_gate_exps.bias",
        Change { columns: EVEN, ..SAME },
    ),
    Rule(
        "model.layers.#.mlp.experts.gate_up_proj_bias",
        "blk.#.ffn_up_exps.bias",
        Change { columns: ODD, ..SAME },
    ),
    Rule("model.layers.#.mlp.experts.down_proj_bias", "blk.#.ffn_down_exps.bias", SAME),
];

fn keys(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    // Readers know that every other layer has a window, and the bounds of the gates.
    let alternates = |(i, kind): (usize, &&str)| (*kind == "sliding_attention") == i.is_multiple_of(2);
    let kinds = config.opt_layer_types("layer_types")?.unwrap_or_default();
    if !kinds.iter().enumerate().all(alternates) {
        return Err(config.unsupported("layer_types"));
    }
    config.require("swiglu_limit", |limit| limit.as_f64() == Some(7.0))?;
    let head_dim = sizes(config, keys)?;
    experts(config, keys)?;
    keys.u32("expert_feed_forward_length", config.u32("intermediate_size")?);
    keys.u32("attention.sliding_window", config.u32("sliding_window")?);
    let rope = Rope::global(config).knowing(&["truncate"]);
    // Nor does a file say that the transition is not rounded to whole pairs.
    if rope.kind() == "yarn" && rope.get("truncate").is_none_or(|truncate| truncate != false) {
        return Err(config.unsupported("rope_scaling"));
    }
    divisors(rope, keys, head_dim)
}
