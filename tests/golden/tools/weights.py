"""Random weights under which a wrong formula shows.

A freshly made model has norms of one, biases of zero and logits near zero, so a missing bias or two swapped norms would
change nothing. Here every parameter is drawn anew: matrices ~ N(0, 1.4 / sqrt(fan_in)), norms 0.25 around where they
begin (one, or zero where the model adds the one itself), biases and scales at random, routers wider than the rest.
"""

import math

import torch

ROUTERS = (".gate.weight", ".router.weight", ".router.layer.weight", ".router.classifier.weight")


def randomise(model: torch.nn.Module, seed: int, rules: dict | None = None) -> None:
    """Draws all parameters, and the buffers that checkpoints keep. `rules`: part of a name -> (mean, deviation)."""
    rng = torch.Generator().manual_seed(seed)
    kept = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in kept}
    with torch.no_grad():
        for name, tensor in sorted({**dict(model.named_parameters()), **buffers}.items()):
            if not tensor.is_floating_point() or tensor.numel() == 0:
                continue
            mean, deviation = _distribution(name, tensor, rules or {})
            noise = torch.randn(tensor.shape, generator=rng, dtype=torch.float32)
            tensor.copy_(mean + deviation * noise.clamp(-3, 3))


def _distribution(name: str, tensor: torch.Tensor, rules: dict) -> tuple[float, float]:
    for part, rule in rules.items():
        if part in name:
            return rule
    if name.endswith(ROUTERS) and tensor.dim() == 2:
        return 0.0, 3.0 / math.sqrt(tensor.shape[-1])
    if "embed" in name or "lm_head" in name or "wte" in name:
        return 0.0, 2.5 / math.sqrt(tensor.shape[-1])
    if "conv" in name and name.endswith(".weight"):
        return 0.0, 1.4 / math.sqrt(tensor.shape[-1])
    if tensor.dim() >= 2:
        fan_in = math.prod(tensor.shape[1:]) if tensor.dim() == 4 else tensor.shape[-1]
        return 0.0, 1.4 / math.sqrt(fan_in)
    centre = float(tensor.float().mean())
    return (centre, 0.25) if "norm" in name.lower() else (0.0, 0.2) if "bias" in name else (centre, 0.3)
