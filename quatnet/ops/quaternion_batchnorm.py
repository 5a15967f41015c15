"""Quaternion batch normalization with one variance for the four components of a quaternion."""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ShapeError
from .batchnorm import batch_statistics
from .components import merge_components, split_components


def quaternion_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (4C,) and E|q - mean|² / 4 (C,) of `x` (..., 4C). Raises ShapeError for an empty batch."""
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
    """Return weight · (q - mean) / sqrt(variance + eps) + bias, with one scale for the four components.

    The variance E|q - mean|² / 4 is the mean of the variances of the components, so the components of the result have
    a variance of about 1, as in `batch_norm`. The source omits the 4, which halves the result. In training and with
    bias 0, f(x ⊗ u) = f(x) ⊗ u for a unit quaternion u.

    Parameters
    ----------
    x : tensor (..., 4C) in blocks r|i|j|k
    weight : real tensor (C,)
    bias : tensor (4C,)
    running_stats : running (mean, variance) as returned by `quaternion_statistics` for evaluation, constants. By
    default
        the statistics of `x` are used, and the gradient passes through them.
    eps : number added to the variance

    Raises ShapeError if the channels differ.

    Source: Q. Yin and others, Quaternion convolutional neural network for color image classification and
    forensics, 2019.
    """
    rows = split_components(x.data)
    if weight.shape != rows.shape[-1:] or bias.shape != x.shape[-1:]:
        expected = f"weight {rows.shape[-1:]} and bias {x.shape[-1:]}"
        raise ShapeError(f"expected {expected} for x {x.shape}, got {weight.shape} and {bias.shape}")
    rows = rows.reshape(-1, *rows.shape[-2:])
    mean, variance = quaternion_statistics(x.data) if running_stats is None else running_stats
    inv_std = 1 / xp.sqrt(variance + rows.dtype.type(eps))

    def backward(grad: Array) -> Sequence[Array]:
        grad_rows, normalized = grad.reshape(rows.shape), (rows - split_components(mean)) * inv_std
        grad_bias, grad_weight = _sum(grad_rows, 0), _sum(grad_rows * normalized, (0, 1))
        if running_stats is None:
            grad_rows = grad_rows - grad_bias / len(rows) - normalized * (grad_weight / (4 * len(rows)))
        return (grad_rows * (weight.data * inv_std)).reshape(grad.shape), grad_weight, merge_components(grad_bias)

    y = (rows - split_components(mean)) * (weight.data * inv_std) + split_components(bias.data)
    return Tensor.from_op(y.reshape(x.shape), (x, weight, bias), backward)


def _sum(a: Array, axis: int | tuple[int, ...]) -> Array:
    """Return the sum, accumulated in float64: float32 would lose digits over millions of rows."""
    return a.sum(axis=axis, dtype=np.float64).astype(a.dtype)
