"""Writes `crates/gguf/src/blocks/grids.bin`: the points that the blocks of IQ types choose from.

Points are vectors of 8 (or 4) digits. Every list of them is sorted, the first digit being the least significant, so a
list is the set of its points: one bit for each vector there could be. The lists come from the PyPI package `gguf` (0.19).
Run with that package and numpy installed: `python make_grids.py`.
"""

import pathlib
import numpy as np
from gguf import quants

LISTS = ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_S", "IQ3_XXS", "IQ3_S"]

out = b""
for name in LISTS:
    ty = getattr(quants, name)
    ty.init_grid()
    points, values = ty.grid.reshape(ty.grid_shape), np.array(ty.grid_map)
    digits = np.searchsorted(values, points)
    assert (values[digits] == points).all()
    numbers = (digits * len(values) ** np.arange(points.shape[1])).sum(axis=1)
    assert (np.diff(numbers) > 0).all(), f"{name} is not sorted"
    bits = np.zeros(len(values) ** points.shape[1], dtype=np.uint8)
    bits[numbers] = 1
    out += np.packbits(bits, bitorder="little").tobytes()
pathlib.Path(__file__).parents[3].joinpath("crates/gguf/src/blocks/grids.bin").write_bytes(out)
print(len(out), "bytes")
