"""The cases: a family, its shape, and whose vocabulary it borrows.

Shapes are as small as they can be while every part differs in size from its neighbours (heads, key and value heads,
head size, network), layers of every kind occur, and a window is crossed several times.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable


@dataclass(frozen=True)
class Case:
    name: str
    arch: str  # `general.architecture` of the file
    model: str  # class in `transformers`
    config: str
    vocabulary: str  # tokenizers/tiny-….gguf
    seed: int
    shape: dict
    rules: dict = field(default_factory=dict)  # see weights.randomise
    before_export: Callable[[Path], None] | None = None


SMALL = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)
# Latent attention: keys and values come out of 16 numbers and the rotated key of all heads, 8 more.
MLA = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, intermediate_size=96,
           moe_intermediate_size=32, first_k_dense_replace=1, kv_lora_rank=16, qk_nope_head_dim=16, qk_rope_head_dim=8,
           v_head_dim=20)
# The prompt of 48 tokens is longer than what the model "was trained on".
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=32, beta_fast=32, beta_slow=1)
# Decays and step sizes of recurrent layers, spread over what trained ones show.
RECURRENT = {"A_log": (0.8, 0.6), "dt_bias": (-1.0, 0.8), ".D": (1.0, 0.25)}
# What the converter derives from a context twice as long as the original one.
LONG = math.sqrt(1 + math.log(2) / math.log(4096))
# A correction of the router's choice that changes it, but is no larger than the scores.
BIASED = {"e_score_correction_bias": (0.0, 0.2)}


def declare(without: tuple[str, ...] = (), **changes) -> Callable[[Path], None]:
    """Makes the config look as the converter expects it: as its authors wrote it, where `transformers` writes another.

    A `model_type` that `transformers` does not know keeps the converter from reading the config through it.
    """

    def edit(checkpoint: Path) -> None:
        file = checkpoint / "config.json"
        config = {key: value for key, value in json.loads(file.read_text()).items() if key not in without}
        file.write_text(json.dumps({**config, **changes}))

    return edit


_ALL = [
    Case("gemma2", "gemma2", "Gemma2ForCausalLM", "Gemma2Config", "spm-gemma", 201,
         dict(SMALL, num_hidden_layers=4, intermediate_size=128, head_dim=32, sliding_window=16, query_pre_attn_scalar=32,
              attn_logit_softcapping=5.0, final_logit_softcapping=8.0)),
    Case("qwen2moe", "qwen2moe", "Qwen2MoeForCausalLM", "Qwen2MoeConfig", "qwen2", 202,
         dict(SMALL, intermediate_size=96, moe_intermediate_size=32, shared_expert_intermediate_size=96, num_experts=8,
              num_experts_per_tok=3, norm_topk_prob=False, decoder_sparse_step=1)),
    Case("mixtral", "llama", "MixtralForCausalLM", "MixtralConfig", "spm-llama", 203,
         dict(SMALL, num_hidden_layers=2, intermediate_size=96, num_local_experts=6, num_experts_per_tok=2)),
    Case("olmoe", "olmoe", "OlmoeForCausalLM", "OlmoeConfig", "dbrx", 204,
         dict(SMALL, num_key_value_heads=4, intermediate_size=32, num_experts=8, num_experts_per_tok=3, norm_topk_prob=False)),
    Case("granitemoe", "granitemoe", "GraniteMoeForCausalLM", "GraniteMoeConfig", "refact", 205,
         dict(SMALL, intermediate_size=48, num_local_experts=8, num_experts_per_tok=3, tie_word_embeddings=True,
              embedding_multiplier=4.0, logits_scaling=0.8, residual_multiplier=0.6, attention_multiplier=0.2)),
    Case("glm4", "glm4", "Glm4ForCausalLM", "Glm4Config", "gpt-4o", 206,
         dict(SMALL, intermediate_size=128, head_dim=16, pad_token_id=None)),
    Case("glm4moe", "glm4moe", "Glm4MoeForCausalLM", "Glm4MoeConfig", "gpt-4o", 207,
         dict(SMALL, intermediate_size=128, head_dim=16, moe_intermediate_size=32, n_routed_experts=8, n_shared_experts=1,
              num_experts_per_tok=3, first_k_dense_replace=1, routed_scaling_factor=1.7, use_qk_norm=True,
              attention_bias=True, num_mtp_layers=0), rules=BIASED),
    Case("phimoe", "phimoe", "PhimoeForCausalLM", "PhimoeConfig", "spm-llama", 208,
         dict(SMALL, num_hidden_layers=2, intermediate_size=64, num_local_experts=8, num_experts_per_tok=2,
              attention_bias=True, lm_head_bias=True, max_position_embeddings=8192,
              rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=4096,
                                   short_factor=[1.0, 1.02, 1.05, 1.1, 1.3, 1.7, 2.2, 3.0], long_factor=[4.0] * 8,
                                   short_mscale=LONG, long_mscale=LONG)),
         before_export=declare(architectures=["PhiMoEForCausalLM"])),
    Case("ernie4_5", "ernie4_5", "Ernie4_5ForCausalLM", "Ernie4_5Config", "spm-llama", 209,
         dict(SMALL, intermediate_size=128, head_dim=24)),
    Case("ernie4_5moe", "ernie4_5-moe", "Ernie4_5_MoeForCausalLM", "Ernie4_5_MoeConfig", "spm-llama", 210,
         dict(SMALL, intermediate_size=128, moe_intermediate_size=32, moe_k=3, moe_num_experts=8, moe_num_shared_experts=2),
         rules=BIASED),
    Case("deepseek2_lite", "deepseek2", "DeepseekV2ForCausalLM", "DeepseekV2Config", "llama-bpe", 211,
         dict(MLA, q_lora_rank=None, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3,
              rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))),
    Case("deepseek2", "deepseek2", "DeepseekV2ForCausalLM", "DeepseekV2Config", "llama-bpe", 212,
         dict(MLA, q_lora_rank=24, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=3,
              routed_scaling_factor=2.0)),
    Case("deepseek3", "deepseek2", "DeepseekV3ForCausalLM", "DeepseekV3Config", "llama-bpe", 213,
         dict(MLA, q_lora_rank=24, n_routed_experts=12, n_shared_experts=1, num_experts_per_tok=3, n_group=4, topk_group=2,
              routed_scaling_factor=2.5, norm_topk_prob=True, num_mtp_layers=0,
              rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0)),
         rules=BIASED, before_export=declare(scoring_func="sigmoid")),
    Case("qwen3next", "qwen3next", "Qwen3NextForCausalLM", "Qwen3NextConfig", "qwen2", 214,
         dict(hidden_size=48, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
              intermediate_size=64, linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=2,
              linear_num_value_heads=4, moe_intermediate_size=24, shared_expert_intermediate_size=32, num_experts=8,
              num_experts_per_tok=3), rules=RECURRENT),
    Case("gemma3n", "gemma3n", "Gemma3nForCausalLM", "Gemma3nTextConfig", "spm-gemma", 215,
         dict(hidden_size=48, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
              intermediate_size=64, sliding_window=16, vocab_size_per_layer_input=512, hidden_size_per_layer_input=8,
              num_kv_shared_layers=2, laurel_rank=6, final_logit_softcapping=8.0,
              layer_types=["sliding_attention", "full_attention"] * 3,
              activation_sparsity_pattern=[0.95, 0.95, 0.0, 0.0, 0.0, 0.0])),
    Case("nemotron_h", "nemotron_h", "NemotronHForCausalLM", "NemotronHConfig", "tekken", 216,
         dict(hidden_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=96,
              layers_block_type=["mamba", "mlp", "mamba", "attention", "mlp", "mamba"], ssm_state_size=16,
              mamba_num_heads=8, mamba_head_dim=12, n_groups=2, chunk_size=16), rules=RECURRENT,
         before_export=declare(("num_experts_per_tok", "n_routed_experts", "n_group", "topk_group", "layers_block_type",
                                "layer_types"), model_type="of its authors",
                               hybrid_override_pattern="M-M*-M", num_hidden_layers=6, d_head=12)),
    Case("nemotron_h_moe", "nemotron_h_moe", "NemotronHForCausalLM", "NemotronHConfig", "tekken", 217,
         dict(hidden_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=96,
              layers_block_type=["mamba", "moe", "mamba", "attention", "moe"], ssm_state_size=16, mamba_num_heads=8,
              mamba_head_dim=12, n_groups=2, chunk_size=16, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=3,
              moe_intermediate_size=32, moe_shared_expert_intermediate_size=64, routed_scaling_factor=2.5),
         rules={**RECURRENT, **BIASED},
         before_export=declare(("layers_block_type", "layer_types"), model_type="of its authors",
                               hybrid_override_pattern="MEM*E", num_hidden_layers=5, d_head=12)),
]

CASES = {case.name: case for case in _ALL}
