"""Quaternion batch normalization with one variance for the four components of a quaternion."""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor, op
from ..autodiff.arrays import accurate_sum
from ..backend import Array, xp
from ..checks import checked_number
from ..errors import ShapeError
from .batchnorm import AllReduce, batch_statistics
from .components import merge_components, split_components


def quaternion_statistics(x: Array, all_reduce: AllReduce = None) -> tuple[Array, Array, float]:
    """Return the mean (4C,), the variance (C,) and the number of entries of each channel of `x` (..., 4C).

    The variance is the mean of |q - mean|² / 4. With `all_reduce`, the statistics are those of `x` in all processes.
    Raises ShapeError for an empty batch.
    """
    mean, variance, count = batch_statistics(x, all_reduce)
    return mean, split_components(variance).mean(axis=0), count


@op
def quaternion_batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_stats: tuple[Array, Array] | None = None,
    *,
    eps: float = 1e-5,
    batch_stats: tuple[Array, Array] | None = None,
    all_reduce: AllReduce = None,
) -> Tensor:
    """Return weight · (q - mean) / sqrt(variance + eps) + bias, with one variance for the four components.

    The variance is the mean of |q - mean|² / 4, which is the mean of the variances of the components. The components of
    the normalized quaternions therefore have a variance of about 1, as in `batch_norm`. The source omits the factor
    1/4, which halves the normalized quaternions. In training with bias 0, f(x ⊗ u) = f(x) ⊗ u for a unit quaternion u.

    Parameters
    ----------
    x : tensor (..., 4C) in blocks r|i|j|k
    weight : real tensor (C,)
    bias : tensor (4C,)
    running_stats : running (mean, variance), constants for evaluation. By default the statistics of `x` are used. The
        gradient is then also propagated through the statistics.
    eps : number added to the variance
    batch_stats : (mean, variance) of `x` from `quaternion_statistics`, if they are already computed
    all_reduce : function that sums an array over several processes; the batch then consists of `x` in all processes

    Raises ShapeError if the numbers of channels differ.

    Source: Q. Yin and others, Quaternion convolutional neural network for color image classification and
    forensics, 2019.
    """
    rows = split_components(x.data)
    shapes = [weight.shape, bias.shape, *map(np.shape, running_stats or ())]
    if shapes != [rows.shape[-1:], x.shape[-1:], x.shape[-1:], rows.shape[-1:]][: len(shapes)]:
        expected = f"weight {rows.shape[-1:]}, bias and mean {x.shape[-1:]}, variance {rows.shape[-1:]}"
        raise ShapeError(f"expected {expected} for x {x.shape}, got {shapes}")
    rows = rows.reshape(-1, *rows.shape[-2:])
    mean, variance = running_stats or batch_stats or quaternion_statistics(x.data, all_reduce)[:2]
    inv_std = 1 / xp.sqrt(variance + rows.dtype.type(checked_number("eps", eps, "[0, inf)")))
    scale = weight.data * inv_std

    def backward(grad: Array) -> Sequence[Array]:
        grad_rows, normalized = grad.reshape(rows.shape), (rows - split_components(mean)) * inv_std
        grad_bias, grad_weight = accurate_sum(grad_rows, 0), accurate_sum(grad_rows * normalized, (0, 1))
        if running_stats is None:
            sums = xp.vstack([xp.full_like(grad_weight, len(rows)), grad_weight, grad_bias])
            count, total_weight, *total_bias = all_reduce(sums) if all_reduce else sums
            grad_rows = grad_rows - xp.stack(total_bias) / count - normalized * (total_weight / (4 * count))
        return (grad_rows * scale).reshape(grad.shape), grad_weight, merge_components(grad_bias)

    y = (rows - split_components(mean)) * scale + split_components(bias.data)
    return Tensor.from_op(y.reshape(x.shape), (x, weight, bias), backward)
