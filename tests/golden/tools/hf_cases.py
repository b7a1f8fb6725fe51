"""The tiny checkpoints of `make_hf_families.py`: a family, its shape, its tokenizer, and how its authors publish it."""

import math
from dataclasses import dataclass, field
from typing import Callable

import torch

from cases import BIASED, RECURRENT, declare

SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=16, beta_fast=32, beta_slow=1)
MLA = dict(SMALL, num_key_value_heads=4, moe_intermediate_size=16, first_k_dense_replace=1, kv_lora_rank=8,
           qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=10, n_routed_experts=4, n_shared_experts=1,
           num_experts_per_tok=2)
LINEAR = dict(hidden_size=32, num_hidden_layers=2, layer_types=["linear_attention", "full_attention"], full_attention_interval=2, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
              intermediate_size=48, linear_key_head_dim=8, linear_value_head_dim=8, linear_num_key_heads=2,
              linear_num_value_heads=4, linear_conv_kernel_dim=4)
EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16)
SHARED = dict(EXPERTS, shared_expert_intermediate_size=24)
MROPE = dict(rope_type="default", rope_theta=10000000.0, partial_rotary_factor=0.25, mrope_section=[1, 1, 0], mrope_interleaved=True)
MAMBA = dict(hidden_size=32, num_attention_heads=4, num_key_value_heads=2)
GEMMA4 = dict(SMALL, head_dim=8, global_head_dim=16, sliding_window=8, final_logit_softcapping=8.0)
# What the converter derives from a context twice as long as the original one.
LONG = math.sqrt(1 + math.log(2) / math.log(128))


@dataclass(frozen=True)
class Checkpoint:
    name: str
    model: str
    config: str
    tokenizer: str
    shape: dict
    rules: dict = field(default_factory=dict)
    # From tensors by name to those that are published.
    publish: Callable[[dict], dict] | None = None
    # Changes `config.json`.
    declare: Callable | None = None
    # Before logits are computed.
    prepare: Callable | None = None
    # Whether blocks that predict further tokens are kept.
    next_tokens: bool = False


def renamed(prefixes: dict, extra: Callable[[], dict] = dict) -> Callable[[dict], dict]:
    """Tensors whose names begin otherwise, and more of them."""

    def publish(tensors):
        out = {}
        for name, tensor in tensors.items():
            old = next((old for old in prefixes if name.startswith(old)), None)
            out[name if old is None else prefixes[old] + name[len(old):]] = tensor
        return out | extra()

    return publish


