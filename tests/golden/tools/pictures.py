"""Golden answers about pictures: `pictures.py --converter DIR --out DIR [case…]`.

A case is a decoder, the vectors of pictures that its own encoder made of noise, a prompt in which they stand among words, and
the logits behind every token, the greedy continuation among them. `token_ids` has the model's own token in place of a part.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

import export
import golden
import weights

WORDS, ANSWER, CANDIDATES = (7, 5, 9), 12, 24


@dataclass(frozen=True)
class Case:
    name: str
    arch: str
    kind: str  # of config and model in `transformers`
    vocabulary: str
    seed: int
    grids: list  # parts across and down of two pictures
    text: dict
    vision: dict
    top: dict
    inputs: "callable"  # (case, rng) -> what the model takes for the pictures
    levels: int = 0
    rules: dict = field(default_factory=dict)


PART, OPEN, SHUT = 511, 509, 510
SMALL = dict(vocab_size=512, hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64)
RECURRENT = {"A_log": (0.8, 0.6), "dt_bias": (-1.0, 0.8)}
QWEN_TOP = dict(image_token_id=PART, vision_start_token_id=OPEN, vision_end_token_id=SHUT, video_token_id=508)


def pixels_of_squares(case, rng):
    side = case.vision["image_size"]
    return dict(pixel_values=torch.randn(len(case.grids), 3, side, side, generator=rng))


def patches_in_order(case, rng):
    merge, numbers = case.vision["spatial_merge_size"], 3 * case.vision["temporal_patch_size"] * case.vision["patch_size"] ** 2
    sizes = [[1, down * merge, across * merge] for across, down in case.grids]
    count = sum(down * across for _, down, across in sizes)
    return dict(pixel_values=torch.randn(count, numbers, generator=rng), image_grid_thw=torch.tensor(sizes))


def patches_with_positions(case, rng):
    merge, patch = case.vision["pooling_kernel_size"], case.vision["patch_size"]
    sizes = [(across * merge, down * merge) for across, down in case.grids]
    most = max(across * down for across, down in sizes)
    pixels = torch.rand(len(sizes), most, 3 * patch * patch, generator=rng)
    positions = torch.full((len(sizes), most, 2), -1)
    for row, (across, down) in enumerate(sizes):
        places = [[i % across, i // across] for i in range(across * down)]
        positions[row, : len(places)] = torch.tensor(places)
        pixels[row, len(places) :] = 0
    return dict(pixel_values=pixels, image_position_ids=positions)


GEMMA4_VISION = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
                     head_dim=16, patch_size=4, pooling_kernel_size=2, position_embedding_size=64)
QWEN_VISION = dict(depth=3, hidden_size=32, intermediate_size=48, num_heads=2, patch_size=4, spatial_merge_size=2,
                   temporal_patch_size=2, out_hidden_size=48, num_position_embeddings=64)
GEMMA4_TEXT = dict(SMALL, num_hidden_layers=4, head_dim=16, global_head_dim=32, sliding_window=16,
                   layer_types=["sliding_attention", "full_attention"] * 2, final_logit_softcapping=8.0)

CASES = [
    Case("gemma3_pictures", "gemma3", "Gemma3", "spm-gemma", 501, [[4, 4], [4, 4]],
         dict(SMALL, num_hidden_layers=6, head_dim=16, sliding_window=24, query_pre_attn_scalar=16),
         dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, image_size=56, patch_size=7),
         dict(mm_tokens_per_image=16, image_token_id=PART, boi_token_id=OPEN, eoi_token_id=SHUT), pixels_of_squares),
    Case("gemma4_pictures", "gemma4", "Gemma4", "gemma4", 502, [[3, 4], [5, 2]],
         dict(GEMMA4_TEXT, hidden_size_per_layer_input=0, use_bidirectional_attention="vision", num_kv_shared_layers=0),
         GEMMA4_VISION,
         dict(image_token_id=PART, boi_token_id=OPEN, eoi_token_id=SHUT, audio_config=None), patches_with_positions),
    Case("gemma4_e2b_pictures", "gemma4", "Gemma4", "gemma4", 503, [[3, 4], [5, 2]],
         dict(GEMMA4_TEXT, num_hidden_layers=6, layer_types=["sliding_attention", "full_attention"] * 3,
              hidden_size_per_layer_input=8, vocab_size_per_layer_input=512, num_kv_shared_layers=2),
         GEMMA4_VISION,
         dict(image_token_id=PART, boi_token_id=OPEN, eoi_token_id=SHUT, audio_config=None), patches_with_positions),
    Case("qwen3vl_pictures", "qwen3vl", "Qwen3VL", "qwen2", 504, [[3, 2], [2, 5]],
         dict(SMALL, num_hidden_layers=4, head_dim=16,
              rope_parameters=dict(rope_type="default", rope_theta=1e6, mrope_section=[4, 2, 2], mrope_interleaved=True)),
         dict(QWEN_VISION, deepstack_visual_indexes=[0, 1]), QWEN_TOP, patches_in_order, levels=2),
    Case("qwen35_pictures", "qwen35", "Qwen3_5", "qwen35", 505, [[3, 2], [2, 5]],
         dict(SMALL, num_hidden_layers=4, head_dim=32, linear_key_head_dim=16, linear_value_head_dim=16,
              linear_num_key_heads=2, linear_num_value_heads=4,
              rope_parameters=dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.5, mrope_section=[4, 2, 2],
                                   mrope_interleaved=True)),
         QWEN_VISION, QWEN_TOP, patches_in_order, rules=RECURRENT),
]


def build(case: Case):
    config = getattr(transformers, case.kind + "Config")(text_config=case.text, vision_config=case.vision, **case.top)
    config._attn_implementation = "eager"
    torch.manual_seed(case.seed)
    model = getattr(transformers, case.kind + "ForConditionalGeneration")._from_config(config, dtype=torch.float32).eval()
    weights.randomise(model, case.seed, case.rules)
    return model


def watch(model, seen: list) -> None:
    """Keeps what the encoder gives the decoder."""
    inner = model.model
    original = inner.get_image_features

    def get_image_features(*arguments, **keywords):
        features = original(*arguments, **keywords)
        seen[:] = [features]
        return features

    inner.get_image_features = get_image_features


def vectors(case: Case, features) -> list[torch.Tensor]:
    """For each picture `[parts, (1 + levels) * hidden]`."""
    counts = [across * down for across, down in case.grids]
    parts = getattr(features, "pooler_output", features)
    parts = torch.cat([part.reshape(-1, part.shape[-1]) for part in parts]) if isinstance(parts, (list, tuple)) else parts
    parts = parts.reshape(-1, parts.shape[-1])
    levels = [torch.cat(list(level)) for level in getattr(features, "deepstack_features", None) or []]
    if len(levels) != case.levels:
        raise SystemExit(f"{case.name}: {len(levels)} levels")
    return list(torch.cat([parts, *levels], dim=-1).split(counts))


@torch.no_grad()
def logits(model, ids: torch.Tensor, inputs: dict) -> torch.Tensor:
    types = (ids == PART).long()
    named = dict(token_type_ids=types) if isinstance(model, transformers.Gemma3ForConditionalGeneration) else dict(
        mm_token_type_ids=types)
    return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **named, **inputs).logits[0].float()


def prompt(case: Case, ordinary: list[int], first: int | None, rng) -> list[int]:
    draw = lambda count: torch.tensor(ordinary)[torch.randint(len(ordinary), (count,), generator=rng)].tolist()
    ids = draw(WORDS[0])
    if first is not None:
        ids[0] = first
    for (across, down), words in zip(case.grids, WORDS[1:]):
        ids += [OPEN] + [PART] * (across * down) + [SHUT] + draw(words)
    return ids


def answer(case: Case, model, ordinary, first, inputs) -> tuple[list[int], int, torch.Tensor]:
    """Of some random prompts the one whose greedy tokens lead by most."""
    rng, best = torch.Generator().manual_seed(case.seed), None
    for _ in range(CANDIDATES):
        ids = prompt(case, ordinary, first, rng)
        length, lead = len(ids), float("inf")
        for _ in range(ANSWER):
            scores = logits(model, torch.tensor([ids]), inputs)[-1]
            scores[PART] = -float("inf")
            top = scores.topk(2)
            lead = min(lead, float(top.values[0] - top.values[1]))
            ids.append(int(top.indices[0]))
        if OPEN in ids[length:]:
            continue
        if best is None or lead > best[0]:
            best = (lead, ids, length)
    _, ids, length = best
    return ids, length, logits(model, torch.tensor([ids]), inputs)


def make(case: Case, out: Path) -> dict:
    vocabulary = Path(__file__).parent.parent / "tokenizers" / f"tiny-{case.vocabulary}.gguf"
    ordinary, first = export.vocabulary_ids(vocabulary)
    ordinary = [id for id in ordinary if id < 505 and id > 13]
    model, seen = build(case), []
    watch(model, seen)
    inputs = case.inputs(case, torch.Generator().manual_seed(case.seed))
    ids, length, scores = answer(case, model, ordinary, first, inputs)
    pictures = vectors(case, seen[0])
    file, results = out / "models" / f"{case.name}-F32.gguf", out / "golden" / f"{case.name}-F32.safetensors"
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        # The converter counts the entries of a vocabulary that it does not take.
        entries = dict(model=dict(vocab={str(i): i for i in range(512)}), added_tokens=[])
        (Path(checkpoint) / "tokenizer.json").write_text(json.dumps(entries))
        export.export(Path(checkpoint), file, vocabulary)
    tensors = {f"picture{i}": picture.contiguous() for i, picture in enumerate(pictures)}
    save_file({"logits": scores.contiguous(), "token_ids": torch.tensor(ids), **tensors}, results)
    starts = [i for i in range(length) if ids[i] == PART and ids[i - 1] == OPEN]
    margins = scores[length - 1 : -1].topk(2).values
    return dict(name=case.name, arch=case.arch, seed=case.seed, file=f"models/{file.name}", sha256=golden.sha256(file),
                golden=f"golden/{results.name}", golden_sha256=golden.sha256(results), bytes=file.stat().st_size,
                prompt_tokens=length, pictures=[dict(start=start, grid=grid) for start, grid in zip(starts, case.grids)],
                greedy_margin_min=round(float((margins[:, 0] - margins[:, 1]).min()), 5))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("--out", required=True, type=Path)
    arguments.add_argument("cases", nargs="*")
    options = arguments.parse_args()
    entries = []
    export.use_converter(options.converter)
    for folder in ("models", "golden"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    for case in CASES:
        if not options.cases or case.name in options.cases:
            entries.append(make(case, options.out))
            print(entries[-1], flush=True)
    (options.out / "pictures.json").write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
