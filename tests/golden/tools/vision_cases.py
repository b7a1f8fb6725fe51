"""The vision halves of which `vision.py` makes golden cases. Processors are those that `AutoProcessor` takes where torchvision
is installed."""

from dataclasses import dataclass, field
from typing import Callable

import torch
import transformers
from transformers.models.gemma3.image_processing_gemma3 import Gemma3ImageProcessor
from transformers.models.gemma4 import image_processing_gemma4
from transformers.models.qwen2_vl import image_processing_qwen2_vl

WIDTH, PIXELS = 48, 56
TEXT = dict(vocab_size=512, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
            intermediate_size=64)
LINEAR_BOUNDS = {".input_min": (-1.2, 0.2), ".input_max": (1.2, 0.2), ".output_min": (-1.5, 0.2), ".output_max": (1.5, 0.2)}


@dataclass
class Case:
    name: str
    # A model with the weights that it begins with.
    build: Callable
    # A model and a picture to pixels `[3, height, width]` and vectors `[tokens, (1 + levels) * width]`.
    encode: Callable
    # A picture's width and height to those that it is stretched to.
    target: Callable
    mean: list[float]
    deviation: list[float]
    rules: dict = field(default_factory=dict)
    # What else must be done to the weights.
    prepare: Callable = lambda model: None
    # A tensor's name in published checkpoints, which the converter knows.
    published: Callable = lambda name: name


def built(cls, config):
    config._attn_implementation = "eager"
    return cls._from_config(config, dtype=torch.float32).eval()


# Gemma 3: 8 x 8 patches, of which each square of sixteen becomes one vector.


def build_gemma3():
    vision = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=72, image_size=PIXELS,
                  patch_size=7)
    text = dict(TEXT, sliding_window=16)
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return built(transformers.Gemma3ForConditionalGeneration, config)


def in_halves(model) -> None:
    """The converter writes this matrix in 16 bits whatever is asked for, so it has such numbers from the beginning."""
    projection = dict(model.named_parameters())["model.multi_modal_projector.mm_input_projection_weight"]
    projection.data = projection.data.half().float()


def encode_gemma3(model, picture):
    processor = Gemma3ImageProcessor(size=dict(height=PIXELS, width=PIXELS), image_mean=[0.5] * 3, image_std=[0.5] * 3)
    pixels = processor.preprocess(picture, return_tensors="pt")["pixel_values"][0]
    features = model.get_image_features(pixels[None])
    return pixels, features.pooler_output[0]


# Gemma 4, with bounds of linear layers and with standardised tokens, of which published models have one each. Small models
# have a half for sound in the same file.

GEMMA4 = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, head_dim=16,
              intermediate_size=72, patch_size=2, pooling_kernel_size=3, position_embedding_size=96,
              use_clipped_linears=True, standardize=True)
GEMMA4_SOUND = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, output_proj_dims=16,
                    subsampling_conv_channels=[4, 4])
GEMMA4_RULES = dict(LINEAR_BOUNDS, std_bias=(0.0, 0.5), std_scale=(1.0, 0.25))


def build_gemma4():
    text = dict(TEXT, hidden_size=16, layer_types=["full_attention"], sliding_window=16, hidden_size_per_layer_input=0,
                vocab_size_per_layer_input=512)
    config = transformers.Gemma4Config(text_config=text, vision_config=GEMMA4, audio_config=GEMMA4_SOUND)
    return built(transformers.Gemma4ForConditionalGeneration, config)


def encode_gemma4(model, picture):
    processor = image_processing_gemma4.Gemma4ImageProcessor(patch_size=GEMMA4["patch_size"])
    processed = processor.preprocess(picture, return_tensors="pt")
    patches, positions = processed["pixel_values"], processed["image_position_ids"]
    features = model.model.get_image_features(patches, positions)
    size, (across, down) = GEMMA4["patch_size"], (positions[0].max(dim=0).values + 1).tolist()
    picture = patches[0, : across * down].reshape(down, across, size, size, 3).permute(4, 0, 2, 1, 3)
    return picture.reshape(3, down * size, across * size), features.pooler_output[0]


