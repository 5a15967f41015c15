"""Random rotations and the mean of rotations."""

from collections.abc import Iterable

import numpy as np

from ..backend import Array, xp
from ..checks import as_array, checked_count, checked_rng
from ..errors import ConfigError, ShapeError
from .arithmetic import inner_product, normalize, real_part
from .chunks import as_quaternion_array, broadcast_shape, has_axis


def random_rotations(
    shape: int | tuple[int, ...] = (), *, rng: np.random.Generator, dtype: type = np.float64, axis: int = -1
) -> Array:
    """Return random unit quaternions, uniform over all rotations, of shape `shape` with an axis of length 4 at `axis`.

    Each quaternion is a normalized vector of four independent normal numbers. The numbers are drawn on the host, so
    that all backends return the same rotations.

    Raises ConfigError unless `dtype` is float32, float64 or longdouble and `shape` consists of integers >= 0, and
    ShapeError if `axis` does not exist.

    Source: M. E. Muller, 1959.
    """
    try:
        valid = np.dtype(dtype) in (np.float32, np.float64, np.longdouble)
    except TypeError:
        valid = False
    if not valid:
        raise ConfigError(f"expected the dtype np.float32, np.float64 or np.longdouble, got {dtype!r}")
    lengths = [checked_count("each length of shape", n, 0) for n in (shape if isinstance(shape, Iterable) else [shape])]
    q = normalize(xp.asarray(checked_rng(rng).standard_normal((*lengths, 4)).astype(dtype)))
    if not has_axis(q, axis):
        raise ShapeError(f"expected an axis of an array of shape {q.shape}, got axis={axis}")
    return xp.moveaxis(q, -1, axis)


def mean_rotation(q: Array, weights: Array | None = None, *, sample_axis: int = 0, axis: int = -1) -> Array:
    """Return the weighted mean m of the rotations q_n along `sample_axis`.

    m minimizes Σ w_n |M - M_n|² with the weights w_n, the rotation matrix M of m and the rotation matrices M_n of q_n.
    m is the eigenvector of Σ w_n q_n q_nᵀ with the largest eigenvalue, so q_n and -q_n are equivalent. The sign of m
    is chosen so that m is nearer to the first quaternion. If the two largest eigenvalues are equal, as for two opposite
    rotations, the mean is not unique. One of the solutions is then returned.

    The computation is in float64. 0 and infinity are handled as in `normalize`. NaN propagates.

    Parameters
    ----------
    q : float array, length 4 along `axis`
    weights : numbers ≥ 0 that broadcast to the shape of q without `axis`; equal weights by default
    sample_axis : axis of the rotations q_n

    Raises
    ------
    ShapeError
        `axis` does not have length 4, `sample_axis` equals `axis` or has length 0, or all weights are 0.

    Source: F. L. Markley, Y. Cheng, J. L. Crassidis and Y. Oshman, 2007.
    """
    q = as_quaternion_array(q, axis)
    if not has_axis(q, sample_axis) or (sample_axis - axis) % q.ndim == 0 or q.shape[sample_axis] == 0:
        raise ShapeError(
            f"expected at least one rotation along an axis other than {axis}, "
            f"got sample_axis={sample_axis} for shape {q.shape}"
        )
    rotations = normalize(_axes_last(q, sample_axis, axis).astype(np.float64))
    products = rotations[..., :, None] * rotations[..., None, :]  # shape (..., N, 4, 4)
    if weights is not None:
        weights, shape = as_array(weights).astype(np.float64), real_part(q, axis=axis).shape
        if broadcast_shape(weights.shape, shape) != shape or (weights < 0).any():
            raise ShapeError(f"expected weights >= 0 that broadcast to {shape}, got shape {weights.shape}")
        weights = _axes_last(xp.expand_dims(xp.broadcast_to(weights, shape), axis), sample_axis, axis)
        if (weights.sum(axis=-2) == 0).any():
            raise ShapeError("expected a weight above 0 for at least one rotation, got weights of 0")
        products = products * weights[..., None]
    mean = _largest_eigenvector(products.sum(axis=-3))
    mean = xp.where(inner_product(rotations[..., 0, :], mean)[..., None] < 0, -mean, mean)
    position = axis % q.ndim - (sample_axis % q.ndim < axis % q.ndim)
    return xp.moveaxis(mean.astype(q.dtype), -1, position)


def _axes_last(a: Array, sample_axis: int, axis: int) -> Array:
    return xp.moveaxis(a, (sample_axis, axis), (-2, -1))


def _largest_eigenvector(matrix: Array) -> Array:
    """Return the eigenvector with the largest eigenvalue of each symmetric matrix.

    The result is NaN for a matrix with entries that are not finite, because `eigh` may fail for such a matrix.
    """
    finite = xp.isfinite(matrix).all(axis=(-2, -1), keepdims=True)
    vectors = xp.linalg.eigh(xp.where(finite, matrix, 0))[1]  # eigenvalues are in ascending order
    return xp.where(finite[..., 0], vectors[..., -1], np.nan)
