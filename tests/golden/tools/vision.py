"""Golden image embeddings: `vision.py --converter DIR --out DIR [case…]`.

A case is the half of a model that turns an image into vectors for the other half (`mmproj` files), and for each of two
pictures the pixels that the model's own processor makes of the file, and those vectors. `sizes` has, for pictures of many
sizes, the one that the processor stretches them to: rows of width, height, and the same again, or 0 and 0 where it refuses.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import export
import golden
import vision_cases
import weights

SEED = 401
WIDE, TALL = (150, 100), (60, 140)
# Ordinary pictures, tiny and huge ones, and bands.
SIZES = [(1, 1), (1, 2), (3, 1), (7, 9), (20, 12), (64, 64), (100, 64), (131, 97), (150, 100), (60, 140), (12, 12), (4, 800),
         (4, 801), (801, 4), (800, 4), (1, 300), (301, 1), (640, 480), (480, 640), (1000, 10), (10, 1000), (1023, 767),
         (1920, 1080), (3000, 4000), (4032, 3024), (16384, 16384), (16384, 90), (80, 16384), (200, 1), (1, 201), (5000, 36)]


def waves() -> Image.Image:
    """Wider than high: waves and some noise, so that neighbours differ and sides can be told apart."""
    rng, (width, height) = torch.Generator().manual_seed(SEED), WIDE
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = torch.stack([torch.sin(x / 9), torch.cos(y / 12 + x / 50), torch.sin((x + 2 * y) / 17)], dim=-1)
    noise = 0.2 * torch.randn(waves.shape, generator=rng)
    return Image.fromarray(((waves + noise).clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8).numpy())


def bands() -> Image.Image:
    """Higher than wide: bands of plain colours with sharp edges, and a disc across them."""
    width, height = TALL
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    bands = torch.stack([y // 13 * 53 % 256, (x + y) // 17 * 87 % 256, x // 7 * 29 % 256], dim=-1)
    disc = ((x - 38) ** 2 + (y - 95) ** 2 < 400)[..., None]
    return Image.fromarray(torch.where(disc, 255 - bands, bands).to(torch.uint8).numpy())


def size_table(case: vision_cases.Case) -> torch.Tensor:
    def target(size):
        try:
            return case.target(size)
        except ValueError:
            return 0, 0

    return torch.tensor([[*size, *target(size)] for size in SIZES], dtype=torch.int32)


def eight_bits(pixels: torch.Tensor, case: vision_cases.Case) -> torch.Tensor:
    """The numbers of 8 bits that a processor made its pixels of: nothing else happens to them behind the stretching."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (case.mean, case.deviation))
    numbers = ((pixels * deviation + mean) * 255).round()
    if float(((numbers / 255 - mean) / deviation - pixels).abs().max()) > 1e-6:
        raise SystemExit(f"{case.name}: pixels are not made of numbers of 8 bits")
    return numbers.to(torch.uint8)


def convert(case: vision_cases.Case, model, file: Path) -> None:
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        saved = Path(checkpoint) / "model.safetensors"
        save_file({case.published(name): tensor for name, tensor in load_file(saved).items()}, saved)
        preprocessor = dict(image_mean=case.mean, image_std=case.deviation)
        (Path(checkpoint) / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        export.export(Path(checkpoint), file, None, projector=True)


def make(case: vision_cases.Case, pictures: dict[str, Image.Image], out: Path) -> dict:
    torch.manual_seed(SEED)
    model = case.build()
    weights.randomise(model, SEED, case.rules)
    case.prepare(model)
    file = out / "models" / f"mmproj-{case.name}-F32.gguf"
    convert(case, model, file)
    tensors = {"sizes": size_table(case)}
    for name, picture in pictures.items():
        with torch.no_grad():
            pixels, vectors = case.encode(model, picture)
        tensors[f"{name}.pixels"] = eight_bits(pixels, case).contiguous()
        tensors[f"{name}.embeddings"] = vectors.contiguous()
    vectors = out / "golden" / f"mmproj-{case.name}-F32.safetensors"
    save_file(tensors, vectors)
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    return dict(name=f"mmproj-{case.name}", kind="vision", file=f"models/{file.name}", sha256=golden.sha256(file),
                golden=f"golden/{vectors.name}", shapes=shapes, bytes=file.stat().st_size)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("--out", required=True, type=Path)
    arguments.add_argument("cases", nargs="*", default=list(vision_cases.CASES))
    options = arguments.parse_args()
    export.use_converter(options.converter)
    for folder in ("models", "golden", "pictures"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    pictures = dict(waves=waves(), bands=bands())
    for name, picture in pictures.items():
        picture.save(options.out / "pictures" / f"{name}.png", optimize=True)
    entries = [make(vision_cases.CASES[name], pictures, options.out) for name in options.cases]
    (options.out / "vision.json").write_text(json.dumps(entries, indent=1) + "\n")
    print(json.dumps(entries, indent=1))


if __name__ == "__main__":
    main()