def target_gemma4(size):
    patch, pool = GEMMA4["patch_size"], GEMMA4["pooling_kernel_size"]
    height, width = image_processing_gemma4.get_aspect_ratio_preserving_size(size[1], size[0], patch, 280 * pool**2, pool)
    # Pictures with more patches on a side than there are positions are refused by the model, not by the processor.
    if max(height, width) // patch > GEMMA4["position_embedding_size"]:
        raise ValueError("more patches than positions")
    return width, height


# Qwen3-VL, whose bounds of 64 and 16384 tokens are, with its patches of 16 x 16, those of published processors.

QWEN = dict(depth=3, hidden_size=24, num_heads=2, intermediate_size=56, patch_size=4, spatial_merge_size=2, out_hidden_size=16,
            num_position_embeddings=36)
QWEN_SQUARE = QWEN["patch_size"] * QWEN["spatial_merge_size"]
QWEN_LIMITS = dict(shortest_edge=64 * QWEN_SQUARE**2, longest_edge=16384 * QWEN_SQUARE**2)


def build_qwen3vl():
    text = dict(TEXT, hidden_size=16, rms_norm_eps=1e-6)
    config = transformers.Qwen3VLConfig(text_config=text, vision_config=dict(QWEN, deepstack_visual_indexes=[0, 2]))
    return built(transformers.Qwen3VLForConditionalGeneration, config)


def build_qwen35():
    text = dict(TEXT, hidden_size=16, rms_norm_eps=1e-6, layer_types=["full_attention"])
    config = transformers.Qwen3_5Config(text_config=text, vision_config=QWEN)
    return built(transformers.Qwen3_5ForConditionalGeneration, config)


def encode_qwen(model, picture):
    processor = image_processing_qwen2_vl.Qwen2VLImageProcessor(
        size=QWEN_LIMITS, patch_size=QWEN["patch_size"], merge_size=QWEN["spatial_merge_size"], image_mean=[0.5] * 3,
        image_std=[0.5] * 3)
    processed = processor.preprocess(picture, return_tensors="pt")
    patches, grid = processed["pixel_values"], processed["image_grid_thw"]
    features = model.model.get_image_features(patches, grid)
    levels = [torch.cat(list(level)) for level in getattr(features, "deepstack_features", None) or []]
    vectors = torch.cat([torch.cat(list(features.pooler_output)), *levels], dim=1)
    size, merge, (_, down, across) = QWEN["patch_size"], QWEN["spatial_merge_size"], grid[0].tolist()
    # Squares of patches, and two equal pictures of which the first is taken.
    parts = patches.reshape(down // merge, across // merge, merge, merge, 3, 2, size, size)[:, :, :, :, :, 0]
    picture = parts.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, down * size, across * size)
    return picture, vectors


def target_qwen(size):
    bounds = dict(min_pixels=QWEN_LIMITS["shortest_edge"], max_pixels=QWEN_LIMITS["longest_edge"])
    return image_processing_qwen2_vl.smart_resize(size[1], size[0], QWEN_SQUARE, **bounds)[::-1]


HALF = dict(mean=[0.5] * 3, deviation=[0.5] * 3)
CASES = {
    case.name: case
    for case in (
        Case("gemma3", build_gemma3, encode_gemma3, lambda size: (PIXELS, PIXELS), **HALF, prepare=in_halves,
             published=lambda name: name.replace("vision_tower.", "vision_tower.vision_model.")),
        Case("gemma4", build_gemma4, encode_gemma4, target_gemma4, mean=[0.0] * 3, deviation=[1.0] * 3, rules=GEMMA4_RULES),
        Case("qwen3vl", build_qwen3vl, encode_qwen, target_qwen, **HALF),
        Case("qwen35", build_qwen35, encode_qwen, target_qwen, **HALF),
    )
}
