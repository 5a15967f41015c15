"""Batch normalization with one variance for a whole quaternion."""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ShapeError
from .batchnorm import batch_statistics
from .components import merge_components, split_components


def quaternion_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (4C,) and E|q - mean|² / 4 (C,) of `x` (..., 4C) over all rows; ShapeError for no rows."""
    mean, variance = batch_statistics(x)
    return mean, split_components(variance).mean(axis=0)


def quaternion_batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_stats: tuple[Array, Array] | None = None,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """Return weight · (q - mean) / sqrt(variance + epsilon) + bias, all four components by one factor.

    The variance E|q - mean|² / 4 is the mean of the components' variances, so that a component ends at about 1
    as in `batch_norm`; the source leaves out the 4, which halves the result. `x` is (..., 4C) in blocks r|i|j|k,
    `weight` (C,) real, `bias` (4C,); `running_stats` are running ones as `quaternion_statistics` gives them,
    constants; without them they are those of `x`, and the gradient passes through them.

    Equivariant in training, with shift 0: f(x ⊗ u) = f(x) ⊗ u for a unit quaternion u; a real factor on x
    changes nothing but epsilon's share. Raises ShapeError where the channels disagree.

    Source: Q. Yin and others, Quaternion convolutional neural network for color image classification and
    forensics, 2019.
    """
    rows = split_components(x.data)
    if weight.shape != rows.shape[-1:] or bias.shape != x.shape[-1:]:
        expected = f"weight {rows.shape[-1:]} and bias {x.shape[-1:]}"
        raise ShapeError(f"expected {expected} for x {x.shape}, got {weight.shape} and {bias.shape}")
    rows = rows.reshape(-1, *rows.shape[-2:])
    mean, variance = quaternion_statistics(x.data) if running_stats is None else running_stats
    inverse = 1 / xp.sqrt(variance + rows.dtype.type(eps))

    def backward(g: Array) -> Sequence[Array]:
        g_rows, normal = g.reshape(rows.shape), (rows - split_components(mean)) * inverse
        g_shift, g_scale = _sum(g_rows, 0), _sum(g_rows * normal, (0, 1))
        if running_stats is None:
            g_rows = g_rows - g_shift / len(rows) - normal * (g_scale / (4 * len(rows)))
        return (g_rows * (weight.data * inverse)).reshape(g.shape), g_scale, merge_components(g_shift)

    y = (rows - split_components(mean)) * (weight.data * inverse) + split_components(bias.data)
    return Tensor.from_op(y.reshape(x.shape), (x, weight, bias), backward)


def _sum(a: Array, axis: int | tuple[int, ...]) -> Array:
    """Summed in float64: float32 would lose digits over millions of rows."""
    return a.sum(axis=axis, dtype=np.float64).astype(a.dtype)
