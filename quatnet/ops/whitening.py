"""Whitening batch normalization, which decorrelates the four components of quaternions.

The N quaternions of each of C channels are stored as the columns of a matrix, in arrays (C, 4, N). One batched product
with matrices (C, 4, 4) then processes all channels. The 4x4 matrices are computed in float64. The precision of float32
is not sufficient to invert the covariance of strongly correlated components.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..checks import checked_number
from ..errors import QuatnetError, ShapeError
from ..threads import chunk_slices, parallel_for
from .batchnorm import AllReduce
from .components import merge_components, split_components


class WhiteningError(QuatnetError, ArithmeticError):
    """Exception for a covariance of the four components that cannot be inverted."""


def _symmetric_entries() -> np.ndarray:
    """Return the matrix (10, 16) that maps a lower triangle, as a row vector, to a symmetric 4x4 matrix.

    Column 4a + b has a 1 in the row of the entry (a, b) or (b, a) of the lower triangle.
    """
    entry = np.zeros((4, 4), int)
    entry[np.tril_indices(4)] = range(10)
    return np.eye(10)[np.maximum(entry, entry.T).ravel()].T


SYMMETRIC_ENTRIES = _symmetric_entries()


def whitening_statistics(x: Array, all_reduce: AllReduce = None) -> tuple[Array, Array, float]:
    """Return the mean (4C,), the biased covariance (C, 4, 4) and the number of quaternions of each channel.

    `x` is (..., 4C). The covariance is float64. With `all_reduce`, the statistics are those of `x` in all processes.

    Raises
    ------
    WhiteningError
        A channel has fewer than 5 quaternions, so that the covariance has no inverse.
    """
    columns = _columns(x).astype(np.float64)
    sums = xp.concatenate([xp.full((len(columns), 1), columns.shape[2]), columns.sum(axis=2)], axis=1)  # (C, 5)
    sums = all_reduce(sums) if all_reduce else sums
    count = float(sums[0, 0]) if all_reduce else float(columns.shape[2])  # without a copy from the GPU
    if count < 5:
        raise WhiteningError(
            f"whitening needs at least 5 quaternions per channel in training, got {count:.0f}; use a larger batch"
        )
    mean = sums[:, 1:] / count  # shape (C, 4)
    columns -= mean[:, :, None]
    products = _matmul(columns, _transpose(columns))
    covariance = (all_reduce(products) if all_reduce else products) / count
    return merge_components(mean.T).astype(x.dtype), covariance, count


@op
def whitening_batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_stats: tuple[Array, Array] | None = None,
    *,
    eps: float = 1e-5,
    batch_stats: tuple[Array, Array] | None = None,
    all_reduce: AllReduce = None,
) -> Tensor:
    """Return S Λ⁻¹ (q - mean) + bias, with the whitening matrix Λ⁻¹ and a trained symmetric 4x4 matrix S per channel.

    Λ is the Cholesky factor, covariance + eps I = Λ Λᵀ with the identity matrix I. The covariance of z = Λ⁻¹ (q - mean)
    is I, except for eps. With the gradient grad_z of z, the gradient of q is

        grad_q = Λ⁻ᵀ (grad_z - mean(grad_z) - symmetric(mean(grad_z zᵀ)) z)

    where symmetric(...) is the symmetric matrix with the same lower triangle. Only the lower triangle is used, because
    Λ is lower triangular.

    The op does not commute with right multiplication by a quaternion u. For x ⊗ u, all z of a channel are multiplied by
    an orthogonal matrix, which is not the matrix of multiplication by u. In training, except for eps, |z| does not
    change if x is multiplied by a nonzero quaternion.

    Parameters
    ----------
    x : tensor (..., 4C) in blocks r|i|j|k
    weight : tensor (10, C), the lower triangle of S row by row
    bias : tensor (4C,)
    running_stats : running (mean, covariance), constants for evaluation. By default the statistics of `x` are used. The
        gradient is then also propagated through the statistics.
    eps : number added to the diagonal of the covariance
    batch_stats : (mean, covariance) of `x` from `whitening_statistics`, if they are already computed
    all_reduce : function that sums an array over several processes; the batch then consists of `x` in all processes

    Raises
    ------
    ShapeError
        The numbers of channels differ.
    WhiteningError
        A channel has fewer than 5 quaternions in training, the covariance has NaN or infinite entries, or the
        components are linearly dependent up to rounding.

    Source: C. Gaudet, A. Maida, Deep quaternion networks, 2018. The initial S of the paper is I / 2.
    """
    columns = _columns(x.data)
    channels, shapes = len(columns), [weight.shape, bias.shape, *map(np.shape, running_stats or ())]
    if shapes != [(10, channels), x.shape[-1:], x.shape[-1:], (channels, 4, 4)][: len(shapes)]:
        expected = f"weight {(10, channels)}, bias and mean {x.shape[-1:]}, covariance {(channels, 4, 4)}"
        raise ShapeError(f"expected {expected} for x {x.shape}, got {shapes}")
    mean, covariance = running_stats or batch_stats or whitening_statistics(x.data, all_reduce)[:2]
    w = _inverse_cholesky_factor(covariance, checked_number("eps", eps, "[0, inf)")).astype(columns.dtype)
    entries = xp.asarray(SYMMETRIC_ENTRIES, dtype=columns.dtype)
    s = (weight.data.T @ entries).reshape(-1, 4, 4)
    centered = columns - split_components(mean).T[:, :, None]

    def backward(grad: Array) -> Sequence[Array]:
        grad_columns = _columns(grad)
        grad_s = _matmul(grad_columns, _transpose(centered)) @ _transpose(w)
        grad_x = _matmul(_transpose(s @ w), grad_columns)
        if running_stats is None:
            count = xp.full((len(columns), 4, 1), columns.shape[2], dtype=columns.dtype)
            sums = xp.concatenate([count, grad_x.sum(axis=2, keepdims=True), grad_s], axis=2)  # (C, 4, 6)
            sums = all_reduce(sums) if all_reduce else sums
            count, total_x, total_s = sums[:, :, :1], sums[:, :, 1:2], sums[:, :, 2:]
            grad_x = grad_x - total_x / count - _matmul(_covariance_term(s @ (total_s / count), w), centered)
        grad_weight, grad_bias = entries @ grad_s.reshape(-1, 16).T, merge_components(grad_columns.sum(axis=2).T)
        return _from_columns(grad_x, grad.shape), grad_weight, grad_bias

    y = _matmul(s @ w, centered) + split_components(bias.data).T[:, :, None]
    return Tensor.from_op(_from_columns(y, x.shape), (x, weight, bias), backward)


def _inverse_cholesky_factor(covariance: Array, eps: float) -> Array:
    """Return Λ⁻¹ with Λ Λᵀ = covariance + eps I.

    If this matrix is not positive definite, NumPy raises an error and CuPy returns wrong numbers. Λ Λᵀ is therefore
    compared with the matrix.
    """
    matrix = covariance + eps * xp.eye(4)
    try:
        factor = xp.linalg.cholesky(matrix)
        w = xp.linalg.inv(factor)
    except np.linalg.LinAlgError:
        factor = w = xp.full_like(matrix, np.nan)
    residual = xp.abs(factor @ _transpose(factor) - matrix).max()
    if not (xp.isfinite(w).all() & (residual <= 1e-6 * xp.abs(matrix).max())):
        raise WhiteningError(
            "expected finite activations with linearly independent components, got a covariance that cannot be "
            "inverted; check the activations for NaN, or increase eps"
        )
    return w


def _covariance_term(product: Array, w: Array) -> Array:
    """Return wᵀ M w for the symmetric matrix M with the lower triangle of `product`."""
    return _transpose(w) @ (xp.tril(product) + _transpose(xp.tril(product, -1))) @ w


def _matmul(left: Array, right: Array) -> Array:
    """Return the matrix products of all channels, computed on all cores."""
    y = xp.empty((*left.shape[:2], right.shape[2]), dtype=right.dtype)
    chunks = chunk_slices(len(right), max(left[:1].nbytes, right[:1].nbytes))
    parallel_for(lambda chunk: xp.matmul(left[chunk], right[chunk], out=y[chunk]), chunks)
    return y


def _transpose(matrices: Array) -> Array:
    return matrices.transpose(0, 2, 1)


def _columns(x: Array) -> Array:
    """Return `x` (..., 4C) as a contiguous array (C, 4, N) of the N quaternions of each channel."""
    q = split_components(x)
    return xp.ascontiguousarray(q.reshape(-1, *q.shape[-2:]).transpose(2, 1, 0))


def _from_columns(columns: Array, shape: tuple[int, ...]) -> Array:
    return columns.transpose(2, 1, 0).reshape(shape)
