//! Hyper-parameters that several families share.

use crate::ConvertError;
use crate::hf::config::{Config, Keys};
use crate::hf::rope::Rope;

use super::Computed;

/// The sizes that every transformer has. Gives the width of a head.
pub fn sizes(config: &Config, keys: &mut Keys) -> Result<u32, ConvertError> {
    let heads = config.u32("num_attention_heads")?;
    keys.u32("block_count", config.u32("num_hidden_layers")? + config.next_blocks);
    keys.u32("context_length", config.u32("max_position_embeddings")?);
    keys.u32("embedding_length", config.u32("hidden_size")?);
    // Models that have nothing but experts need not say how wide their networks would be.
    if let Some(width) = config.opt_u32("intermediate_size") {
        keys.u32("feed_forward_length", width);
    }
    keys.u32("attention.head_count", heads);
    keys.u32("attention.head_count_kv", config.opt_u32("num_key_value_heads").unwrap_or(heads));
    let eps = config.opt_f32("rms_norm_eps").or_else(|| config.opt_f32("norm_eps"));
    keys.f32("attention.layer_norm_rms_epsilon", eps.ok_or_else(|| config.unsupported("rms_norm_eps"))?);
    let head_dim = config.head_dim()?;
    keys.u32("attention.key_length", head_dim);
    keys.u32("attention.value_length", head_dim);
    if config.next_blocks > 0 {
        keys.u32("nextn_predict_layers", config.next_blocks);
    }
    Ok(head_dim)
}

/// How many experts there are, and how many of them a row is sent to.
pub fn experts(config: &Config, keys: &mut Keys) -> Result<(), ConvertError> {
    let count =
        config.any_u32(&["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"])?;
    keys.u32("expert_count", count);
    keys.u32("expert_used_count", config.any_u32(&["num_experts_per_tok", "top_k_experts", "moe_k"])?);
    for (theirs, ours) in [("n_group", "expert_group_count"), ("topk_group", "expert_group_used_count")] {
        if let Some(groups) = config.opt_u32(theirs) {
            keys.u32(ours, groups);
        }
    }
    Ok(())
}

/// Experts that are narrower than a network would be, in every block.
pub fn narrow_experts(config: &Config, keys: &mut Keys) -> Result<(), ConvertError> {
    config.require("decoder_sparse_step", |step| step == 1)?;
    config.require("mlp_only_layers", |layers| layers.as_array().is_some_and(Vec::is_empty))?;
    experts(config, keys)?;
    keys.u32("expert_feed_forward_length", config.u32("moe_intermediate_size")?);
    if let Some(width) = config.opt_u32("shared_expert_intermediate_size") {
        keys.u32("expert_shared_feed_forward_length", width);
    }
    Ok(())
}

/// Refuses a model whose chosen experts' weights do not sum to 1, or do where they should not; files do not say.
pub fn require_normalised(config: &Config, normalised: bool) -> Result<(), ConvertError> {
    match config.is("norm_topk_prob") == normalised {
        true => Ok(()),
        false => Err(config.unsupported("norm_topk_prob")),
    }
}

/// Refuses every network but those gated by a sigmoid of their input times it.
pub fn require_silu(config: &Config) -> Result<(), ConvertError> {
    config.require("hidden_act", |act| act == "silu")
}

/// How much of a head is turned, and the rotary embedding of all layers.
pub fn whole_rope(config: &Config, keys: &mut Keys, head_dim: u32) -> Result<Computed, ConvertError> {
    keys.u32("rope.dimension_count", head_dim);
    rope(config, keys, head_dim)
}

/// The rotary embedding of all layers.
pub fn rope(config: &Config, keys: &mut Keys, head_dim: u32) -> Result<Computed, ConvertError> {
    divisors(Rope::global(config), keys, head_dim)
}

/// A rotary embedding, with what its frequencies are divided by where that is a tensor.
pub fn divisors(rope: Rope, keys: &mut Keys, head_dim: u32) -> Result<Computed, ConvertError> {
    let divisors = rope.write(keys, head_dim)?;
    Ok(divisors.into_iter().map(|values| ("rope_freqs.weight", values)).collect())
}