def fused(publish: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """The experts of a layer in two tensors, as Qwen 3.5 publishes them."""

    def change(tensors):
        out = publish(tensors)
        take = lambda layer, part, n: out.pop(f"{layer}.experts.{n}.{part}.weight")
        for layer in sorted({name.split(".experts.")[0] for name in out if ".experts." in name}):
            count = len({name.split(".")[-3] for name in out if name.startswith(f"{layer}.experts.")})
            both = [torch.cat([take(layer, "gate_proj", n), take(layer, "up_proj", n)]) for n in range(count)]
            out[f"{layer}.experts.gate_up_proj"] = torch.stack(both)
            out[f"{layer}.experts.down_proj"] = torch.stack([take(layer, "down_proj", n) for n in range(count)])
        return out

    return change


def parts_that_see(*names) -> dict:
    return {name: torch.ones(2, 3) for name in names}


def wrapped(model_type: str, cls: str, **outer):
    """Makes the settings those of a part of a model."""
    import json

    def edit(checkpoint):
        file = checkpoint / "config.json"
        text = json.loads(file.read_text())
        text.pop("architectures", None)
        whole = dict(architectures=[cls], model_type=model_type, text_config=text,
                     tie_word_embeddings=text.get("tie_word_embeddings", False), **outer)
        file.write_text(json.dumps(whole, indent=1))

    return edit


def next_tokens() -> dict:
    """A block of Qwen 3.5 that predicts a second token, as it lies in checkpoints."""
    rng = torch.Generator().manual_seed(9)
    shapes = {"fc": (32, 64), "norm": (32,), "pre_fc_norm_embedding": (32,), "pre_fc_norm_hidden": (32,),
              "layers.0.input_layernorm": (32,), "layers.0.post_attention_layernorm": (32,),
              "layers.0.mlp.gate_proj": (48, 32), "layers.0.mlp.up_proj": (48, 32), "layers.0.mlp.down_proj": (32, 48),
              "layers.0.self_attn.q_proj": (64, 32), "layers.0.self_attn.k_proj": (16, 32),
              "layers.0.self_attn.v_proj": (16, 32), "layers.0.self_attn.o_proj": (32, 32),
              "layers.0.self_attn.q_norm": (16,), "layers.0.self_attn.k_norm": (16,)}
    return {f"mtp.{name}.weight": torch.randn(shape, generator=rng) for name, shape in shapes.items()}


def third_block(tensors: dict) -> dict:
    """Adds the block by which GLM 4.5 predicts a second token: one like its last, between further projections."""
    last = {name.replace(".1.", ".2.", 1): tensor.clone() for name, tensor in tensors.items() if name.startswith("model.layers.1.")}
    rng = torch.Generator().manual_seed(8)
    shapes = {"eh_proj": (32, 64), "enorm": (32,), "hnorm": (32,), "shared_head.norm": (32,),
              "embed_tokens": (128, 32), "shared_head.head": (128, 32)}
    own = {f"model.layers.2.{name}.weight": torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    return tensors | last | own


FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
PACKED: dict = {}


def pack_experts(model) -> None:
    """Gives experts weights that four bits with a scale for 32 of them hold, and remembers those bits."""
    rng = torch.Generator().manual_seed(4)
    for name, weight in model.named_parameters():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            experts, inputs, outputs = weight.shape
            blocks = torch.randint(256, (experts, outputs, inputs // 32, 16), generator=rng, dtype=torch.uint8)
            scales = torch.randint(122, 125, (experts, outputs, inputs // 32), generator=rng, dtype=torch.uint8)
            both = torch.stack([blocks & 15, blocks >> 4], dim=-1).flatten(-2).long()
            values = FP4[both] * 2.0 ** (scales.int() - 127)[..., None]
            weight.data.copy_(values.flatten(-2).transpose(1, 2))
            PACKED[f"{name}_blocks"], PACKED[f"{name}_scales"] = blocks, scales


def packed(tensors: dict) -> dict:
    plain = {name: tensor for name, tensor in tensors.items() if f"{name}_blocks" not in PACKED}
    return plain | PACKED


OSS = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8, intermediate_size=32,
           num_local_experts=2, num_experts_per_tok=1, sliding_window=8,
           rope_parameters=dict(YARN, rope_theta=150000.0, truncate=False))

ALL = [
    Checkpoint("qwen3_5", "Qwen3_5ForCausalLM", "Qwen3_5TextConfig", "qwen35", dict(LINEAR, rope_parameters=MROPE), RECURRENT,
               renamed({"model.": "model.language_model."},
                       lambda: parts_that_see("model.visual.merger.linear_fc1.weight") | next_tokens()),
               wrapped("qwen3_5", "Qwen3_5ForConditionalGeneration", mtp_num_hidden_layers=1), next_tokens=True),
    Checkpoint("qwen3_5_moe", "Qwen3_5MoeForCausalLM", "Qwen3_5MoeTextConfig", "qwen35",
               dict(LINEAR, **SHARED, rope_parameters=MROPE), RECURRENT,
               fused(renamed({"model.": "model.language_model."}, lambda: parts_that_see("model.visual.pos_embed.weight"))),
               wrapped("qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration")),
    Checkpoint("qwen3_next", "Qwen3NextForCausalLM", "Qwen3NextConfig", "qwen2", dict(LINEAR, **SHARED), RECURRENT),
    Checkpoint("qwen2_moe", "Qwen2MoeForCausalLM", "Qwen2MoeConfig", "qwen2",
               dict(SMALL, **SHARED, norm_topk_prob=False, decoder_sparse_step=1)),
    Checkpoint("gemma2", "Gemma2ForCausalLM", "Gemma2Config", "spm",
               dict(SMALL, head_dim=16, sliding_window=8, query_pre_attn_scalar=16, attn_logit_softcapping=5.0,
                    final_logit_softcapping=8.0)),
    Checkpoint("gemma3n", "Gemma3nForCausalLM", "Gemma3nTextConfig", "spm",
               dict(SMALL, num_hidden_layers=4, head_dim=8, intermediate_size=32, sliding_window=8, vocab_size_per_layer_input=120,
                    hidden_size_per_layer_input=8, num_kv_shared_layers=2, laurel_rank=4, final_logit_softcapping=8.0,
                    layer_types=["sliding_attention", "full_attention"] * 2,
                    activation_sparsity_pattern=[0.95, 0.0, 0.0, 0.0]), publish=renamed(
                   {"model.": "model.language_model."}, lambda: parts_that_see("model.embed_vision.embedding.weight",
                                                                              "model.audio_tower.conformer.0.norm.weight")),
               declare=wrapped("gemma3n", "Gemma3nForConditionalGeneration")),
    Checkpoint("gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", "gemma4",
               dict(GEMMA4, num_hidden_layers=3, num_global_key_value_heads=1, attention_k_eq_v=True, num_kv_shared_layers=0,
                    hidden_size_per_layer_input=0, layer_types=["sliding_attention", "sliding_attention", "full_attention"]),
               publish=renamed({"model.": "model.language_model."},
                               lambda: parts_that_see("model.vision_tower.patch_embedder.input_proj.weight",
                                                      "model.embed_vision.embedding_projection.weight")),
               declare=wrapped("gemma4", "Gemma4ForConditionalGeneration")),
    Checkpoint("gemma4_moe", "Gemma4ForCausalLM", "Gemma4TextConfig", "gemma4",
               dict(GEMMA4, num_kv_shared_layers=0, hidden_size_per_layer_input=0, enable_moe_block=True, num_experts=4,
                    top_k_experts=2, moe_intermediate_size=16, num_global_key_value_heads=1, attention_k_eq_v=True,
                    layer_types=["sliding_attention", "full_attention"])),
    Checkpoint("gemma4_e2b", "Gemma4ForCausalLM", "Gemma4TextConfig", "gemma4",
               dict(GEMMA4, num_hidden_layers=4, intermediate_size=24, num_key_value_heads=1, num_kv_shared_layers=2, hidden_size_per_layer_input=8,
                    vocab_size_per_layer_input=128, use_double_wide_mlp=True,
                    layer_types=["sliding_attention", "full_attention"] * 2)),
    Checkpoint("gpt_oss", "GptOssForCausalLM", "GptOssConfig", "gpt-4o", OSS, {"sinks": (0.0, 1.0)}, packed,
               declare(quantization_config=dict(quant_method="mxfp4", modules_to_not_convert=["lm_head"])), pack_experts),
    Checkpoint("gpt_oss_bf16", "GptOssForCausalLM", "GptOssConfig", "gpt-4o", dict(OSS, hidden_size=32, intermediate_size=24), {"sinks": (0.0, 1.0)}),
    Checkpoint("phi3", "Phi3ForCausalLM", "Phi3Config", "spm",
               dict(SMALL, max_position_embeddings=256, original_max_position_embeddings=256, sliding_window=64, pad_token_id=0)),
    Checkpoint("phi3_long", "Phi3ForCausalLM", "Phi3Config", "spm",
               dict(SMALL, max_position_embeddings=256, original_max_position_embeddings=128, sliding_window=None, pad_token_id=0,
                    rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=128,
                                         short_factor=[1.0, 1.05, 1.3, 2.2], long_factor=[1.0, 2.0, 3.0, 4.0]))),
    Checkpoint("phimoe", "PhimoeForCausalLM", "PhimoeConfig", "spm",
               dict(SMALL, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2, attention_bias=True,
                    lm_head_bias=True, max_position_embeddings=256, original_max_position_embeddings=128,
                    rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=128,
                                         short_factor=[1.0, 1.05, 1.3, 2.2], long_factor=[1.0, 2.0, 3.0, 4.0],
                                         short_mscale=LONG, long_mscale=LONG)),
               declare=declare(architectures=["PhiMoEForCausalLM"])),
    Checkpoint("granite", "GraniteForCausalLM", "GraniteConfig", "refact",
               dict(SMALL, embedding_multiplier=4.0, logits_scaling=0.8, residual_multiplier=0.6, attention_multiplier=0.2,
                    tie_word_embeddings=True)),
    Checkpoint("granitemoe", "GraniteMoeForCausalLM", "GraniteMoeConfig", "refact",
               dict(SMALL, intermediate_size=24, num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=True,
                    embedding_multiplier=4.0, logits_scaling=0.8, residual_multiplier=0.6, attention_multiplier=0.2)),
    Checkpoint("granitehybrid", "GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", "llama-bpe",
               dict(SMALL, num_hidden_layers=2, intermediate_size=16, shared_intermediate_size=24, num_local_experts=4,
                    num_experts_per_tok=2, tie_word_embeddings=True, embedding_multiplier=4.0, logits_scaling=0.8,
                    residual_multiplier=0.6, attention_multiplier=0.2, layer_types=["mamba", "attention"],
                    layers_block_type=["mamba", "attention"], position_embedding_type="nope",
                    mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8, mamba_n_groups=2, mamba_expand=2, mamba_chunk_size=8), RECURRENT,
               declare=declare(model_type="of its authors", layer_types=["mamba", "attention"])),
    Checkpoint("granitehybrid_dense", "GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", "llama-bpe",
               dict(SMALL, num_hidden_layers=2, intermediate_size=24, shared_intermediate_size=24, num_local_experts=0,
                    num_experts_per_tok=0, tie_word_embeddings=True, embedding_multiplier=4.0, logits_scaling=0.8,
                    residual_multiplier=0.6, attention_multiplier=0.2, layer_types=["attention", "attention"],
                    layers_block_type=["attention", "attention"], position_embedding_type="rope",
                    mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8, mamba_n_groups=1, mamba_expand=2, mamba_chunk_size=8),
               declare=declare(model_type="of its authors", layer_types=["attention", "attention"])),
    Checkpoint("granitehybrid_no_experts", "GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", "llama-bpe",
               dict(SMALL, num_hidden_layers=2, intermediate_size=24, shared_intermediate_size=24, num_local_experts=0,
                    num_experts_per_tok=0, tie_word_embeddings=True, embedding_multiplier=4.0, logits_scaling=0.8,
                    residual_multiplier=0.6, attention_multiplier=0.2, layer_types=["mamba", "attention"],
                    layers_block_type=["mamba", "attention"], position_embedding_type="nope",
                    mamba_n_heads=8, mamba_d_head=8, mamba_d_state=7, mamba_n_groups=1, mamba_expand=2, mamba_chunk_size=8), RECURRENT,
               declare=declare(model_type="of its authors", layer_types=["mamba", "attention"])),
    Checkpoint("lfm2", "Lfm2ForCausalLM", "Lfm2Config", "llama-bpe",
               dict(SMALL, block_auto_adjust_ff_dim=True, block_multiple_of=16, block_ff_dim=48, layer_types=["conv", "full_attention"],
                    conv_L_cache=3)),
    Checkpoint("lfm2_moe", "Lfm2MoeForCausalLM", "Lfm2MoeConfig", "llama-bpe",
               dict(SMALL, **EXPERTS, num_dense_layers=1, layer_types=["conv", "full_attention"], conv_L_cache=3, use_expert_bias=True),
               {"expert_bias": (0.0, 0.2)}),
    Checkpoint("smollm3", "SmolLM3ForCausalLM", "SmolLM3Config", "llama-bpe",
               dict(SMALL, num_hidden_layers=4, intermediate_size=32, pad_token_id=0, tie_word_embeddings=True)),
    Checkpoint("olmo2", "Olmo2ForCausalLM", "Olmo2Config", "llama-bpe", SMALL),
    Checkpoint("olmo3", "Olmo3ForCausalLM", "Olmo3Config", "llama-bpe",
               dict(SMALL, num_hidden_layers=4, intermediate_size=32, sliding_window=8)),
    Checkpoint("olmoe", "OlmoeForCausalLM", "OlmoeConfig", "gpt-2",
               dict(SMALL, num_key_value_heads=4, intermediate_size=16, num_experts=4, num_experts_per_tok=2, norm_topk_prob=False)),
    Checkpoint("glm4", "Glm4ForCausalLM", "Glm4Config", "llama-bpe", dict(SMALL, head_dim=8, pad_token_id=None)),
    Checkpoint("glm4_moe", "Glm4MoeForCausalLM", "Glm4MoeConfig", "llama-bpe",
               dict(SMALL, head_dim=8, moe_intermediate_size=16, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2,
                    first_k_dense_replace=1, routed_scaling_factor=1.7, use_qk_norm=True, attention_bias=True), BIASED,
               publish=third_block, declare=declare(num_nextn_predict_layers=1), next_tokens=True),
    Checkpoint("deepseek_v2_lite", "DeepseekV2ForCausalLM", "DeepseekV2Config", "deepseek-v3",
               dict(MLA, q_lora_rank=None, rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))),
    Checkpoint("deepseek_v2", "DeepseekV2ForCausalLM", "DeepseekV2Config", "deepseek-v3",
               dict(MLA, q_lora_rank=12, routed_scaling_factor=2.0)),
    Checkpoint("deepseek_v3", "DeepseekV3ForCausalLM", "DeepseekV3Config", "deepseek-v3",
               dict(MLA, q_lora_rank=12, n_routed_experts=8, n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True,
                    rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0)), BIASED,
               publish=renamed({}, lambda: {"model.layers.2.eh_proj.weight": torch.ones(32, 64),
                                            "model.layers.2.self_attn.q_a_proj.weight": torch.ones(12, 32)}),
               declare=declare(scoring_func="sigmoid")),
    Checkpoint("ernie4_5", "Ernie4_5ForCausalLM", "Ernie4_5Config", "spm", dict(SMALL, head_dim=8)),
    Checkpoint("ernie4_5_moe", "Ernie4_5_MoeForCausalLM", "Ernie4_5_MoeConfig", "spm",
               dict(SMALL, moe_intermediate_size=12, moe_k=2, moe_num_experts=4, moe_num_shared_experts=2), BIASED,
               publish=renamed({}, lambda: parts_that_see("model.mtp_linear_proj.0.weight"))),
    Checkpoint("nemotron_h", "NemotronHForCausalLM", "NemotronHConfig", "tekken",
               dict(MAMBA, head_dim=8, intermediate_size=48, layers_block_type=["mamba", "mlp", "attention", "mamba"], ssm_state_size=8,
                    mamba_num_heads=4, mamba_head_dim=8, n_groups=2, chunk_size=8), RECURRENT,
               declare=declare(("num_experts_per_tok", "n_routed_experts", "n_group", "topk_group", "layers_block_type",
                                "layer_types"), model_type="of its authors",
                               hybrid_override_pattern="M-*M", num_hidden_layers=4, d_head=8)),
    Checkpoint("nemotron_h_moe", "NemotronHForCausalLM", "NemotronHConfig", "tekken",
               dict(MAMBA, head_dim=8, intermediate_size=48, layers_block_type=["mamba", "moe", "attention"], ssm_state_size=8,
                    mamba_num_heads=4, mamba_head_dim=8, n_groups=2, chunk_size=8, n_routed_experts=4, n_shared_experts=1,
                    num_experts_per_tok=2, moe_intermediate_size=16, moe_shared_expert_intermediate_size=24,
                    routed_scaling_factor=2.5), {**RECURRENT, **BIASED},
               declare=declare(("layers_block_type", "layer_types"), model_type="of its authors",
                               hybrid_override_pattern="ME*", num_hidden_layers=3, d_head=8)),
    Checkpoint("mixtral", "MixtralForCausalLM", "MixtralConfig", "spm",
               dict(SMALL, intermediate_size=24, num_local_experts=4, num_experts_per_tok=2)),
    Checkpoint("ministral3", "Ministral3ForCausalLM", "Ministral3Config", "tekken",
               dict(SMALL, head_dim=16, sliding_window=None,
                    rope_parameters=dict(YARN, rope_theta=1000000.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1)),
               publish=renamed({"model.": "language_model.model.", "lm_head.": "language_model.lm_head."},
                               lambda: parts_that_see("vision_tower.ln_pre.weight", "multi_modal_projector.norm.weight")),
               declare=wrapped("mistral3", "Mistral3ForConditionalGeneration")),
    Checkpoint("mistral3", "MistralForCausalLM", "MistralConfig", "tekken", dict(SMALL, head_dim=16, sliding_window=None),
               publish=renamed({"model.": "language_model.model.", "lm_head.": "language_model.lm_head."},
                               lambda: parts_that_see("vision_tower.ln_pre.weight", "multi_modal_projector.norm.weight")),
               declare=wrapped("mistral3", "Mistral3ForConditionalGeneration")),
]
