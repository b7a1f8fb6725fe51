"""Golden image embeddings: `vision.py --converter DIR --out DIR`.

A case is the half of a model that turns an image into vectors for the other half (`mmproj` files), a picture as a file, the
pixels that the model's own processor makes of it, and those vectors.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

import export
import golden
import weights

SEED, PIXELS, SIZE = 401, 56, (100, 150)
TEXT = dict(vocab_size=512, hidden_size=48, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
            intermediate_size=64, sliding_window=16)
# 8 x 8 patches, of which each square of sixteen becomes one vector.
VISION = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=72, image_size=PIXELS,
              patch_size=7)


NORMALISATION = dict(image_mean=[0.5] * 3, image_std=[0.5] * 3)


def build():
    config = transformers.Gemma3Config(text_config=TEXT, vision_config=VISION, mm_tokens_per_image=4)
    config._attn_implementation = "eager"
    torch.manual_seed(SEED)
    model = transformers.Gemma3ForConditionalGeneration._from_config(config, dtype=torch.float32).eval()
    weights.randomise(model, SEED)
    # The converter writes this matrix in 16 bits whatever is asked for, so it has such numbers from the beginning.
    projection = dict(model.named_parameters())["model.multi_modal_projector.mm_input_projection_weight"]
    projection.data = projection.data.half().float()
    return model


def picture() -> Image.Image:
    """Wider than high: waves and some noise, so that neighbours differ and sides can be told apart."""
    rng, (height, width) = torch.Generator().manual_seed(SEED), SIZE
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = torch.stack([torch.sin(x / 9), torch.cos(y / 12 + x / 50), torch.sin((x + 2 * y) / 17)], dim=-1)
    noise = 0.2 * torch.randn(waves.shape, generator=rng)
    return Image.fromarray(((waves + noise).clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8).numpy())


def as_published(file: Path) -> None:
    """Gives the tower's tensors the names they have in published checkpoints, which the converter knows."""
    tensors = load_file(file)
    rename = lambda name: name.replace("vision_tower.", "vision_tower.vision_model.")
    save_file({rename(name): tensor for name, tensor in tensors.items()}, file)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("--out", required=True, type=Path)
    options = arguments.parse_args()
    export.use_converter(options.converter)
    for folder in ("models", "golden", "pictures"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    model, image = build(), picture()
    image.save(options.out / "pictures" / "waves.png")
    processor = Gemma3ImageProcessorPil(size=dict(height=PIXELS, width=PIXELS), **NORMALISATION)
    pixels = processor.preprocess(image, return_tensors="pt")["pixel_values"][0]
    file = options.out / "models" / "mmproj-gemma3-F32.gguf"
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        as_published(Path(checkpoint) / "model.safetensors")
        preprocessor = dict(size=dict(height=PIXELS, width=PIXELS), **NORMALISATION)
        (Path(checkpoint) / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        export.export(Path(checkpoint), file, None, projector=True)
    with torch.no_grad():
        features = model.get_image_features(pixels[None])
    embeddings = getattr(features, "pooler_output", features)[0]
    vectors = options.out / "golden" / "mmproj-gemma3-F32.safetensors"
    save_file({"pixels": pixels.contiguous(), "embeddings": embeddings.contiguous()}, vectors)
    entry = dict(name="mmproj-gemma3", kind="vision", file=f"models/{file.name}", sha256=golden.sha256(file),
                 golden=f"golden/{vectors.name}", shape=list(embeddings.shape), bytes=file.stat().st_size)
    (options.out / "vision.json").write_text(json.dumps([entry], indent=1) + "\n")
    print(entry)


if __name__ == "__main__":
    main()
