"""Batch normalization, ReLU and 2 x 2 average pooling in training on a CPU.

The op reads and writes each array once per pass. The output of the ReLU, which has four times the size of the result,
is not stored. The backward pass uses a mask of booleans.
"""

from collections.abc import Sequence

from .. import kernels
from ..autodiff import Tensor
from ..backend import Array, on_gpu, xp
from ..threads import parallel_for
from .batchnorm import (
    AllReduce,
    gradient_sums,
    image_rows,
    images_fit,
    input_gradient,
    input_gradient_coefficients,
    repeat_channels,
    row_slices,
)
from .pooling import average, average_gradient

SIZE = 2  # rows and columns of a window


def supports(x: Array) -> bool:
    """Return whether `batch_norm_relu_pool` is computed for `x`: images that fit the cache, on a CPU."""
    plain = not on_gpu() and not kernels.supports(x)
    return plain and x.ndim == 4 and min(x.shape[1:3]) >= SIZE and images_fit(x)


def batch_norm_relu_pool(
    x: Tensor, weight: Tensor, bias: Tensor, batch_stats: tuple[Array, Array], eps: float, all_reduce: AllReduce
) -> Tensor:
    """Return avg_pool2d(batch_norm(x, weight, bias, relu=True, ...)). Results and gradients are equal bit for bit.

    The arguments are those of `batch_norm`. `supports(x.data)` is true.
    """
    a, scale, (mean, variance) = x.data, weight.data, batch_stats
    inv_std = 1 / xp.sqrt(variance + a.dtype.type(eps))
    rows, height = image_rows(a), a.shape[1]
    factors = repeat_channels(scale * inv_std, rows)
    offsets = repeat_channels(bias.data - mean * scale * inv_std, rows)
    zeros, mask = xp.zeros_like(offsets), xp.empty(a.shape, dtype=bool)
    y = xp.empty((len(a), height // SIZE, a.shape[2] // SIZE, a.shape[3]), a.dtype)

    def images(chunk: slice) -> slice:
        return slice(chunk.start // height, chunk.stop // height)

    def forward(chunk: slice) -> None:
        normalized = rows[chunk] * factors
        normalized += offsets
        xp.greater(normalized, 0, out=image_rows(mask)[chunk])
        xp.maximum(normalized, zeros, out=normalized)
        average(normalized.reshape(-1, *a.shape[1:]), SIZE, y[images(chunk)])

    def backward(grad: Array) -> Sequence[Array | None]:
        masked = xp.empty(a.shape, dtype=a.dtype)

        def masked_grad(chunk: slice) -> Array:
            part = images(chunk)
            average_gradient(grad[part], SIZE, masked[part], mask[part])
            return image_rows(masked)[chunk]

        grad_bias, grad_weight = gradient_sums(a, mean, inv_std, masked_grad)
        grad_weight = grad_weight * inv_std
        if not x.requires_grad:
            return None, grad_weight, grad_bias
        coefficients = input_gradient_coefficients(a, mean, inv_std, scale, all_reduce, grad_weight, grad_bias)
        return input_gradient(masked, a, coefficients, masked), grad_weight, grad_bias

    parallel_for(forward, row_slices(a))
    return Tensor.from_op(y, (x, weight, bias), backward)
