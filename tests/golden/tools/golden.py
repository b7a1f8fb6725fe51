"""What a decoder must answer: logits of a full forward pass in float32 for a prompt and its greedy continuation."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file

PROMPT, ANSWER, CANDIDATES = 48, 24, 64


@torch.no_grad()
def answer(model, ordinary: list[int], first: int | None, seed: int) -> dict:
    """Of 64 random prompts the one whose greedy tokens lead by most, so that rounding changes none of them."""
    rng = torch.Generator().manual_seed(seed)
    prompts = torch.tensor(ordinary)[torch.randint(len(ordinary), (CANDIDATES, PROMPT), generator=rng)]
    if first is not None:
        prompts[:, 0] = first
    ids, leads = prompts, []
    for _ in range(ANSWER):
        top = _logits(model, ids)[:, -1].topk(2)
        ids = torch.cat([ids, top.indices[:, :1]], dim=1)
        leads.append(top.values[:, 0] - top.values[:, 1])
    # Among those with a wide lead one that does not repeat itself is worth more.
    least = torch.stack(leads).min(dim=0).values
    wide = [row for row in range(CANDIDATES) if least[row] > 0.1] or [int(least.argmax())]
    best = max(wide, key=lambda row: (len(set(ids[row, PROMPT:].tolist())), least[row]))
    chosen = ids[best : best + 1]
    logits = _logits(model, chosen)[0]
    margins = logits[PROMPT - 1 : -1].topk(2).values
    found = logits[PROMPT - 1 : -1].argmax(dim=1).tolist()
    if found != chosen[0, PROMPT:].tolist():
        raise SystemExit("the greedy tokens of the batch are not those of the single sequence: widen the margins")
    double = _logits(model.double(), chosen)[0].float()
    model.float()
    return dict(
        logits=logits,
        token_ids=chosen[0],
        margins=[round(float(a - b), 5) for a, b in margins],
        rounding=float((double - logits).abs().max()),
    )


def _logits(model, ids: torch.Tensor) -> torch.Tensor:
    # Padding would be inferred from ids that happen to equal the pad token.
    return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits


def write(answer: dict, path: Path) -> None:
    tensors = dict(
        logits=answer["logits"].float().contiguous(),
        positions=torch.arange(len(answer["logits"])),
        token_ids=answer["token_ids"].contiguous(),
    )
    save_file(tensors, path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest_entry(name: str, arch: str, seed: int, model: Path, logits: Path, answer: dict, config: dict) -> dict:
    ids = answer["token_ids"].tolist()
    return dict(
        name=name,
        file=f"models/{model.name}",
        ftype="F32",
        arch=arch,
        seed=seed,
        sha256=sha256(model),
        bytes=model.stat().st_size,
        prompt_ids=ids[:PROMPT],
        greedy_ids=ids[PROMPT:],
        greedy_margins=answer["margins"],
        greedy_margin_min=min(answer["margins"]),
        logits_std=float(answer["logits"].std()),
        ref_f32_vs_f64_max_abs=answer["rounding"],
        golden=f"golden/{logits.name}",
        golden_sha256=sha256(logits),
        hf_config=config,
        tolerance=dict(f32_math_max_abs=0.002),
    )
