#!/usr/bin/env python3
"""Write large models of many families as sparse files, to hold `lantern plan` against what a model really takes.

A golden model (tests/golden/models) says which tensors a family has; its hyper-parameters are replaced by larger ones, and each
tensor's shape follows from its name. Norms are ones, embeddings and routers are random, so that rows differ and every expert is
chosen; all other weights are zero and take no room on the disk.

    pip install gguf numpy
    synthetic_models.py FOLDER [NAME…]       writes all of them, or the ones named
"""
import pathlib, sys
import numpy as np
import gguf
from gguf import GGMLQuantizationType as T

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "models"

# name: golden model, layers, vocabulary, type of matrices, hyper-parameters that are replaced
D = dict
MODELS = {
    "llama-dense-q8": ("llama_untied-F32", 12, 32000, "Q8_0", D(width=1024, heads=16, kv=4, ff=4096)),
    "llama-dense-q4k": ("llama_untied-F32", 16, 128256, "Q4_K", D(width=2048, heads=32, kv=8, ff=5632)),
    "llama-tied-f16": ("llama_tied-F32", 10, 49152, "F16", D(width=1024, heads=16, kv=4, ff=2816)),
    "qwen2-q5k": ("qwen2-F32", 14, 151936, "Q5_K", D(width=1536, heads=12, kv=2, ff=4864)),
    "qwen2-small-q4_0": ("qwen2-F32", 8, 151936, "Q4_0", D(width=768, heads=12, kv=2, ff=2048)),
    "qwen3-q4k": ("qwen3-F32", 18, 151936, "Q4_K", D(width=1536, heads=16, hd=128, kv=8, ff=4096)),
    "qwen3-q6k": ("qwen3-F32", 12, 100000, "Q6_K", D(width=1024, heads=16, hd=128, kv=8, ff=3072)),
    "phi3-q4k": ("phi3-F32", 12, 32064, "Q4_K", D(width=2048, heads=16, kv=16, ff=5120)),
    "granite-q8": ("granite-F32", 12, 49152, "Q8_0", D(width=1024, heads=16, kv=4, ff=4096)),
    "olmo2-q8": ("olmo2-F32", 10, 100352, "Q8_0", D(width=1024, heads=16, kv=16, ff=4096)),
    "smollm3-q4k": ("smollm3-F32", 16, 128256, "Q4_K", D(width=1024, heads=16, kv=4, ff=4096)),
    "mistral-q8": ("mistral-F32", 12, 32768, "Q8_0", D(width=1024, heads=16, kv=4, ff=4096)),
    "glm4-q4k": ("glm4-F32", 12, 100000, "Q4_K", D(width=1536, heads=16, hd=128, kv=2, ff=4096)),
    "qwen3moe-q4k": ("qwen3moe-F32", 8, 151936, "Q4_K", D(width=1024, heads=16, hd=128, kv=4, ff=2048, ffe=512, experts=32, used=4)),
    "qwen3moe-q8": ("qwen3moe-F32", 6, 50000, "Q8_0", D(width=1024, heads=16, hd=128, kv=4, ff=2048, ffe=512, experts=24, used=4)),
    "qwen2moe-q8": ("qwen2moe-F32", 6, 100000, "Q8_0", D(width=1024, heads=16, kv=16, ff=2048, ffe=512, ffs=1024, experts=16, used=4)),
    "mixtral-q4k": ("mixtral-F32", 8, 32000, "Q4_K", D(width=1024, heads=16, kv=4, ff=3584, experts=8, used=2)),
    "olmoe-q8": ("olmoe-F32", 6, 50304, "Q8_0", D(width=1024, heads=16, kv=16, ff=512, experts=32, used=4)),
    "granitemoe-q8": ("granitemoe-F32", 8, 49152, "Q8_0", D(width=1024, heads=16, kv=8, ff=512, experts=16, used=4)),
    "gptoss-window-q8": ("gptoss-F32", 8, 100000, "Q8_0", D(width=1024, heads=16, hd=64, kv=8, ff=1024, ffe=1024, experts=8, used=2, window=128)),
    "gemma2-window-q4k": ("gemma2-F32", 12, 256000, "Q4_K", D(width=1024, heads=8, hd=256, kv=4, ff=4096, window=512)),
    "gemma3-window-q8": ("gemma3-F32", 14, 262144, "Q8_0", D(width=768, heads=4, hd=256, kv=1, ff=4096, window=512)),
    "gemma3-window-q4k": ("gemma3-F32", 21, 262144, "Q4_K", D(width=1280, heads=8, hd=256, kv=4, ff=5120, window=256)),
    "lfm2-hybrid-q8": ("lfm2-F32", 16, 65536, "Q8_0", D(width=1024, heads=16, kv=8, ff=4096)),
    "lfm2-hybrid-q4k": ("lfm2-F32", 20, 65536, "Q4_K", D(width=2048, heads=32, kv=8, ff=5120)),
    "qwen35-hybrid-q8": ("qwen35_dense-F32", 12, 100000, "Q8_0", D(width=1024, heads=8, kv=2, ff=3072, groups=8, rank=16)),
    "qwen35-hybrid-q4k": ("qwen35_dense-F32", 16, 151936, "Q4_K", D(width=1536, heads=16, kv=4, ff=4096, groups=16, rank=32)),
    "qwen35moe-hybrid-q8": ("qwen35moe-F32", 8, 100000, "Q8_0", D(width=1024, heads=8, kv=2, ffe=512, ffs=512, experts=16, used=4, groups=8, rank=16)),
    "granitehybrid-q8": ("granitehybrid-F32", 12, 49152, "Q8_0", D(width=1024, heads=16, kv=4, ff=512, ffs=1024, experts=8, used=2, rank=32, inner=2048)),
    "nemotron-hybrid-q8": ("nemotron_h-F32", 18, 131072, "Q8_0", D(width=1024, heads=16, kv=4, ff=4096, groups=8, rank=32, inner=2048)),
}
KEYS = {
    "width": "embedding_length", "heads": "attention.head_count", "kv": "attention.head_count_kv", "ff": "feed_forward_length",
    "ffe": "expert_feed_forward_length", "ffs": "expert_shared_feed_forward_length", "experts": "expert_count",
    "used": "expert_used_count", "window": "attention.sliding_window", "groups": "ssm.group_count", "rank": "ssm.time_step_rank",
    "inner": "ssm.inner_size",
}


