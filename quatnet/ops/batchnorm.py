"""Batch normalization.

The op processes the data in chunks that fit the cache. An image row of W pixels and C channels
is treated as W·C numbers, and the factors of the channels are repeated W times. The inner loops of NumPy then have
length W·C instead of C.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from .. import kernels
from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..checks import checked_number
from ..errors import ShapeError
from ..threads import CACHE_BYTES, chunk_slices, parallel_for, parallel_map

MAX_ROWS = 8192
CANCELLATION = 4  # largest ratio of Σx² and Σ(x - mean)² for which the entries are not centered
AllReduce = Callable[[Array], Array] | None  # returns the sum over all processes


def batch_statistics(x: Array, all_reduce: AllReduce = None) -> tuple[Array, Array, float]:
    """Return the mean (C,), the biased variance (C,) and the number of entries of each channel of `x` (..., C).

    Each chunk is centered with its own mean. The statistics of the chunks are combined in float64, so the result is
    accurate for millions of float32 entries. With `all_reduce`, the statistics are those of `x` in all processes.
    Raises ShapeError for an empty batch or one axis.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, 1983, eq. 1.5.
    """
    if x.ndim < 2 or x.size == 0:
        raise ShapeError(
            f"expected (..., C) with at least one entry per channel, got shape {x.shape}; skip empty batches"
        )
    use_kernel, dtype = kernels.supports(x), np.float64 if all_reduce else x.dtype
    mean, variance = kernels.normalize.moments(x, dtype) if use_kernel else _combined_moments(x)
    count = x.size / x.shape[-1]
    if all_reduce:
        moments = xp.stack([xp.full(len(mean), count), count * mean, count * (variance + mean**2)])
        counts, sums, squares = all_reduce(moments)
        count = float(counts[0])
        mean, variance = sums / count, squares / count - (sums / count) ** 2
    return mean.astype(x.dtype, copy=False), variance.astype(x.dtype, copy=False), count


def _combined_moments(x: Array) -> tuple[Array, Array]:
    channels, rows = x.shape[-1], image_rows(x)
    count, mean, squares = 0, xp.zeros(channels), xp.zeros(channels)
    moments = parallel_map(lambda chunk: _moments(rows[chunk], channels), row_slices(x))
    for n, chunk_mean, chunk_squares in moments:
        delta = chunk_mean - mean
        squares = squares + chunk_squares + delta**2 * (count * n / (count + n))
        mean = mean + delta * (n / (count + n))
        count += n
    return mean, squares / count


@op
def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_stats: tuple[Array, Array] | None = None,
    *,
    relu: bool = False,
    eps: float = 1e-5,
    batch_stats: tuple[Array, Array] | None = None,
    all_reduce: AllReduce = None,
) -> Tensor:
    """Return weight · (x - mean) / sqrt(variance + eps) + bias for each channel of `x` (..., C).

    Parameters
    ----------
    x : tensor (..., C)
    weight, bias : tensors (C,)
    running_stats : running (mean, variance) for evaluation, constants. By default the statistics of `x` are used. The
        gradient is then also propagated through the statistics.
    relu : whether max(·, 0) is applied to the result in the same pass over memory
    eps : number added to the variance
    batch_stats : (mean, variance) of `x`, if they are already computed
    all_reduce : function that sums an array over several processes; the batch then consists of `x` in all processes

    Raises ShapeError if the numbers of channels differ.

    Source: S. Ioffe, C. Szegedy, Batch normalization, 2015.
    """
    shapes = [weight.shape, bias.shape, *map(np.shape, running_stats or ())]
    if len(x.shape) < 2 or any(shape != x.shape[-1:] for shape in shapes):
        found = ", ".join(map(str, shapes))
        raise ShapeError(f"expected x (..., C), weight, bias and running statistics (C,), got {x.shape}, {found}")
    a, scale = x.data, weight.data
    mean, variance = running_stats or batch_stats or batch_statistics(a, all_reduce)[:2]
    eps = a.dtype.type(checked_number("eps", eps, "[0, inf)"))
    inv_std, factor, offset = _coefficients(a, mean, variance, scale, bias.data, eps)
    y = _affine(a, factor, offset, relu)

    def backward(grad: Array) -> Sequence[Array | None]:
        factors: Sequence[Array] = ()
        relu_output = y if relu else None
        if kernels.supports(grad, a, mean, inv_std, scale):
            vectors = kernels.normalize.gradient_coefficients(grad, a, mean, inv_std, scale, relu_output)
            grad_bias, grad_weight, *factors = vectors
        else:
            (grad_bias, grad_weight), grad = _parameter_gradients(grad, a, mean, inv_std, relu_output)
            grad_weight = grad_weight * inv_std
        if not x.requires_grad:
            return None, grad_weight, grad_bias
        if running_stats is not None:  # constants
            zeros = xp.zeros_like(inv_std)
            factors = scale * inv_std, zeros, zeros
        elif all_reduce or not factors:
            factors = input_gradient_coefficients(a, mean, inv_std, scale, all_reduce, grad_weight, grad_bias)
        return input_gradient(grad, a, factors, relu_output), grad_weight, grad_bias

    return Tensor.from_op(y, (x, weight, bias), backward)


def image_rows(x: Array) -> Array:
    return x.reshape(math.prod(x.shape[:-2]), x.shape[-2] * x.shape[-1]) if x.ndim > 2 else x


def row_slices(x: Array) -> list[slice]:
    """Return slices of the image rows of `x` such that two arrays fit the cache. A slice has whole images if they fit.

    A float32 sum has at most `MAX_ROWS` terms.
    """
    height, row_bytes = math.prod(x.shape[1:-2]), _row_bytes(x)
    if not images_fit(x):
        return chunk_slices(len(x) * height, row_bytes)
    return [slice(part.start * height, part.stop * height) for part in chunk_slices(len(x), height * row_bytes)]


def images_fit(x: Array) -> bool:
    """Return whether a slice of `row_slices` has whole images."""
    return math.prod(x.shape[1:-2]) * _row_bytes(x) <= CACHE_BYTES


def _row_bytes(x: Array) -> int:
    return max(2 * image_rows(x)[:1].nbytes, CACHE_BYTES // MAX_ROWS)


def repeat_channels(channel: Array, rows: Array) -> Array:
    return xp.repeat(channel[None], rows.shape[1] // len(channel), axis=0).reshape(-1)


def _column_sums(rows: Array, channels: int) -> Array:
    """Return the sum of each channel, computed as a product with ones, which is faster than sum(axis=0)."""
    return (xp.ones(len(rows), dtype=rows.dtype) @ rows).reshape(-1, channels).sum(axis=0)


def _column_products(a: Array, b: Array, channels: int) -> Array:
    """Return the sum of a · b for each channel, computed without a temporary array."""
    return xp.einsum("ij,ij->j", a, b).reshape(-1, channels).sum(axis=0)


def _moments(rows: Array, channels: int) -> tuple[int, Array, Array]:
    """Return the number of entries, the mean and the sum of squared deviations of each channel.

    The sum of squared deviations is Σx² - n mean², unless the difference would lose more than two bits. The entries are
    then centered. The rounding error of the mean is corrected with the mean of the centered entries.
    """
    count = rows.size // channels
    mean = _column_sums(rows, channels) / rows.dtype.type(count)
    total = _column_products(rows, rows, channels).astype(np.float64)
    squares = total - count * mean.astype(np.float64) ** 2
    if (CANCELLATION * squares > total).all():
        return count, mean.astype(np.float64), squares
    centered = rows - repeat_channels(mean, rows)
    residual_mean = _column_sums(centered, channels) / rows.dtype.type(count)
    squares = _column_products(centered, centered, channels) - count * residual_mean**2
    return count, mean.astype(np.float64) + residual_mean, squares


def _coefficients(
    x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Return 1 / sqrt(variance + eps), and the factor and the offset of `_affine`."""
    if kernels.supports(x, mean, variance, weight, bias):
        return tuple(kernels.normalize.coefficients(mean, variance, weight, bias, eps))
    inv_std = 1 / xp.sqrt(variance + eps)
    return inv_std, weight * inv_std, bias - mean * weight * inv_std


