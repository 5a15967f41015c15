"""Transforms of Winograd's F(4x4, 3x3) as CUDA kernels, for `quatnet.conv.gpu_winograd`."""

import numpy as np

from ..backend import Array, xp
from .formulas import linear
from .load import Pair, grid_2d, ints, launch


def transform_tiles(x: Array, matrix: np.ndarray, groups: int, tiles: Pair, padding: Pair) -> Array:
    """Return the transformed tiles (K, 36, N·TH·TW, C) of images `x` (K·N, H, W, C), M d Mᵀ for each tile d.

    K is `groups` and (TH, TW) is `tiles`, the number of tiles of an image. The `matrix` M is (6, 6) for tiles of 6 x 6
    pixels that overlap by two pixels, or (6, 4) for tiles of 4 x 4 pixels.
    """
    images, height, width, channels = x.shape
    batch = images // groups
    y = xp.empty((groups, 36, batch * tiles[0] * tiles[1], channels), dtype=x.dtype)
    kernel = ("winograd_input", "winograd_input", f"#define SIDE {matrix.shape[1]}\n{linear(matrix)}")
    sizes = ints(images, max(batch, 1), height, width, channels, *tiles, *padding)
    launch(kernel, grid_2d(images * tiles[0], tiles[1] * channels), x, y, *sizes)
    return y


def transform_products(products: Array, matrix: np.ndarray, tiles: Pair, size: Pair) -> Array:
    """Return the images (K·N, H, W, O) of `products` (K, 36, N·TH·TW, O), M m Mᵀ for each tile m.

    The `matrix` M is (4, 6). (TH, TW) is `tiles` and (H, W) is `size`.
    """
    groups, _, count, channels = products.shape
    batch = count // (tiles[0] * tiles[1])
    y = xp.empty((groups * batch, *size, channels), dtype=products.dtype)
    sizes = ints(groups * batch, max(batch, 1), *size, channels, *tiles)
    grid = grid_2d(groups * batch * tiles[0], tiles[1] * channels)
    launch(("winograd_output", "winograd_output", linear(matrix)), grid, products, y, *sizes)
    return y