class Shapes:
    """A model's numbers, old or new; `at` is a layer, because some numbers differ by layer."""

    def __init__(self, kv, vocab):
        self.kv, self.V = kv, vocab

    def n(self, key, at, default=0):
        value = self.kv.get(key, default)
        return value[at % len(value)] if isinstance(value, list) else value

    def of(self, name, at, golden):
        """ggml's shape of a tensor; `golden` is what it is in the golden model."""
        n = lambda key, default=0: self.n(key, at, default)
        W, H, K = n("embedding_length"), n("attention.head_count"), n("attention.head_count_kv")
        hd = n("attention.key_length", W // max(H, 1)); vd = n("attention.value_length", hd)
        F, E = n("feed_forward_length"), n("expert_count")
        FE = n("expert_feed_forward_length") or F; FS = n("expert_shared_feed_forward_length")
        G, N, S, R, C = (n("ssm." + key) for key in ("group_count", "state_size", "inner_size", "time_step_rank", "conv_kernel"))
        conv = S + 2 * G * N
        gated = 2 if "ssm.time_step_rank" in self.kv and "full_attention_interval" in self.kv else 1
        table = {
            "token_embd.weight": [W, self.V], "output.weight": [W, self.V], "attn_q.weight": [W, gated * H * hd], "attn_k.weight": [W, K * hd],
            "attn_v.weight": [W, K * vd], "attn_output.weight": [H * vd, W], "attn_q.bias": [H * hd], "attn_k.bias": [K * hd],
            "attn_v.bias": [K * vd], "attn_output.bias": [W], "attn_sinks.weight": [H], "rope_freqs.weight": [n("rope.dimension_count", hd) // 2],
            "attn_qkv.weight": [W, conv] if gated == 2 else [W, H * hd + 2 * K * hd], "attn_gate.weight": [W, S],
            "ffn_gate.weight": [W, F], "ffn_up.weight": [W, F] if golden[1:] != [2 * golden[0] * 2] else [W, 2 * F], "ffn_down.weight": [F, W],
            "ffn_gate_exps.weight": [W, FE, E], "ffn_up_exps.weight": [W, FE, E], "ffn_down_exps.weight": [FE, W, E],
            "ffn_gate_exps.bias": [FE, E], "ffn_up_exps.bias": [FE, E], "ffn_down_exps.bias": [W, E],
            "ffn_gate_inp.weight": [W, E], "ffn_gate_inp.bias": [E], "ffn_gate_shexp.weight": [W, FS], "ffn_up_shexp.weight": [W, FS],
            "ffn_down_shexp.weight": [FS, W], "ffn_gate_inp_shexp.weight": [W] if len(golden) == 1 else [W, 1],
            "ssm_a": [R] if len(golden) == 1 else [1, R], "ssm_d": [1, R], "ssm_dt.bias": [R], "ssm_alpha.weight": [W, R], "ssm_beta.weight": [W, R],
            "ssm_conv1d.weight": [C, conv], "ssm_conv1d.bias": [conv], "ssm_out.weight": [S, W],
            "ssm_in.weight": [W, 2 * S + 2 * G * N + R], "ssm_norm.weight": [N] if len(golden) == 1 else [S // max(G, 1), G],
            "shortconv.conv.weight": [n("shortconv.l_cache"), W], "shortconv.in_proj.weight": [W, 3 * W], "shortconv.out_proj.weight": [W, W],
        }
        if name in table:
            return table[name]
        if name in ("attn_q_norm.weight", "attn_k_norm.weight"):
            return None
        return [W]


def plan(name):
    golden, layers, vocab, ty, changes = MODELS[name]
    reader = gguf.GGUFReader(GOLDEN / f"{golden}.gguf")
    arch = reader.fields["general.architecture"].contents()
    fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    old = {key[len(arch) + 1:]: field.contents() for key, field in fields.items() if key.startswith(arch + ".")}
    new, had = dict(old), old["block_count"]
    for change, value in changes.items():
        if change == "hd": continue
        key = KEYS[change]
        was = old[key]
        new[key] = [value if n else 0 for n in was] if isinstance(was, list) else value
    for key, value in list(new.items()):
        if isinstance(value, list) and len(value) == had:
            new[key] = [value[i % had] for i in range(layers)]
    new["block_count"] = layers
    if "hd" in changes: new["attention.key_length"] = new["attention.value_length"] = changes["hd"]
    if "ssm.inner_size" in old and "inner" not in changes:
        new["ssm.inner_size"] = new["ssm.time_step_rank"] * old["ssm.state_size"]
    if "vocab_size" in old: new["vocab_size"] = vocab
    if "attention.key_length" not in old and "rope.dimension_count" in old:
        new["rope.dimension_count"] = new["embedding_length"] // changes["heads"]
    before, after = Shapes(old, len(reader.fields["tokenizer.ggml.tokens"].contents())), Shapes(new, vocab)
    by_layer, tensors = {}, []
    for tensor in reader.tensors:
        shape = [int(n) for n in tensor.shape]
        if tensor.name.startswith("blk."):
            _, at, part = tensor.name.split(".", 2)
            by_layer.setdefault(int(at), []).append((part, shape))
        else:
            tensors.append((tensor.name, tensor.name, 0, shape))
    for at in range(layers):
        tensors += [(f"blk.{at}.{part}", part, at, shape) for part, shape in by_layer[at % had]]
    out = []
    for full, part, at, golden_shape in tensors:
        made = after.of(part, at, golden_shape)
        check = before.of(part, at % had, golden_shape)
        if made is None:
            n = lambda shapes, key: shapes.n(key, at if shapes is after else at % had)
            heads = "attention.head_count" if "_q_" in part else "attention.head_count_kv"
            hd = lambda shapes: shapes.n("attention.key_length", at, n(shapes, "embedding_length") // max(n(shapes, "attention.head_count"), 1))
            whole = golden_shape[0] != hd(before)
            made = [n(after, heads) * hd(after)] if whole else [hd(after)]
        elif part == "ffn_up.weight" and golden_shape[1] == 2 * check[1]:
            made = [made[0], 2 * made[1]]
        elif check != golden_shape:
            raise SystemExit(f"{name}: {full} is {golden_shape} in the golden model, and not {check}")
        out.append((full, made))
    return arch, fields, new, vocab, ty, out


def write(folder, name):
    arch, fields, new, vocab, ty, tensors = plan(name)
    path = pathlib.Path(folder) / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, arch)
    for key, field in fields.items():
        if key == "general.architecture": continue
        value = new[key[len(arch) + 1:]] if key.startswith(arch + ".") else field.contents()
        if key == "tokenizer.ggml.tokens": value += [f"<token number {i}>" for i in range(len(value), vocab)]
        if key == "tokenizer.ggml.token_type": value += [1] * (vocab - len(value))
        if key == "tokenizer.ggml.scores": value += [-1000.0 - i for i in range(vocab - len(value))]
        kind = field.types[0]
        writer.add_key_value(key, value, kind, field.types[1] if kind == gguf.GGUFValueType.ARRAY else None)
    rng, fill, at = np.random.default_rng(1), [], 0
    for tensor, shape in tensors:
        matrix = len(shape) > 1 and min(shape) > 1 and not any(part in tensor for part in ("conv", "gate_inp", ".bias", "ssm_"))
        kind = T[ty] if matrix and "token_embd" not in tensor else T.F32
        if "ssm_in" in tensor or "ssm_out" in tensor or (tensor.startswith("token_embd") and ty != "F16"): kind = T.Q8_0
        if tensor.startswith("token_embd") and ty == "F16": kind = T.F16
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if shape[0] % block: raise SystemExit(f"{name}: rows of {tensor} have {shape[0]} values")
        length = int(np.prod(shape)) // block * size
        writer.add_tensor_info(tensor, list(reversed(shape)) if kind == T.F32 or kind == T.F16 else
                               [*reversed(shape[1:]), shape[0] // block * size],
                               np.dtype(np.float32) if kind == T.F32 else np.dtype(np.float16) if kind == T.F16 else np.dtype(np.uint8),
                               length, raw_dtype=kind)
        if "norm" in tensor or "rope_freqs" in tensor: fill.append((at, "ones", length))
        elif "gate_inp" in tensor and "bias" not in tensor: fill.append((at, "random", length))
        elif tensor.startswith("token_embd"): fill.append((at, kind.name, length))
        at += (length + 31) // 32 * 32
    writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_ti_data_to_file(); writer.close()
    start = (path.stat().st_size + 31) // 32 * 32
    with open(path, "r+b") as file:
        file.truncate(start + at)
        for offset, what, length in fill:
            file.seek(start + offset)
            if what == "ones": file.write(np.ones(length // 4, np.float32).tobytes())
            elif what == "random": file.write(rng.standard_normal(length // 4, np.float32).tobytes())
            elif what == "F16": file.write((rng.standard_normal(length // 2, np.float32) / 8).astype(np.float16).tobytes())
            else:
                blocks = rng.integers(0, 256, (length // 34, 34), np.uint8)
                blocks[:, :2] = np.frombuffer(np.float16(0.002).tobytes(), np.uint8)
                file.write(blocks.tobytes())
    print(name, path.stat().st_size, "bytes", flush=True)


if __name__ == "__main__":
    for name in sys.argv[2:] or MODELS:
        write(sys.argv[1], name)
