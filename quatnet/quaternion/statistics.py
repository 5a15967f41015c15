"""Many rotations: drawn at random, and their mean."""

import numpy as np

from ..backend import Array, xp
from ..errors import ShapeError
from .arithmetic import inner_product, normalize, real_part
from .chunks import checked


def random_rotations(
    shape: tuple[int, ...] = (), *, rng: np.random.Generator, dtype: type = np.float64, axis: int = -1
) -> Array:
    """Return unit quaternions, uniform over all rotations: `shape` with a new axis of length 4 at `axis`.

    Four independent normal numbers prefer no direction, so their direction is uniform on the sphere. They are
    drawn on the host, so that every array module gets the same.

    Source: M. E. Muller, 1959.
    """
    numbers: np.ndarray = rng.standard_normal((*shape, 4)).astype(dtype)
    return xp.moveaxis(normalize(xp.asarray(numbers)), -1, axis)


def mean_rotation(q: Array, weights: Array | None = None, *, over: int = 0, axis: int = -1) -> Array:
    """Return the rotation m with the least Σ w_n |M - M_n|² to the rotations q_n on the axis `over`.

    m is the eigenvector of Σ w_n q_n q_nᵀ with the largest eigenvalue: q_n and -q_n count the same. Of m and
    -m, that nearer to the first q is returned. Where two eigenvalues are equal, as for two opposite turns,
    the mean is not unique, and one is returned. It is computed in float64. 0, inf as in `normalize`; nan
    gives nan.

    Parameters
    ----------
    q : float array, length 4 along `axis`
    weights : numbers ≥ 0, shape of q without `axis` or broadcast to it; equal if not given

    Raises
    ------
    ShapeError
        `axis` does not have length 4, or `over` is the same axis or has length 0.

    Source: F. L. Markley, Y. Cheng, J. L. Crassidis and Y. Oshman, 2007.
    """
    q = checked(q, axis)
    members = _members(q, over, axis)
    spread = members[..., :, None] * members[..., None, :]  # (..., N, 4, 4)
    if weights is not None:
        shares = xp.broadcast_to(xp.asarray(weights), real_part(q, axis=axis).shape)
        spread = spread * _members_last(xp.expand_dims(shares, axis), over, axis)[..., None]
    mean = _largest_eigenvector(spread.sum(axis=-3))
    mean = xp.where(inner_product(members[..., 0, :], mean)[..., None] < 0, -mean, mean)
    position = axis % q.ndim - (over % q.ndim < axis % q.ndim)
    return xp.moveaxis(mean.astype(q.dtype), -1, position)


def _members(q: Array, over: int, axis: int) -> Array:
    """Unit quaternions in float64, shape (..., N, 4)."""
    if not -q.ndim <= over < q.ndim or (over - axis) % q.ndim == 0 or q.shape[over] == 0:
        raise ShapeError(f"expected at least one rotation on an axis other than {axis}, got over={over} of {q.shape}")
    return normalize(_members_last(q, over, axis).astype(np.float64))


def _members_last(a: Array, over: int, axis: int) -> Array:
    return xp.moveaxis(a, (over, axis), (-2, -1))


def _largest_eigenvector(matrix: Array) -> Array:
    """Of symmetric matrices; nan where an entry is not finite, which `eigh` might not survive."""
    finite = xp.isfinite(matrix).all(axis=(-2, -1), keepdims=True)
    vectors = xp.linalg.eigh(xp.where(finite, matrix, 0))[1]  # eigenvalues ascend
    return xp.where(finite[..., 0], vectors[..., -1], np.nan)
