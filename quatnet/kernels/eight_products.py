"""Input and output transforms of the eight products as CUDA kernels, alone and fused with im2col, col2im or relu.

Each `matrix` is a matrix of `quatnet.conv.fast.component_transforms`. Quaternions have the shape (rows, 4, C).
Transformed components and products have the shape (8, rows, C). Patches have the shape (8, N·OH·OW, KH·KW·C).
"""

import numpy as np

from ..backend import Array, xp
from .formulas import linear
from .load import Pair, grid_2d, ints, launch


def input_transform(x: Array, matrix: np.ndarray) -> Array:
    """Return the transformed components (8, rows, C) of quaternions `x` (rows, 4, C), for a `matrix` (8, 4)."""
    rows, _, channels = x.shape
    y = xp.empty((8, rows, channels), dtype=x.dtype)
    kernel = ("input_transform", "input_transform", linear(matrix))
    launch(kernel, grid_2d(rows, channels), x, y, rows, *ints(channels))
    return y


def input_transform_im2col(
    x: Array, matrix: np.ndarray, kernel: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Return the patches (8, N*OH*OW, KH*KW*C) of transformed images, for images `x` (N, H, W, 4, C).

    `matrix` (8, 4) is the input transform, `kernel` is the kernel size (KH, KW) and `size` is the output size (OH, OW).
    """
    images, height, width, _, channels = x.shape
    patches = xp.empty((8, images * size[0] * size[1], kernel[0] * kernel[1] * channels), dtype=x.dtype)
    options = ints(images, height, width, channels, *size, *kernel, *stride, *padding, *dilation)
    grid = grid_2d(images * size[0], size[1] * channels)
    launch(("input_transform", "input_transform_im2col", linear(matrix)), grid, x, patches, *options)
    return patches


def output_transform(products: Array, matrix: np.ndarray) -> Array:
    """Return the components (rows, 4, C) of `products` (8, rows, C), for the output transform `matrix` (4, 8)."""
    _, rows, channels = products.shape
    y = xp.empty((rows, 4, channels), dtype=products.dtype)
    kernel = ("output_transform", "output_transform", linear(matrix))
    launch(kernel, grid_2d(rows, channels), products, y, rows, *ints(channels))
    return y


def output_transform_relu(products: Array, matrix: np.ndarray, scale: Array, shift: Array) -> Array:
    """Return relu(scale · y + shift), (rows, 4, C), for the output transform y of `products` (8, rows, C).

    `matrix` is (4, 8), `scale` and `shift` are (4C,).
    """
    _, rows, channels = products.shape
    y = xp.empty((rows, 4, channels), dtype=products.dtype)
    kernel = ("output_transform", "output_transform_relu", linear(matrix))
    launch(kernel, grid_2d(rows, channels), products, scale, shift, y, rows, *ints(channels))
    return y


def output_transform_col2im(
    patches: Array,
    matrix: np.ndarray,
    shape: tuple[int, ...],
    kernel: Pair,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Array:
    """Return the output transform of the images that are sums of `patches` (8, N*OH*OW, KH*KW*C).

    The result has the shape `shape` (N, H, W, 4, C). `matrix` (4, 8) is the output transform, `kernel` is the kernel
    size (KH, KW) and `size` is the size (OH, OW) of the upstream gradient.
    """
    images, height, width, _, channels = shape
    x = xp.empty(shape, dtype=patches.dtype)
    options = ints(images, height, width, channels, *size, *kernel, *stride, *padding, *dilation)
    grid = grid_2d(images * height, width * channels)
    launch(("output_transform", "output_transform_col2im", linear(matrix)), grid, patches, x, *options)
    return x
