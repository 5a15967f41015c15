"""Random rotations, and the mean of rotations."""

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError
from .arithmetic import inner_product, normalize, real_part
from .chunks import checked


def random_rotations(
    shape: tuple[int, ...] = (), *, rng: np.random.Generator, dtype: type = np.float64, axis: int = -1
) -> Array:
    """Return unit quaternions, uniform over all rotations: `shape` with a new axis of length 4 at `axis`.

    They are normalized vectors of four independent normal numbers. The numbers are drawn on the host, so that all
    backends return the same rotations.

    Source: M. E. Muller, 1959.
    """
    numbers: np.ndarray = rng.standard_normal((*shape, 4)).astype(dtype)
    return xp.moveaxis(normalize(xp.asarray(numbers)), -1, axis)


def mean_rotation(q: Array, weights: Array | None = None, *, over: int = 0, axis: int = -1) -> Array:
    """Return the rotation m that minimizes Σ w_n |M - M_n|² over the rotations q_n on the axis `over`.

    M and M_n are the rotation matrices. m is the eigenvector of Σ w_n q_n q_nᵀ with the largest eigenvalue, so q_n
    and -q_n are equivalent. The sign of m is the one nearer to the first q. If the two largest eigenvalues are equal,
    as for two opposite rotations, the mean is not unique, and one of the solutions is returned. The computation is in
    float64. 0 and infinity are handled as in `normalize`. nan gives nan.

    Parameters
    ----------
    q : float array, length 4 along `axis`
    weights : numbers ≥ 0, shape of q without `axis`, or broadcastable to it; default: equal weights

    Raises
    ------
    ShapeError
        `axis` does not have length 4, or `over` is the same axis or has length 0.

    Source: F. L. Markley, Y. Cheng, J. L. Crassidis and Y. Oshman, 2007.
    """
    q = checked(q, axis)
    rotations = _unit_quaternions(q, over, axis)
    products = rotations[..., :, None] * rotations[..., None, :]  # (..., N, 4, 4)
    if weights is not None:
        weights = xp.broadcast_to(xp.asarray(weights), real_part(q, axis=axis).shape)
        products = products * _axes_last(xp.expand_dims(weights, axis), over, axis)[..., None]
    mean = _largest_eigenvector(products.sum(axis=-3))
    mean = xp.where(inner_product(rotations[..., 0, :], mean)[..., None] < 0, -mean, mean)
    position = axis % q.ndim - (over % q.ndim < axis % q.ndim)
    return xp.moveaxis(mean.astype(q.dtype), -1, position)


def _unit_quaternions(q: Array, over: int, axis: int) -> Array:
    """Return unit quaternions in float64, shape (..., N, 4)."""
    if not -q.ndim <= over < q.ndim or (over - axis) % q.ndim == 0 or q.shape[over] == 0:
        raise ShapeError(f"expected at least one rotation on an axis other than {axis}, got over={over} of {q.shape}")
    return normalize(_axes_last(q, over, axis).astype(np.float64))


def _axes_last(a: Array, over: int, axis: int) -> Array:
    return xp.moveaxis(a, (over, axis), (-2, -1))


def _largest_eigenvector(matrix: Array) -> Array:
    """Return the eigenvector of symmetric matrices with the largest eigenvalue; nan if an entry is not finite.

    `eigh` may fail on entries that are not finite.
    """
    finite = xp.isfinite(matrix).all(axis=(-2, -1), keepdims=True)
    vectors = xp.linalg.eigh(xp.where(finite, matrix, 0))[1]  # eigenvalues ascend
    return xp.where(finite[..., 0], vectors[..., -1], np.nan)
