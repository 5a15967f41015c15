"""The sums around the eight products as kernels: the matrices of `fast.mixing`, applied to components and planes.

Quaternions lie as (rows, 4, C), the planes of the products as (8, rows, C), patches of them as (8, N·OH·OW, KH·KW·C).
"""

from functools import cache

import numpy as np

from ..backend import Array, xp
from .formulas import linear
from .load import ints, launch, over

Pair = tuple[int, int]
Matrix = tuple[tuple[float, ...], ...]  # rows of numbers, which a cache can know again


def mix(x: Array, matrix: np.ndarray) -> Array:
    """Return the planes (8, rows, C) = matrix (8, 4) · components of `x` (rows, 4, C)."""
    rows, _, channels = x.shape
    planes = xp.empty((8, rows, channels), dtype=x.dtype)
    launch(("planes", "mix", _text(matrix)), over(rows, channels), x, planes, rows, *ints(channels))
    return planes


def mix_patches(
    x: Array, matrix: np.ndarray, kernel: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Return the patches (8, N*OH*OW, KH*KW*C) of the planes of images `x` (N, H, W, 4, C); `size` is (OH, OW)."""
    images, height, width, _, channels = x.shape
    patches = xp.empty((8, images * size[0] * size[1], kernel[0] * kernel[1] * channels), dtype=x.dtype)
    options = ints(images, height, width, channels, *size, *kernel, *stride, *padding, *dilation)
    place = over(images * size[0], size[1] * channels)
    launch(("planes", "mix_patches", _text(matrix)), place, x, patches, *options)
    return patches


def unmix(planes: Array, matrix: np.ndarray) -> Array:
    """Return the components (rows, 4, C) = matrix (4, 8) · planes (8, rows, C)."""
    _, rows, channels = planes.shape
    y = xp.empty((rows, 4, channels), dtype=planes.dtype)
    launch(("components", "unmix", _text(matrix)), over(rows, channels), planes, y, rows, *ints(channels))
    return y


def unmix_relu(planes: Array, matrix: np.ndarray, scale: Array, shift: Array) -> Array:
    """Return max(scale · unmix(planes) + shift, 0), `scale` and `shift` (4C,) for each component and channel."""
    _, rows, channels = planes.shape
    y = xp.empty((rows, 4, channels), dtype=planes.dtype)
    kernel = ("components", "unmix_relu", _text(matrix))
    launch(kernel, over(rows, channels), planes, scale, shift, y, rows, *ints(channels))
    return y


def unmix_patches(
    patches: Array,
    matrix: np.ndarray,
    shape: tuple[int, ...],
    kernel: Pair,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Array:
    """Return images of `shape` (N, H, W, 4, C): patches (8, N*OH*OW, KH*KW*C) unmixed and added to their pixels."""
    images, height, width, _, channels = shape
    x = xp.empty(shape, dtype=patches.dtype)
    options = ints(images, height, width, channels, *size, *kernel, *stride, *padding, *dilation)
    place = over(images * height, width * channels)
    launch(("components", "unmix_patches", _text(matrix)), place, patches, x, *options)
    return x


def _text(matrix: np.ndarray) -> str:
    return _formula(tuple(map(tuple, matrix.tolist())))


@cache
def _formula(matrix: Matrix) -> str:
    return linear(np.array(matrix))
