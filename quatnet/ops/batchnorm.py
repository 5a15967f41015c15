"""Batch normalization over the last axis, and dropout.

Both walk over memory in pieces. An image row, W pixels of C channels, is handled as one row of W·C numbers
with the per-channel factors repeated W times: NumPy's inner loops are then long instead of C entries short.
"""

from collections.abc import Sequence

import numpy as np

from .. import kernels
from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ConfigError, ShapeError
from ..threads import CACHE_BYTES, chunk_slices, parallel_for, parallel_map, parallel_ufunc

MOST_ROWS = 8192


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of `x` (..., C) over all axes but the last: two arrays (C,).

    Each piece is centered on its own mean while it is in cache; pieces are joined in float64, so that float32
    data keep their accuracy over millions of rows. Raises ShapeError for an empty batch.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, 1983, eq. 1.5.
    """
    if x.size == 0:
        raise ShapeError(f"batch statistics need at least one row, got shape {x.shape}; leave empty batches out")
    if kernels.supports(x):
        mean, variance = kernels.normalize.moments(x)
        return mean.astype(x.dtype), variance.astype(x.dtype)
    channels, wide = x.shape[-1], _wide(x)
    count, mean, squares = 0, xp.zeros(channels), xp.zeros(channels)
    parts = parallel_map(lambda part: _moments(wide[part], channels), _chunk_slices(wide))
    for n, part_mean, part_squares in parts:
        step = part_mean - mean
        squares = squares + part_squares + step**2 * (count * n / (count + n))
        mean = mean + step * (n / (count + n))
        count += n
    return mean.astype(x.dtype), (squares / count).astype(x.dtype)


def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_stats: tuple[Array, Array] | None = None,
    *,
    relu: bool = False,
    eps: float = 1e-5,
    batch_stats: tuple[Array, Array] | None = None,
) -> Tensor:
    """Return weight · (x - mean) / sqrt(variance + epsilon) + bias for `x` (..., C), each channel by itself.

    `running_stats` are the running (mean, variance), constants, at evaluation. Without them they are those of
    `x`, and the gradient passes through them; `of_batch` saves computing them where they are at hand. `relu` takes
    max(·, 0) in the same walk over memory.
    Raises ShapeError where the channels disagree.

    Source: S. Ioffe, C. Szegedy, Batch normalization, 2015.
    """
    if weight.shape != x.shape[-1:] or bias.shape != x.shape[-1:]:
        raise ShapeError(f"expected weight and bias of shape {x.shape[-1:]}, got {weight.shape} and {bias.shape}")
    a = x.data
    mean, variance = running_stats or batch_stats or batch_statistics(a)
    inverse = 1 / xp.sqrt(variance + a.dtype.type(eps))
    y = _affine(a, weight.data * inverse, bias.data - mean * weight.data * inverse, relu)

    def backward(g: Array) -> Sequence[Array | None]:
        if kernels.supports(g, a, mean, inverse):
            return _by_kernels(g, x, y if relu else None, mean, inverse, weight.data, running_stats is not None)
        out = xp.empty(y.shape, dtype=y.dtype)  # first g where relu let something pass, then the gradient of x
        g_shift, g_scale = _parameter_gradients(g, a, mean, y if relu else None, out)
        g_scale = g_scale * inverse
        g = out if relu else g
        if not x.requires_grad:
            return None, g_scale, g_shift
        if running_stats is not None:
            return g * (weight.data * inverse), g_scale, g_shift
        line = _line(a, mean, inverse, weight.data, g_scale, g_shift)
        return _input_gradient(g, a, *line, out), g_scale, g_shift

    return Tensor.from_op(y, (x, weight, bias), backward)


def _by_kernels(
    g: Array, x: Tensor, relu: Array | None, mean: Array, inverse: Array, scale: Array, constant: bool
) -> Sequence[Array | None]:
    """The three gradients on a GPU, in two passes over g, x and the result of a `relu`."""
    g_shift, g_scale = kernels.normalize.gradient_sums(g, x.data, mean, relu)
    g_scale = g_scale * inverse
    if not x.requires_grad:
        return None, g_scale, g_shift
    zeros = xp.zeros_like(inverse)
    line = (scale * inverse, zeros, zeros) if constant else _line(x.data, mean, inverse, scale, g_scale, g_shift)
    return kernels.normalize.input_gradient(g, x.data, *line, relu), g_scale, g_shift


def _wide(x: Array) -> Array:
    return x.reshape(-1, x.shape[-2] * x.shape[-1]) if x.ndim > 2 else x


def _chunk_slices(wide: Array) -> list[slice]:
    """Cut rows so that the two arrays that most passes touch stay in cache, and sums in float32 stay short."""
    return chunk_slices(len(wide), max(2 * wide[:1].nbytes, CACHE_BYTES // MOST_ROWS))


def _repeat(channel: Array, wide: Array) -> Array:
    return xp.tile(channel, wide.shape[1] // len(channel))


def _column_sums(wide: Array, channels: int) -> Array:
    """Sums per channel, by a product with ones: several times faster than sum(axis=0)."""
    return (xp.ones(len(wide), dtype=wide.dtype) @ wide).reshape(-1, channels).sum(axis=0)


def _column_products(a: Array, b: Array, channels: int) -> Array:
    """Σ a · b per channel, reading both once and writing nothing between."""
    return xp.einsum("ij,ij->j", a, b).reshape(-1, channels).sum(axis=0)


def _moments(wide: Array, channels: int) -> tuple[int, Array, Array]:
    """Number of rows, mean, and sum of squares around it; what is left of the mean after centering corrects both."""
    count = wide.size // channels
    mean = _column_sums(wide, channels) / wide.dtype.type(count)
    centered = wide - _repeat(mean, wide)
    rest = _column_sums(centered, channels) / wide.dtype.type(count)
    squares = _column_products(centered, centered, channels) - count * rest**2
    return count, mean.astype(np.float64) + rest, squares


def _affine(x: Array, factor: Array, offset: Array, relu: bool) -> Array:
    if kernels.supports(x, factor, offset):
        return kernels.normalize.affine(x, factor, offset, relu)
    wide, y = _wide(x), xp.empty(x.shape, dtype=x.dtype)
    result, factors, offsets = _wide(y), _repeat(factor, wide), _repeat(offset, wide)
    zeros = xp.zeros_like(offsets)

    def work(part: slice) -> None:
        out = xp.multiply(wide[part], factors, out=result[part])
        out += offsets
        if relu:
            xp.maximum(out, zeros, out=out)  # three times as fast as with the number 0

    parallel_for(work, _chunk_slices(wide))
    return y


def _parameter_gradients(g: Array, x: Array, mean: Array, relu: Array | None, masked: Array) -> Array:
    """Return Σ g and Σ g · (x - mean), (2, C): of the g that a `relu` lets pass, which `masked` is filled with."""
    channels, wide, wide_g, wide_masked = x.shape[-1], _wide(x), _wide(g), _wide(masked)
    means, wide_relu = _repeat(mean, wide), None if relu is None else _wide(relu)

    def work(part: slice) -> Array:
        passed = wide_g[part]
        if wide_relu is not None:
            passed = xp.multiply(passed, wide_relu[part] > 0, out=wide_masked[part])
        centered = wide[part] - means
        return xp.stack([_column_sums(passed, channels), _column_products(centered, passed, channels)])

    return sum(parallel_map(work, _chunk_slices(wide)))


def _line(
    x: Array, mean: Array, inverse: Array, scale: Array, g_scale: Array, g_shift: Array
) -> tuple[Array, Array, Array]:
    """weight · inverse · (g - mean(g) - x̂ mean(g x̂)), written as one factor for g, one for x, one offset."""
    count = x.dtype.type(x.size // x.shape[-1])
    slope = -scale * inverse**2 * g_scale / count
    return scale * inverse, slope, -scale * inverse * g_shift / count - slope * mean


def _input_gradient(g: Array, x: Array, factor: Array, slope: Array, offset: Array, gx: Array) -> Array:
    """factor · g + slope · x + offset, into `gx`."""
    wide, wide_g, result = _wide(x), _wide(g), _wide(gx)
    factors, slopes, offsets = (_repeat(v, wide) for v in (factor, slope, offset))

    def work(part: slice) -> None:
        out = xp.multiply(wide_g[part], factors, out=result[part])
        out += offsets
        out += wide[part] * slopes

    parallel_for(work, _chunk_slices(wide))
    return gx


def dropout(x: Tensor, p: float, *, rng: np.random.Generator | None, train: bool) -> Tensor:
    """Set a share `p` of the entries to 0 and divide the others by 1 - p; the identity without `train`.

    Raises ConfigError where `p` is not in [0, 1), or training comes without an `rng`.
    """
    if not 0 <= p < 1 or (train and p and rng is None):
        raise ConfigError(f"dropout needs 0 <= p < 1, and an rng to train; got p={p}, rng={rng}")
    if not train or p == 0 or rng is None:
        return x
    kept = rng.random(x.shape, dtype=np.float32) >= p
    mask = xp.asarray(kept * x.data.dtype.type(1 / (1 - p)))
    return Tensor.from_op(parallel_ufunc(xp.multiply, x.data, mask), (x,), lambda g: (parallel_ufunc(xp.multiply, g, mask),))
