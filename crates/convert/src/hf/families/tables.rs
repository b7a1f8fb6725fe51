//! Tables that several families share.

use super::Rule;
use crate::hf::change::{FIRST_HALF, KEYS, QUERIES, SAME, SECOND_HALF};

pub const OUTER: &[Rule] = &[
    Rule("model.embed_tokens.weight", "token_embd.weight", SAME),
    Rule("model.norm.weight", "output_norm.weight", SAME),
    Rule("lm_head.weight", "output.weight", SAME),
];

/// Stands before [`ATTENTION`], whose rules for the same tensors then never apply.
pub const TURNED_HEADS: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", QUERIES),
    Rule("model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", KEYS),
    Rule("model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias", QUERIES),
    Rule("model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias", KEYS),
];

pub const ATTENTION: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", SAME),
    Rule("model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", SAME),
    Rule("model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", SAME),
    Rule("model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", SAME),
    Rule("model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias", SAME),
    Rule("model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias", SAME),
    Rule("model.layers.#.self_attn.v_proj.bias", "blk.#.attn_v.bias", SAME),
    Rule("model.layers.#.self_attn.o_proj.bias", "blk.#.attn_output.bias", SAME),
];

/// Also norms over queries and keys as a whole.
pub const HEAD_NORMS: &[Rule] = &[
    Rule("model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", SAME),
    Rule("model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", SAME),
];

pub const NORMS: &[Rule] = &[
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", SAME),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", SAME),
];

/// As [`NORMS`], in families whose second norm is called after what comes before it.
pub const NORMS_BETWEEN: &[Rule] = &[
    Rule("model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", SAME),
    Rule("model.layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", SAME),
];

pub const MLP: &[Rule] = &[
    Rule("model.layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight", SAME),
    Rule("model.layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight", SAME),
    Rule("model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", SAME),
];

/// Gates and what they multiply stay in one matrix.
pub const FUSED_MLP: &[Rule] = &[
    Rule("model.layers.#.mlp.gate_up_proj.weight", "blk.#.ffn_up.weight", SAME),
    Rule("model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", SAME),
];

/// Each by itself, or all in one tensor.
pub const EXPERTS: &[Rule] = &[
    Rule("model.layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("model.layers.#.mlp.experts.#.gate_proj.weight", "blk.#.ffn_gate_exps.weight", SAME),
    Rule("model.layers.#.mlp.experts.#.up_proj.weight", "blk.#.ffn_up_exps.weight", SAME),
    Rule("model.layers.#.mlp.experts.#.down_proj.weight", "blk.#.ffn_down_exps.weight", SAME),
    Rule("model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps.weight", FIRST_HALF),
    Rule("model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps.weight", SECOND_HALF),
    Rule("model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps.weight", SAME),
];

/// One expert that every row passes, with a gate of its own.
pub const SHARED_EXPERT: &[Rule] = &[
    Rule("model.layers.#.mlp.shared_expert_gate.weight", "blk.#.ffn_gate_inp_shexp.weight", SAME),
    Rule("model.layers.#.mlp.shared_expert.gate_proj.weight", "blk.#.ffn_gate_shexp.weight", SAME),
    Rule("model.layers.#.mlp.shared_expert.up_proj.weight", "blk.#.ffn_up_shexp.weight", SAME),
    Rule("model.layers.#.mlp.shared_expert.down_proj.weight", "blk.#.ffn_down_shexp.weight", SAME),
];

/// Experts that every row passes, in one, and the correction of the router's choice.
pub const SHARED_EXPERTS: &[Rule] = &[
    Rule("model.layers.#.mlp.gate.e_score_correction_bias", "blk.#.exp_probs_b.bias", SAME),
    Rule("model.layers.#.mlp.moe_statics.e_score_correction_bias", "blk.#.exp_probs_b.bias", SAME),
    Rule("model.layers.#.mlp.shared_experts.gate_proj.weight", "blk.#.ffn_gate_shexp.weight", SAME),
    Rule("model.layers.#.mlp.shared_experts.up_proj.weight", "blk.#.ffn_up_shexp.weight", SAME),
    Rule("model.layers.#.mlp.shared_experts.down_proj.weight", "blk.#.ffn_down_shexp.weight", SAME),
];

/// Experts as Mixtral spells them.
pub const BLOCK_SPARSE_EXPERTS: &[Rule] = &[
    Rule("model.layers.#.block_sparse_moe.gate.weight", "blk.#.ffn_gate_inp.weight", SAME),
    Rule("model.layers.#.block_sparse_moe.experts.#.w1.weight", "blk.#.ffn_gate_exps.weight", SAME),
    Rule("model.layers.#.block_sparse_moe.experts.#.w2.weight", "blk.#.ffn_down_exps.weight", SAME),
    Rule("model.layers.#.block_sparse_moe.experts.#.w3.weight", "blk.#.ffn_up_exps.weight", SAME),
];

/// What surrounds a block that predicts a further token.
pub const NEXT: &[Rule] = &[
    Rule("model.layers.#.eh_proj.weight", "blk.#.nextn.eh_proj.weight", SAME),
    Rule("model.layers.#.enorm.weight", "blk.#.nextn.enorm.weight", SAME),
    Rule("model.layers.#.hnorm.weight", "blk.#.nextn.hnorm.weight", SAME),
    Rule("model.layers.#.embed_tokens.weight", "blk.#.nextn.embed_tokens.weight", SAME),
    Rule("model.layers.#.shared_head.head.weight", "blk.#.nextn.shared_head_head.weight", SAME),
    Rule("model.layers.#.shared_head.norm.weight", "blk.#.nextn.shared_head_norm.weight", SAME),
];