def _affine(x: Array, factor: Array, offset: Array, relu: bool) -> Array:
    if kernels.supports(x, factor, offset):
        return kernels.normalize.affine(x, factor, offset, relu)
    rows, y = image_rows(x), xp.empty(x.shape, dtype=x.dtype)
    result, factors, offsets = image_rows(y), repeat_channels(factor, rows), repeat_channels(offset, rows)
    zeros = xp.zeros_like(offsets)

    def work(chunk: slice) -> None:
        out = xp.multiply(rows[chunk], factors, out=result[chunk])
        out += offsets
        if relu:
            xp.maximum(out, zeros, out=out)  # three times as fast as xp.maximum with the scalar 0

    parallel_for(work, row_slices(x))
    return y


def _parameter_gradients(
    grad: Array, x: Array, mean: Array, inv_std: Array, relu_output: Array | None
) -> tuple[Array, Array]:
    """Return the sums of grad and of grad · (x - mean) for each channel, (2, C), and the grad for `input_gradient`.

    If `relu_output` is given, grad is first set to 0 where `relu_output` is 0, in a new array.
    """
    if relu_output is None:
        return gradient_sums(x, mean, inv_std, lambda chunk: image_rows(grad)[chunk]), grad
    masked = xp.empty(x.shape, dtype=x.dtype)
    grad_rows, masked_rows, relu_output_rows = image_rows(grad), image_rows(masked), image_rows(relu_output)

    def masked_grad(chunk: slice) -> Array:
        out = masked_rows[chunk]
        xp.copyto(out, relu_output_rows[chunk] > 0)  # faster than a product of floats and booleans
        out *= grad_rows[chunk]
        return out

    return gradient_sums(x, mean, inv_std, masked_grad), masked


