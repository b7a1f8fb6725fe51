"""A model saved by `transformers` becomes a GGUF, through llama.cpp's converter used as a library.

The vocabulary does not come from the checkpoint (it has none) but from another file: its `tokenizer.*` keys are copied.
"""

import sys
from pathlib import Path


def use_converter(directory: str) -> None:
    """Makes the converter in `directory` (the one with `convert_hf_to_gguf.py`) and its gguf library importable."""
    sys.path[:0] = [directory, str(Path(directory) / "gguf-py")]


def export(checkpoint: Path, out: Path, vocabulary: Path | None, projector: bool = False, dense: bool = False,
           next_tokens: bool = False) -> None:
    """Writes `out` as F32. `projector`: the image half of a model. `dense`: with the layers behind an embedder's pooling.
    `next_tokens`: with blocks that predict further tokens."""
    import gguf
    from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

    hparams = ModelBase.load_hparams(checkpoint, False)
    kind = ModelType.MMPROJ if projector else ModelType.TEXT
    base = get_model_class(get_model_architecture(hparams, kind), mmproj=projector)
    members = {"model_arch": base.model_arch, "no_mtp": not next_tokens}
    if vocabulary is not None:
        members["set_vocab"] = lambda self: set_vocabulary(self, vocabulary)
    cls = type(base.__name__, (base,), members)
    cls(checkpoint, gguf.LlamaFileType.ALL_F32, out, eager=True, model_name=out.stem,
        sentence_transformers_dense_modules=dense).write()


def set_vocabulary(converted, source: Path) -> None:
    """What the converter's own `set_vocab` writes, from another file."""
    import gguf

    for key, field in gguf.GGUFReader(source).fields.items():
        if key.startswith("tokenizer."):
            element = field.types[1] if len(field.types) > 1 else None
            converted.gguf_writer.add_key_value(key, field.contents(), field.types[0], element)
    if (types := converted.hparams.get("type_vocab_size")) is not None:
        converted.gguf_writer.add_token_type_count(types)


def vocabulary_ids(source: Path) -> tuple[list[int], int | None]:
    """Ids of ordinary tokens, and the one a prompt starts with if the vocabulary says so."""
    import gguf

    fields = gguf.GGUFReader(source).fields
    value = lambda key: fields[key].contents() if key in fields else None
    types = value("tokenizer.ggml.token_type")
    ordinary = [i for i, kind in enumerate(types) if kind in (1, 6)]
    starts = value("tokenizer.ggml.add_bos_token")
    return ordinary, value("tokenizer.ggml.bos_token_id") if starts else None
