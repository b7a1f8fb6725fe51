"""Writes more of `tests/golden/hf`: tiny checkpoints as families publish theirs, and what must become of them.

    venv/bin/python make_hf_families.py --converter <llama.cpp> [case…]

Random weights with a fixed seed in bfloat16; logits are those of `transformers` in float32 from the same values. Names,
shapes and values of tensors, and hyper-parameters, are what llama.cpp's converter (build 11434) makes of the same folder.
Made with torch 2.15, transformers 5.24 and tokenizers 0.23: cases are in `hf_cases.py`.
"""

import argparse
import hashlib
import json
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

import export
import hf_cases
import hf_tokenizers
import weights

OUT = Path(__file__).parent.parent / "hf"
# Of the converter's, those that say nothing about the computation.
SILENT = ("vocab_size",)


def build(case):
    shape = {"vocab_size": hf_tokenizers.SIZE, "max_position_embeddings": 256, **case.shape}
    config = getattr(transformers, case.config)(**shape)
    config._attn_implementation = config._experts_implementation = "eager"
    torch.manual_seed(1)
    model = getattr(transformers, case.model)._from_config(config, dtype=torch.float32).eval()
    weights.randomise(model, len(case.name), case.rules)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.bfloat16())
    if case.prepare:
        case.prepare(model)
    return model


def save(case, model, folder: Path) -> None:
    """The folder as its authors would publish it."""
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = {name: t.bfloat16() if t.is_floating_point() else t for name, t in load_file(path).items()}
    tensors = case.publish(tensors) if case.publish else tensors
    tensors = {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}
    save_file({name: t.contiguous() for name, t in tensors.items()}, path)
    if case.declare:
        case.declare(folder)
    made, settings = hf_tokenizers.build(case.tokenizer)
    made.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for unused in ("generation_config.json",):
        (folder / unused).unlink(missing_ok=True)


def converted(case, folder: Path):
    """Tensors and hyper-parameters by llama.cpp's converter."""
    import gguf
    from conversion.llama import LlamaModel

    # The vocabulary is none that it knows.
    export.set_vocabulary = lambda *_: None
    LlamaModel.set_vocab = lambda _: None
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out.gguf"
        export.export(folder, out, Path("none"), next_tokens=case.next_tokens)
        reader = gguf.GGUFReader(out)
        arch = reader.fields["general.architecture"].contents()
        keys = {name: field.contents() for name, field in reader.fields.items() if name.startswith(f"{arch}.")}
        tensors = {}
        for tensor in reader.tensors:
            data = np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type)).astype("<f4")
            tensors[tensor.name] = [tensor.shape.tolist(), hashlib.sha256(data.tobytes()).hexdigest()[:16]]
    keys = {key: value for key, value in keys.items() if key.split(".", 1)[1] not in SILENT}
    return arch, keys, dict(sorted(tensors.items()))


def write(case) -> None:
    folder = OUT / case.name
    shutil.rmtree(folder, ignore_errors=True)
    model = build(case)
    save(case, model, folder)
    ids = torch.tensor([[(17 * i + 5) % 120 for i in range(24)]])
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[0]
    save_file({"logits": logits[-8:].float().contiguous()}, folder / "expected.safetensors")
    arch, keys, tensors = converted(case, folder)
    made, _ = hf_tokenizers.build(case.tokenizer)
    texts = [{"text": text, "ids": made.encode(text).ids} for text in hf_tokenizers.TEXTS]
    expected = dict(architecture=arch, ids=ids[0].tolist(), texts=texts, keys=keys, tensors=tensors)
    # JSON has no infinities.
    finite = lambda value: None if isinstance(value, float) and not math.isfinite(value) else value
    expected["keys"] = {k: [finite(v) for v in value] if isinstance(value, list) else value for k, value in keys.items()}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in expected.items())
    (folder / "expected.json").write_text("{" + lines + "}\n")
    size = sum(f.stat().st_size for f in folder.iterdir()) // 1024
    print(case.name, arch, size, "KiB", len(tensors), "tensors, std", round(float(logits.std()), 2), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("cases", nargs="*", help="all, if none is named")
    options = arguments.parse_args()
    export.use_converter(options.converter)
    known = {case.name: case for case in hf_cases.ALL}
    for name in options.cases or known:
        write(known[name])


if __name__ == "__main__":
    main()
