"""Makes golden cases: `generate.py --converter DIR --out DIR [CASE…]` (see README.md beside this file)."""

import argparse
import json
import tempfile
from pathlib import Path

import torch
import transformers

import cases
import export
import golden
import weights

TOKENIZERS = Path(__file__).parent.parent / "tokenizers"


def build(case: cases.Case):
    """A model of the case's shape in float32, with plain attention and plain experts, and its config."""
    config = getattr(transformers, case.config)(**{"vocab_size": 512, "max_position_embeddings": 2048, **case.shape})
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    torch.manual_seed(case.seed)
    model = getattr(transformers, case.model)._from_config(config, dtype=torch.float32).eval()
    weights.randomise(model, case.seed, case.rules)
    return model


def make(case: cases.Case, out: Path) -> dict:
    vocabulary = TOKENIZERS / f"tiny-{case.vocabulary}.gguf"
    model = build(case)
    file = out / "models" / f"{case.name}-F32.gguf"
    logits = out / "golden" / f"{case.name}-F32.safetensors"
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        if case.before_export is not None:
            case.before_export(Path(checkpoint))
        export.export(Path(checkpoint), file, vocabulary)
    ordinary, first = export.vocabulary_ids(vocabulary)
    answer = golden.answer(model, ordinary, first, case.seed)
    golden.write(answer, logits)
    config = json.loads(model.config.to_json_string())
    return golden.manifest_entry(case.name, case.arch, case.seed, file, logits, answer, config)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("--out", required=True, type=Path)
    arguments.add_argument("cases", nargs="*", help="all, if none is named")
    options = arguments.parse_args()
    export.use_converter(options.converter)
    for folder in ("models", "golden"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    manifest = options.out / "manifest.json"
    entries = json.loads(manifest.read_text())["entries"] if manifest.exists() else []
    for name in options.cases or list(cases.CASES):
        entry = make(cases.CASES[name], options.out)
        entries = [other for other in entries if other["name"] != name] + [entry]
        manifest.write_text(json.dumps({"format": 1, "entries": entries}, indent=1))
        print(name, entry["bytes"], "bytes, least lead", entry["greedy_margin_min"], "rounding", entry["ref_f32_vs_f64_max_abs"],
              "distinct", len(set(entry["greedy_ids"])), "std", entry["logits_std"])


if __name__ == "__main__":
    main()
