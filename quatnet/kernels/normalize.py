"""Batch normalization of arrays (..., C) as CUDA kernels. `quatnet.ops.batchnorm` defines the operation."""

import numpy as np

from ..backend import Array, xp
from .load import MAX_GRID_Y, Size, grid_1d, grid_2d, ints, launch

CHUNK = 2048  # rows that a thread block sums, 256 rows per thread


def moments(x: Array, dtype: np.dtype | type = np.float64) -> Array:
    """Return mean and biased variance (2, C), in `dtype`, over all axes of `x` (..., C) except the last."""
    rows, out, chunk, size = _chunks(x)
    channels, statistics = x.shape[-1], xp.empty((2, x.shape[-1]), dtype=dtype)
    launch(("normalize", "moments"), size, x, out, rows, chunk, *ints(channels))
    options = ints(out.shape[1], channels)
    launch(("normalize", "statistics"), _lanes(channels), statistics, out, rows, chunk, *options)
    return statistics


def coefficients(mean: Array, variance: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Return 1 / sqrt(variance + eps), and `factor` and `offset` of `affine`, (3, C), for arrays (C,)."""
    out = xp.empty((3, len(mean)), dtype=mean.dtype)
    arrays = (mean, variance, weight, bias, out)
    launch(("normalize", "coefficients"), grid_1d(len(mean)), *arrays, *ints(len(mean)), float(eps))
    return out


def moving_averages(
    running: tuple[Array, Array], batch: tuple[Array, Array], momentum: float, correction: float
) -> tuple[Array, Array]:
    """Return the updated `running` mean and variance, for mean and variance of a `batch`.

    `correction` is the factor from the biased to the unbiased variance.
    """
    (mean, variance), count = running, running[0].size
    out = xp.empty(count + variance.size, dtype=mean.dtype)
    numbers = (*ints(count, out.size), float(momentum), float(correction))
    launch(("normalize", "moving_averages"), grid_1d(out.size), *running, *batch, out, *numbers)
    return out[:count].reshape(mean.shape), out[count:].reshape(variance.shape)


def affine(x: Array, factor: Array, offset: Array, relu: bool) -> Array:
    """Return factor · x + offset, followed by relu if `relu`. `x` is (..., C), `factor` and `offset` are (C,)."""
    rows, channels, y = x.size // x.shape[-1], x.shape[-1], xp.empty(x.shape, dtype=x.dtype)
    launch(("normalize", "affine"), grid_2d(rows, channels), x, factor, offset, y, rows, *ints(channels, relu))
    return y


def gradient_coefficients(
    grad: Array, x: Array, mean: Array, inv_std: Array, weight: Array, relu_output: Array | None
) -> Array:
    """Return the gradients of bias and weight, and `factor`, `x_factor` and `offset` of `input_gradient`, (5, C).

    `mean`, `inv_std` = 1 / sqrt(variance + eps) and `weight` are (C,). `relu_output` is the output of a relu after the
    batch norm, or None. Entries of `grad` for which `relu_output` is not positive are replaced by 0.
    """
    rows, sums, chunk, size = _chunks(x)
    channels, arrays = x.shape[-1], (grad, x, x if relu_output is None else relu_output, mean, sums)
    options = ints(channels, relu_output is not None)
    launch(("normalize", "gradient_sums"), size, *arrays, rows, chunk, *options)
    out, options = xp.empty((5, channels), dtype=x.dtype), ints(sums.shape[1], channels)
    kernel = ("normalize", "gradient_coefficients")
    launch(kernel, _lanes(channels), mean, inv_std, weight, sums, out, rows, *options)
    return out


def input_gradient(
    grad: Array, x: Array, factor: Array, x_factor: Array, offset: Array, relu_output: Array | None
) -> Array:
    """Return factor · grad + x_factor · x + offset, the gradient of batch normalization with respect to x.

    `factor`, `x_factor` and `offset` are (C,). `relu_output` has the same meaning as in `gradient_coefficients`.
    """
    rows, channels, grad_x = x.size // x.shape[-1], x.shape[-1], xp.empty(x.shape, dtype=x.dtype)
    arrays = (grad, x, x if relu_output is None else relu_output, factor, x_factor, offset, grad_x)
    options = ints(channels, relu_output is not None)
    launch(("normalize", "input_gradient"), grid_2d(rows, channels), *arrays, rows, *options)
    return grad_x


def _chunks(x: Array) -> tuple[int, Array, int, tuple[Size, Size]]:
    """Return the number of rows, an array (2, chunks, C) for two sums, the rows per chunk, and (grid, block)."""
    channels = x.shape[-1]
    rows = x.size // channels
    chunk = max(CHUNK, -(-rows // MAX_GRID_Y))
    count = -(-rows // chunk)
    out = xp.empty((2, count, channels), dtype=np.float64)
    return rows, out, chunk, ((-(-channels // 32), count), (32, 8))


def _lanes(channels: int) -> tuple[Size, Size]:
    """Return grid and block size for 32 threads per channel."""
    return (-(-channels // 8),), (8, 32)
