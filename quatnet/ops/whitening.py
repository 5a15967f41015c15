"""Batch normalization that makes the four components of a quaternion uncorrelated: 4x4 whitening.

Here the quaternions of a channel are columns, arrays (C, 4, rows), so that one batched product with (C, 4, 4)
from the left treats all channels. The 4x4 matrices are found in float64: components that hang together leave float32
too few digits to invert them.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import QuatnetError, ShapeError
from ..threads import chunk_slices, parallel_for
from .components import merge_components, split_components


class WhiteningError(QuatnetError, ArithmeticError):
    """A covariance of four components cannot be inverted."""


def _symmetric_entries() -> np.ndarray:
    """E (10, 16): column 4a + b has a 1 in the row of the entry that (a, b) and (b, a) share."""
    number = np.zeros((4, 4), int)
    number[np.tril_indices(4)] = range(10)
    return np.eye(10)[np.maximum(number, number.T).ravel()].T


_ENTRIES = _symmetric_entries()


def whitening_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean (4C,) and, in float64, the biased covariance (C, 4, 4) of `x` (..., 4C) over all rows.

    Raises
    ------
    WhiteningError
        Fewer than 5 rows: their covariance has no inverse.
    """
    columns = _columns(x).astype(np.float64)
    count = columns.shape[2]
    if count < 5:
        raise WhiteningError(f"whitening needs at least 5 rows to train on, got {count}; take a larger batch")
    mean = columns.mean(axis=2)  # (C, 4)
    columns -= mean[:, :, None]
    return merge_components(mean.T).astype(x.dtype), _product(columns, _turned(columns)) / count


def whitening_batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_stats: tuple[Array, Array] | None = None,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """Return S W (q - mean) + bias with W = L⁻¹ for covariance + epsilon I = L Lᵀ (Cholesky).

    W (q - mean) has covariance I. S is a trained symmetric 4x4 matrix for each channel: `weight` (10, C) holds its
    lower triangle row by row. `x` is (..., 4C) in blocks r|i|j|k, `bias` (4C,); `running_stats` are running ones as
    `whitening_statistics` gives them, constants; without them they are those of `x`, and the gradient passes
    through them. With z = W (q - mean), gradients g of z and n rows it is, as in `batch_norm`,

        gq = Wᵀ (g - mean(g) - P z)        P: the lower triangle of mean(g zᵀ), mirrored.

    Cholesky's gradient takes the lower triangle, because L has no other. Not equivariant: x ⊗ u turns all z of a
    channel by some orthogonal matrix that is no product with u. What holds in training, but for epsilon: |z| does
    not change when x is multiplied by any quaternion but 0.

    Raises
    ------
    ShapeError
        The channels disagree.
    WhiteningError
        Fewer than 5 rows; nan or infinity; components that depend on each other to within rounding.

    Source: C. Gaudet, A. Maida, Deep quaternion networks, 2018. Theirs starts from S = I / 2.
    """
    columns = _columns(x.data)
    if weight.shape != (10, len(columns)) or bias.shape != x.shape[-1:]:
        expected = f"weight {(10, len(columns))} and bias {x.shape[-1:]}"
        raise ShapeError(f"expected {expected} for x {x.shape}, got {weight.shape} and {bias.shape}")
    mean, covariance = whitening_statistics(x.data) if running_stats is None else running_stats
    w = _inverse_factor(covariance, eps).astype(columns.dtype)
    entries = xp.asarray(_ENTRIES, dtype=columns.dtype)
    s = (weight.data.T @ entries).reshape(-1, 4, 4)
    centered = columns - split_components(mean).T[:, :, None]

    def backward(g: Array) -> Sequence[Array]:
        g_columns = _columns(g)
        g_s = _product(g_columns, _turned(centered)) @ _turned(w)
        gx = _product(_turned(s @ w), g_columns)
        if running_stats is None:
            slope = _slope(s @ g_s / columns.shape[2], w)
            gx = gx - gx.mean(axis=2, keepdims=True) - _product(slope, centered)
        return _rows(gx, g.shape), entries @ g_s.reshape(-1, 16).T, merge_components(g_columns.sum(axis=2).T)

    y = _product(s @ w, centered) + split_components(bias.data).T[:, :, None]
    return Tensor.from_op(_rows(y, x.shape), (x, weight, bias), backward)


def _inverse_factor(covariance: Array, eps: float) -> Array:
    try:
        w = xp.linalg.inv(xp.linalg.cholesky(covariance + eps * xp.eye(4)))
    except np.linalg.LinAlgError:
        w = xp.full_like(covariance, np.nan)
    if not xp.isfinite(w).all():
        raise WhiteningError(
            "expected finite activations whose components do not depend on each other to within rounding, got a "
            "covariance that cannot be inverted; look for the first nan, or raise epsilon"
        )
    return w


def _slope(product: Array, w: Array) -> Array:
    """Wᵀ P W; P is symmetric, made of the lower triangle of `product`."""
    return _turned(w) @ (xp.tril(product) + _turned(xp.tril(product, -1))) @ w


def _product(left: Array, right: Array) -> Array:
    """Matrix products, one for each channel, channels shared among the cores."""
    y = xp.empty((*left.shape[:2], right.shape[2]), dtype=right.dtype)
    parts = chunk_slices(len(right), max(left[:1].nbytes, right[:1].nbytes))
    parallel_for(lambda part: xp.matmul(left[part], right[part], out=y[part]), parts)
    return y


def _turned(matrices: Array) -> Array:
    return matrices.transpose(0, 2, 1)


def _columns(x: Array) -> Array:
    """(..., 4C) -> (C, 4, rows), copied: BLAS takes no other strides."""
    q = split_components(x)
    return xp.ascontiguousarray(q.reshape(-1, *q.shape[-2:]).transpose(2, 1, 0))


def _rows(columns: Array, shape: tuple[int, ...]) -> Array:
    return columns.transpose(2, 1, 0).reshape(shape)
