"""Writes `tests/golden/hf`: tiny models as Hugging Face keeps them, with the logits they must give.

Random weights with a fixed seed, saved by `transformers`; the logits are its own, in float32 from the saved weights. The
tokenizers are those of the golden GGUF files, rebuilt with `tokenizers`. Made with torch 2.13, transformers 5.23,
tokenizers 0.23.3 and gguf 0.19: `python make_hf.py`.
"""

import json
import pathlib
import shutil
import numpy as np
import torch
import transformers as hf
from gguf import GGUFReader
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

ROOT = pathlib.Path(__file__).parents[3]
OUT = ROOT / "tests/golden/hf"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
TEXTS = ["Hello world", "It's 12345 days,  isn't it?\n\nYes:\ttrue", "über größe 漢字 🙂", " leading and trailing ", "a<|im_start|>b"]
SIZES = dict(vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.25)


def tokenizer(gguf, pattern):
    """The vocabulary of a golden file as a `tokenizer.json`, and its special tokens."""
    fields = {name: field.contents() for name, field in GGUFReader(ROOT / "tests/golden/models" / gguf).fields.items()}
    get = lambda key: fields.get(f"tokenizer.ggml.{key}")
    tokens, types = get("tokens"), get("token_type")
    vocab = {text: i for i, text in enumerate(tokens) if types[i] in (1, 2, 6)}
    added = [AddedToken(text, special=types[i] == 3, normalized=False) for i, text in enumerate(tokens) if types[i] in (3, 4)]
    bos, eos = get("bos_token_id"), get("eos_token_id")
    if pattern:
        made = Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in get("merges")]))
        cut = pre_tokenizers.Split(Regex(pattern), "isolated")
        made.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        made.decoder = decoders.ByteLevel()
    else:
        scores = get("scores")
        merges = [(scores[i], left, text[len(left):]) for text, i in vocab.items() if types[i] == 1
                  for left in (text[:n] for n in range(1, len(text))) if left in vocab and text[len(left):] in vocab]
        merges = [(left, right) for _, left, right in sorted(merges, key=lambda m: -m[0])]
        unknown = tokens[types.index(2)]
        vocab = {text: i for i, text in enumerate(tokens)}
        made = Tokenizer(models.BPE(vocab, merges, byte_fallback=True, fuse_unk=True, unk_token=unknown))
        made.normalizer = normalizers.Replace(" ", "▁")
        made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    for token in added:
        (made.add_special_tokens if token.special else made.add_tokens)([token])
    assert all(made.token_to_id(text) == i for i, text in enumerate(tokens) if types[i] != 5), "an id moved"
    if get("add_bos_token"):
        text = tokens[bos]
        made.post_processor = processors.TemplateProcessing(f"{text} $A", f"{text} $A $B", [(text, bos)])
    settings = {"eos_token": tokens[eos]} | ({"bos_token": tokens[bos]} if bos is not None else {})
    return made, settings, fields["tokenizer.chat_template"]


def write(name, config, gguf, pattern, change=lambda folder: {}, **saving):
    torch.manual_seed(len(name))
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model = hf.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    for key, value in model.state_dict().items():
        if "norm" in key or "bias" in key:
            value.copy_(torch.randn(value.shape) * 0.25 + (0 if "bias" in key or "Gemma" in type(model).__name__ else 1))
    model.save_pretrained(folder, **saving)
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.load_state_dict(change(folder), strict=False)
    made, settings, template = tokenizer(gguf, pattern)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template}))
    ids = torch.tensor([[(17 * i + 3) % 512 for i in range(24)]])
    with torch.no_grad():
        logits = model(ids).logits[0]
    # In the vocabulary with byte fallback a double line break is a token that no merge leads to.
    texts = [text if pattern else text.replace("\n\n", "\n") for text in TEXTS]
    texts = [{"text": text, "ids": made.encode(text).ids} for text in texts]
    (folder / "expected.json").write_text(json.dumps({"ids": ids[0].tolist(), "texts": texts}))
    save_file({"logits": logits.contiguous()}, folder / "expected.safetensors")
    print(name, sum(f.stat().st_size for f in folder.iterdir()) // 1024, "KiB", sorted(f.name for f in folder.iterdir()))


def in_eight_bits(folder):
    """Projections as E4M3 with a scale for each block, as DeepSeek began to publish them; gives what they are worth."""
    size = 16
    path, worth = folder / "model.safetensors", {}
    tensors = load_file(path)
    for name, weight in list(tensors.items()):
        if name.endswith("_proj.weight"):
            blocks = weight.float().unfold(0, size, size).unfold(1, size, size)
            scales = blocks.abs().amax((2, 3)) / 448
            wide = scales.repeat_interleave(size, 0).repeat_interleave(size, 1)
            tensors[name] = (weight.float() / wide).to(torch.float8_e4m3fn)
            tensors[f"{name}_scale_inv"] = scales.contiguous()
            worth[name] = tensors[name].float() * wide
    save_file(tensors, path)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [size, size]}
    (folder / "config.json").write_text(json.dumps(config))
    return worth


llama3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
write("llama", hf.LlamaConfig(**SIZES, attention_bias=False, tie_word_embeddings=False, rope_parameters=llama3),
      "llama_untied-Q8_0.gguf", LLAMA3, max_shard_size="60KB")
write("qwen2", hf.Qwen2Config(**SIZES, tie_word_embeddings=True), "qwen2-Q8_0.gguf", QWEN2)
write("qwen3", hf.Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True), "qwen3-Q8_0.gguf", QWEN2)
write("qwen3_fp8", hf.Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True), "qwen3-Q8_0.gguf", QWEN2, in_eight_bits)
write("qwen3moe", hf.Qwen3MoeConfig(**SIZES, head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
                                    norm_topk_prob=True, tie_word_embeddings=False), "qwen3moe-Q8_0.gguf", QWEN2)
write("gemma3", hf.Gemma3TextConfig(**SIZES | dict(num_hidden_layers=3), head_dim=16, query_pre_attn_scalar=16, sliding_window=8,
                                    layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
      "gemma3-Q8_0.gguf", None)
