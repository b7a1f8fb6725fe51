//! ERNIE 4.5, dense and with experts.

use super::sizes::{experts, require_silu, rope, sizes};
use super::tables::{ATTENTION, EXPERTS, MLP, NORMS, OUTER, SHARED_EXPERTS};
use super::{Computed, Family};
use crate::ConvertError;
use crate::hf::config::{Config, Keys};

pub const FAMILIES: &[Family] = &[
    Family {
        classes: &["Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"],
        gguf: "ernie4_5",
        rules: &[OUTER, ATTENTION, NORMS, MLP],
        keys: ernie,
        ..Family::PLAIN
    },
    Family {
        classes: &["Ernie4_5_MoeForCausalLM"],
        gguf: "ernie4_5-moe",
        rules: &[OUTER, ATTENTION, NORMS, MLP, EXPERTS, SHARED_EXPERTS],
        keys: with_experts,
        // What predicts further tokens is left out.
        name: |_, name| (!name.starts_with("model.mtp_")).then_some(name),
        ..Family::PLAIN
    },
];

fn ernie(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    require_silu(config)?;
    let head_dim = sizes(config, keys)?;
    rope(config, keys, head_dim)
}

fn with_experts(config: &Config, keys: &mut Keys) -> Result<Computed, ConvertError> {
    // To the last layer, whichever way that is said.
    let last = config.u32("num_hidden_layers")?.saturating_sub(1);
    config.require("moe_layer_end_index", |end| end == -1 || end == last)?;
    experts(config, keys)?;
    let width = config.u32("moe_intermediate_size")?;
    keys.u32("expert_feed_forward_length", width);
    keys.u32("interleave_moe_layer_step", config.opt_u32("moe_layer_interval").unwrap_or(1));
    keys.u32("leading_dense_block_count", config.opt_u32("moe_layer_start_index").unwrap_or(0));
    let shared = config.opt_u32("moe_num_shared_experts").unwrap_or(0);
    keys.u32("expert_shared_count", shared);
    if shared > 0 {
        let all = width.checked_mul(shared).ok_or_else(|| config.unsupported("moe_num_shared_experts"))?;
        keys.u32("expert_shared_feed_forward_length", all);
    }
    ernie(config, keys)
}
