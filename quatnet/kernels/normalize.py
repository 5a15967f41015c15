"""Batch normalization of arrays (..., C) as CUDA kernels. `quatnet.ops.batchnorm` defines the operation."""

import numpy as np

from ..backend import Array, xp
from .load import MAX_GRID_Y, Size, grid_2d, ints, launch

CHUNK = 2048  # rows that a thread block sums, 256 rows per thread


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance (C,), in float64, over all axes of `x` (..., C) except the last.

    The statistics are computed for chunks of rows. The sum of squared deviations of all rows is the sum over the
    chunks, plus n_k (m_k - mean)² for each chunk k with n_k rows and the mean m_k.
    """
    rows, out, chunk, size = _chunks(x)
    launch(("normalize", "moments"), size, x, out, rows, chunk, *ints(x.shape[-1]))
    means, squares = out
    counts = xp.minimum(chunk, rows - chunk * xp.arange(len(means)))[:, None]
    mean = (counts * means).sum(axis=0) / rows
    return mean, (squares + counts * (means - mean) ** 2).sum(axis=0) / rows


def affine(x: Array, factor: Array, offset: Array, relu: bool) -> Array:
    """Return factor · x + offset, followed by relu if `relu`. `x` is (..., C), `factor` and `offset` are (C,)."""
    rows, channels, y = x.size // x.shape[-1], x.shape[-1], xp.empty(x.shape, dtype=x.dtype)
    launch(("normalize", "affine"), grid_2d(rows, channels), x, factor, offset, y, rows, *ints(channels, relu))
    return y


def gradient_sums(grad: Array, x: Array, mean: Array, relu_output: Array | None) -> Array:
    """Return the sums of grad and of grad · (x - mean) over all axes except the last, (2, C).

    `relu_output` is the output of a relu after the batch norm, or None. Entries of `grad` for which `relu_output` is
    not positive are replaced by 0.
    """
    rows, out, chunk, size = _chunks(x)
    arrays = (x if relu_output is None else relu_output, mean)
    options = ints(x.shape[-1], relu_output is not None)
    launch(("normalize", "gradient_sums"), size, grad, x, *arrays, out, rows, chunk, *options)
    return out.sum(axis=1).astype(x.dtype)


def input_gradient(
    grad: Array, x: Array, factor: Array, x_factor: Array, offset: Array, relu_output: Array | None
) -> Array:
    """Return factor · grad + x_factor · x + offset, the gradient of batch normalization with respect to x.

    `factor`, `x_factor` and `offset` are (C,). `relu_output` has the same meaning as in `gradient_sums`.
    """
    rows, channels, grad_x = x.size // x.shape[-1], x.shape[-1], xp.empty(x.shape, dtype=x.dtype)
    arrays = (grad, x, x if relu_output is None else relu_output, factor, x_factor, offset, grad_x)
    launch(
        ("normalize", "input_gradient"),
        grid_2d(rows, channels),
        *arrays,
        rows,
        *ints(channels, relu_output is not None),
    )
    return grad_x


def _chunks(x: Array) -> tuple[int, Array, int, tuple[Size, Size]]:
    """Return the number of rows, an array (2, chunks, C) for two sums, the rows per chunk, and (grid, block)."""
    channels = x.shape[-1]
    rows = x.size // channels
    chunk = max(CHUNK, -(-rows // MAX_GRID_Y))
    count = -(-rows // chunk)
    out = xp.empty((2, count, channels), dtype=np.float64)
    return rows, out, chunk, ((-(-channels // 32), count), (32, 8))
