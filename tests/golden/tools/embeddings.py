"""Golden embeddings: `embeddings.py --converter DIR --out DIR [CASE…]`.

Each case is a model that turns a text into one vector of length one. The sequences have several lengths, so that windows
are crossed and padding, if there were any, would show.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

import cases
import export
import generate
import golden

LENGTHS = (1, 7, 23, 48, 40)
BERT = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80, max_position_embeddings=96)
NOMIC = dict(model_type="of its authors", n_positions=8192, max_trained_positions=2048, activation_function="swiglu",
             causal=False, qkv_proj_bias=False, mlp_fc1_bias=False, mlp_fc2_bias=False, prenorm=False,
             rotary_emb_fraction=1.0, rotary_emb_interleaved=False, rotary_emb_scale_base=None)


@dataclass(frozen=True)
class Embedder:
    case: cases.Case
    pooling: str  # mean, cls or lasttoken
    ends: tuple[list[int], list[int]]  # tokens before and after a text
    dense: int | None = None  # width between two layers without activation, behind pooling


_ALL = [
    Embedder(cases.Case("bert", "bert", "BertModel", "BertConfig", "wordpiece", 301, BERT), "mean", ([2], [3])),
    Embedder(cases.Case("bert_cls", "bert", "BertModel", "BertConfig", "wordpiece", 302, dict(BERT, num_hidden_layers=2)), "cls",
             ([2], [3])),
    Embedder(cases.Case("nomic_bert", "nomic-bert", "NomicBertModel", "NomicBertConfig", "wordpiece", 303,
                   dict(BERT, max_position_embeddings=2048), before_export=cases.declare(**NOMIC)), "mean", ([2], [3])),
    Embedder(cases.Case("gemma_embedding", "gemma-embedding", "Gemma3TextModel", "Gemma3TextConfig", "spm-gemma", 304,
                   dict(hidden_size=32, num_hidden_layers=7, num_attention_heads=4, num_key_value_heads=1, head_dim=12,
                        intermediate_size=64, sliding_window=16, query_pre_attn_scalar=12, use_bidirectional_attention=True),
                   before_export=cases.declare(sliding_window=16)), "mean", ([2], [1]), dense=48),
    Embedder(cases.Case("qwen3_embedding", "qwen3", "Qwen3Model", "Qwen3Config", "qwen2", 305,
                   dict(cases.SMALL, hidden_size=32, head_dim=16, intermediate_size=64, tie_word_embeddings=True),
                   before_export=cases.declare(architectures=["Qwen3ForCausalLM"])), "lasttoken", ([], [507])),
]

EMBEDDERS = {embedder.case.name: embedder for embedder in _ALL}


def sentence_transformer(checkpoint: Path, pooling: str, dense: list[torch.Tensor]) -> None:
    """The files beside a model from which the converter learns how tokens become one vector."""
    kinds = ["Pooling"] + ["Dense"] * len(dense)
    modules = [dict(type=f"sentence_transformers.models.{kind}", path=f"{i}_{kind}") for i, kind in enumerate(kinds, 1)]
    (checkpoint / "modules.json").write_text(json.dumps(modules))
    for module in modules:
        (checkpoint / module["path"]).mkdir()
    (checkpoint / modules[0]["path"] / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    for module, matrix in zip(modules[1:], dense):
        folder = checkpoint / module["path"]
        save_file({"linear.weight": matrix}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({"in_features": matrix.shape[1], "out_features": matrix.shape[0]}))


def sequences(embedder: Embedder, ordinary: list[int]) -> list[list[int]]:
    rng = torch.Generator().manual_seed(embedder.case.seed)
    (before, after), ids = embedder.ends, torch.tensor(ordinary)
    return [before + ids[torch.randint(len(ordinary), (n,), generator=rng)].tolist() + after for n in LENGTHS]


@torch.no_grad()
def vector(embedder: Embedder, model, dense: list[torch.Tensor], ids: list[int]) -> torch.Tensor:
    tokens = torch.tensor([ids])
    states = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state[0]
    pooled = {"mean": states.mean(dim=0), "cls": states[0], "lasttoken": states[-1]}[embedder.pooling]
    for matrix in dense:
        pooled = matrix @ pooled
    return pooled / pooled.norm()


def make(embedder: Embedder, out: Path) -> dict:
    case = embedder.case
    vocabulary = generate.TOKENIZERS / f"tiny-{case.vocabulary}.gguf"
    model = generate.build(case)
    rng, width = torch.Generator().manual_seed(case.seed), model.config.hidden_size
    shapes = [(embedder.dense, width), (width, embedder.dense)] if embedder.dense else []
    dense = [torch.randn(shape, generator=rng) / shape[1] ** 0.5 for shape in shapes]
    file = out / "models" / f"{case.name}-F32.gguf"
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        sentence_transformer(Path(checkpoint), embedder.pooling, dense)
        # The converter asks it for its kind and counts its tokens.
        tokenizer = {"model": {"type": "WordPiece", "vocab": list(range(512))}, "added_tokens": []}
        (Path(checkpoint) / "tokenizer.json").write_text(json.dumps(tokenizer))
        if case.before_export is not None:
            case.before_export(Path(checkpoint))
        export.export(Path(checkpoint), file, vocabulary, dense=bool(dense))
    ids = sequences(embedder, export.vocabulary_ids(vocabulary)[0])
    vectors = torch.stack([vector(embedder, model, dense, each) for each in ids])
    save_file({"vectors": vectors}, out / "golden" / f"{case.name}-F32.safetensors")
    return dict(name=case.name, kind="embedding", architecture=case.arch, pooling=embedder.pooling, ftype="F32",
                file=f"models/{file.name}", sha256=golden.sha256(file), golden=f"golden/{case.name}-F32.safetensors",
                token_ids=ids, bytes=file.stat().st_size)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("--out", required=True, type=Path)
    arguments.add_argument("cases", nargs="*", help="all, if none is named")
    options = arguments.parse_args()
    export.use_converter(options.converter)
    for folder in ("models", "golden"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    manifest = options.out / "embeddings.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else []
    for name in options.cases or list(EMBEDDERS):
        entry = make(EMBEDDERS[name], options.out)
        entries = [other for other in entries if other["name"] != name] + [entry]
        manifest.write_text("[\n" + ",\n".join(json.dumps(each) for each in entries) + "\n]\n")
        print(name, entry["bytes"], "bytes")


if __name__ == "__main__":
    main()
