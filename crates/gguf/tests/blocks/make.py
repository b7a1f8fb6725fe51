"""Writes one golden file a block type: the bytes of random blocks, then their values as float32.

The values come from the reference implementation in the PyPI package `gguf` (0.19). Run with that package and numpy
installed: `python make.py`. Half floats of scales are drawn finite, everything else is random.
"""

import pathlib
import numpy as np
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES
from gguf.quants import dequantize

HALVES = {  # type: offsets of the half floats in a block
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [],
    T.NVFP4: [], T.IQ1_S: [0], T.IQ1_M: [], T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0],
    T.TQ1_0: [52], T.TQ2_0: [64], T.Q1_0: [0],
}
OLD = list(HALVES)[:13]  # whose files have one block
rng = np.random.default_rng(20)
for ty, offsets in HALVES.items():
    size, width = GGML_QUANT_SIZES[ty]
    count = 1 if size == 256 and ty in OLD else 4
    blocks = rng.integers(0, 256, (count, width), dtype=np.uint8)
    for at in offsets:
        scales = rng.normal(0, 0.05, (count, 1)).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8)
    if ty == T.IQ1_M:  # a half float in the upper bits of four words
        blocks[:, [49, 51, 53, 55]] = blocks[:, [49, 51, 53, 55]] & 0x0F | np.array([0x20, 0x50, 0x60, 0x20], np.uint8)
    if ty == T.MXFP4:
        blocks[:, 0] = [0, 1, 120, 131]
    if ty == T.Q1_0:  # which the package does not dequantise
        bits = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float32)
        values = (2 * bits - 1) * blocks[:, :2].copy().view(np.float16).astype(np.float32)
    else:
        values = dequantize(blocks, ty).astype("<f4")
    assert values.size == count * size and np.isfinite(values).all()
    path = pathlib.Path(__file__).with_name(f"{ty.name.lower()}.bin")
    path.write_bytes(blocks.tobytes() + values.tobytes())