def gradient_sums(x: Array, mean: Array, inv_std: Array, grad: Callable[[slice], Array]) -> Array:
    """Return the sums of grad and of grad · (x - mean) for each channel, (2, C).

    `grad(chunk)` returns the gradient of a slice of the image rows. Unless the mean is much larger than the standard
    deviation, the second sum is computed as Σ grad · x - mean Σ grad.
    """
    channels, rows = x.shape[-1], image_rows(x)
    means = repeat_channels(mean, rows) if ((mean * inv_std) ** 2 > CANCELLATION - 1).any() else None

    def work(chunk: slice) -> Array:
        rows_grad, entries = grad(chunk), rows[chunk] if means is None else rows[chunk] - means
        total, products = _column_sums(rows_grad, channels), _column_products(entries, rows_grad, channels)
        return xp.stack([total, products - mean * total if means is None else products])

    return sum(parallel_map(work, row_slices(x)), xp.zeros((2, channels), dtype=x.dtype))


def input_gradient_coefficients(
    x: Array, mean: Array, inv_std: Array, weight: Array, all_reduce: AllReduce, grad_weight: Array, grad_bias: Array
) -> tuple[Array, Array, Array]:
    """Return the factor of grad, the factor of x and the offset in the input gradient.

    With the normalized input x̂ = (x - mean) · inv_std, the input gradient is
    weight · inv_std · (grad - mean(grad) - x̂ · mean(grad · x̂)).
    """
    count = x.dtype.type(x.size // x.shape[-1])
    if all_reduce:
        count, grad_weight, grad_bias = all_reduce(xp.stack([xp.full_like(mean, count), grad_weight, grad_bias]))
    x_factor = -weight * inv_std**2 * grad_weight / count
    return weight * inv_std, x_factor, -weight * inv_std * grad_bias / count - x_factor * mean


def input_gradient(grad: Array, x: Array, factors: Sequence[Array], relu_output: Array | None) -> Array:
    """Return factor · grad + x_factor · x + offset, for the grad of `_parameter_gradients`, which may be changed.

    `factors` are factor, x_factor and offset.
    """
    factor, x_factor, offset = factors
    if kernels.supports(grad, x, factor):
        return kernels.normalize.input_gradient(grad, x, factor, x_factor, offset, relu_output)
    grad_x = xp.empty(x.shape, dtype=x.dtype) if relu_output is None else grad
    rows, grad_rows, result = image_rows(x), image_rows(grad), image_rows(grad_x)
    factor, x_factor, offset = (repeat_channels(v, rows) for v in factors)

    def work(chunk: slice) -> None:
        out = xp.multiply(grad_rows[chunk], factor, out=result[chunk])
        out += offset
        out += rows[chunk] * x_factor

    parallel_for(work, row_slices(x))
    return grad_x
