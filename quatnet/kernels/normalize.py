"""Batch normalization as kernels on rows (rows, C); `quatnet.ops.batchnorm` says what they compute."""

import numpy as np

from ..backend import Array, xp
from .load import MOST_DOWN, Size, ints, launch, over

CHUNK = 2048  # rows that a block sums up: 256 for each of its threads


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance (C,), in float64, over all axes of `x` (..., C) but the last.

    Chunks are joined at their joint mean: n_k of them with mean m_k add n_k (m_k - mean)² to the sum of squares.
    """
    rows, out, chunk, size = _chunks(x)
    launch(("normalize", "moments"), size, x, out, rows, chunk, *ints(x.shape[-1]))
    means, squares = out
    counts = xp.minimum(chunk, rows - chunk * xp.arange(len(means)))[:, None]
    mean = (counts * means).sum(axis=0) / rows
    return mean, (squares + counts * (means - mean) ** 2).sum(axis=0) / rows


def affine(x: Array, factor: Array, offset: Array, relu: bool) -> Array:
    """Return factor · x + offset for each channel, and max(·, 0) of it with `relu`."""
    rows, channels, y = x.size // x.shape[-1], x.shape[-1], xp.empty(x.shape, dtype=x.dtype)
    launch(("normalize", "affine"), over(rows, channels), x, factor, offset, y, rows, *ints(channels, relu))
    return y


def gradient_sums(g: Array, x: Array, mean: Array, relu: Array | None) -> Array:
    """Return Σ g and Σ g · (x - mean), (2, C): of the g with `relu` > 0, where the result of a relu is given."""
    rows, out, chunk, size = _chunks(x)
    passed = (x if relu is None else relu, mean)
    launch(("normalize", "gradient_sums"), size, g, x, *passed, out, rows, chunk, *ints(x.shape[-1], relu is not None))
    return out.sum(axis=1).astype(x.dtype)


def input_gradient(g: Array, x: Array, factor: Array, slope: Array, offset: Array, relu: Array | None) -> Array:
    """Return factor · g + slope · x + offset for each channel, of the g that a relu let pass."""
    rows, channels, gx = x.size // x.shape[-1], x.shape[-1], xp.empty(x.shape, dtype=x.dtype)
    y, last = (x if relu is None else relu), ints(channels, relu is not None)
    launch(("normalize", "input_gradient"), over(rows, channels), g, x, y, factor, slope, offset, gx, rows, *last)
    return gx


def _chunks(x: Array) -> tuple[int, Array, int, tuple[Size, Size]]:
    """The rows, room for two sums (2, chunks, C) of their chunks, the rows of a chunk, and grid and block."""
    channels = x.shape[-1]
    rows = x.size // channels
    chunk = max(CHUNK, -(-rows // MOST_DOWN))
    count = -(-rows // chunk)
    out = xp.empty((2, count, channels), dtype=np.float64)
    return rows, out, chunk, ((-(-channels // 32), count), (32, 8))
