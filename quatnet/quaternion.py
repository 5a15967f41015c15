"""Quaternion algebra on plain arrays: any float dtype, any axis of length 4 in the order r, i, j, k.

The signs of the Hamilton product are written once, in `hamilton_product`. The 4x4 block matrices, their
adjoints and every gradient in quatnet are derived from it, or tested against it.
"""

from collections.abc import Callable

import numpy as np

from .backend import Array, asnumpy, xp
from .errors import ShapeError


def hamilton_product(p: Array, q: Array, *, axis: int = -1) -> Array:
    """Return p ⊗ q for quaternions along `axis`; all other axes broadcast as NumPy's do.

    Parameters
    ----------
    p, q : float arrays, length 4 along `axis`

    Raises
    ------
    ShapeError
        `axis` does not have length 4.

    Source: W. R. Hamilton, 1843: i² = j² = k² = ijk = -1.

    >>> hamilton_product([0.0, 1, 0, 0], [0.0, 0, 1, 0])  # i ⊗ j = k
    array([0., 0., 0., 1.])
    """
    pr, pi, pj, pk = _components(p, axis)
    qr, qi, qj, qk = _components(q, axis)
    r = pr * qr - pi * qi - pj * qj - pk * qk
    i = pr * qi + pi * qr + pj * qk - pk * qj
    j = pr * qj - pi * qk + pj * qr + pk * qi
    k = pr * qk + pi * qj - pj * qi + pk * qr
    return xp.moveaxis(xp.stack([r, i, j, k], axis=-1), -1, axis)


def _components(q: Array, axis: int) -> Array:
    """The four components, each of `q`'s shape without `axis`."""
    return xp.moveaxis(checked(q, axis), axis, 0)


def checked(q: Array, axis: int) -> Array:
    """Return `q` as an array. Raises ShapeError if `axis` does not exist or does not have length 4."""
    q = xp.asarray(q)
    if not -q.ndim <= axis < q.ndim or q.shape[axis] != 4:
        raise ShapeError(
            f"expected an array of length 4 (r, i, j, k) along axis {axis}, got shape {q.shape}; pass axis=..."
        )
    return q


def conjugate(q: Array, *, axis: int = -1) -> Array:
    """Return q* = r - xi - yj - zk: the imaginary parts change sign. Raises ShapeError like the product."""
    q = checked(q, axis)
    signs = xp.asarray([1, -1, -1, -1], dtype=q.dtype)
    return q * signs.reshape((4,) + (1,) * (q.ndim - 1 - axis % q.ndim))


def norm(q: Array, *, axis: int = -1) -> Array:
    """Return |q| = sqrt(r² + x² + y² + z²), without `axis`; it neither overflows nor underflows on the way."""
    q = checked(q, axis)
    largest = xp.abs(q).max(axis=axis, keepdims=True)
    finite = xp.where((largest > 0) & (largest < np.inf), largest, 1).astype(q.dtype)
    return xp.sqrt(((q / finite) ** 2).sum(axis=axis)) * finite.squeeze(axis)


def inverse(q: Array, *, axis: int = -1) -> Array:
    """Return q⁻¹ = q* / |q|², so that q ⊗ q⁻¹ = 1; the inverse of 0 is nan, as 0/0 is."""
    length = xp.expand_dims(norm(q, axis=axis), axis)
    return conjugate(q, axis=axis) / length / length


def _basis_table() -> np.ndarray:
    """T[a, b, c]: component c of the product of the basis units a and b; one ±1 in each T[a, b]."""
    units = xp.eye(4)
    return asnumpy(hamilton_product(units[:, None], units[None, :]))


_TABLE = _basis_table()
_Entries = tuple[np.ndarray, np.ndarray]
_LEFT: _Entries = (np.abs(_TABLE).argmax(axis=0).T, _TABLE.sum(axis=0).T)  # [out, in] -> component, sign
_RIGHT: _Entries = (np.abs(_TABLE).argmax(axis=1).T, _TABLE.sum(axis=1).T)


def left_matrix(p: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix L(p) with L(p) q = p ⊗ q: row = component out, column = component in.

    `axis` (length 4) is replaced by the two axes (4 out, 4 in), so shape (..., 4) becomes (..., 4, 4).
    Sixteen entries, four numbers: that is why a quaternion layer has a quarter of the weights.
    """
    return _spread(p, axis, _LEFT)


def right_matrix(q: Array, *, axis: int = -1) -> Array:
    """Return the real 4x4 matrix R(q) with R(q) p = p ⊗ q, in the layout of `left_matrix`."""
    return _spread(q, axis, _RIGHT)


def _spread(q: Array, axis: int, entries: _Entries) -> Array:
    component, sign = (xp.asarray(part) for part in entries)
    q = checked(q, axis)
    position = axis % q.ndim
    matrix = xp.moveaxis(q, position, -1)[..., component] * sign.astype(q.dtype)  # (..., 4 out, 4 in)
    return xp.moveaxis(matrix, (-2, -1), (position, position + 1))


def left_matrix_adjoint(g: Array, *, axis: int = -2) -> Array:
    """Return the quaternion p with <p, q> = <L(q), g> for every q: the gradient of `left_matrix`.

    `axis` and the axis after it hold the matrices (4 out, 4 in). Column b of L(q) is q ⊗ e_b, and the
    adjoint of q -> q ⊗ e_b multiplies by the conjugate of e_b, so p = Σ_b g[:, b] ⊗ e_b*.
    """
    columns = xp.moveaxis(g, (axis % g.ndim, axis % g.ndim + 1), (-1, -2))  # (..., 4 in, 4 out)
    units = conjugate(xp.eye(4, dtype=g.dtype))
    p = hamilton_product(columns, units).sum(axis=-2)
    return xp.moveaxis(p, -1, axis % g.ndim)


HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])


def eight_products(p: Array, q: Array, multiply: Callable[[Array, Array], Array]) -> Array:
    """Return p ⊗ q from 8 real products instead of 16, components along axis 0.

    With H the matrix `HADAMARD` and z = ¼ H[(H p)·(H q)] taken entry by entry:

        r = 2 p₀q₀ - z₀    i = z₁ - 2 p₃q₂    j = z₂ - 2 p₁q₃    k = z₃ - 2 p₂q₁

    `multiply` may be any bilinear product of two components: numbers, matrices, or a kernel and an image.
    Every product has a part of p on the left and a part of q on the right, so nothing needs to commute.

    Source: P. Klęsk and A. Cariow's form; the first with 8 is T. D. Howell and J.-C. Lafon, 1975.
    """
    mixed = [multiply(a, b) for a, b in zip(_butterfly(p), _butterfly(q), strict=True)]
    z = [total * 0.25 for total in _butterfly(mixed)]
    r = 2 * multiply(p[0], q[0]) - z[0]
    i = z[1] - 2 * multiply(p[3], q[2])
    j = z[2] - 2 * multiply(p[1], q[3])
    k = z[3] - 2 * multiply(p[2], q[1])
    return xp.stack([r, i, j, k])


def _butterfly(q: Array) -> list[Array]:
    """H q in 8 additions: sums and differences of pairs, then of those."""
    even, odd = q[0] + q[2], q[1] + q[3]
    even_difference, odd_difference = q[0] - q[2], q[1] - q[3]
    return [even + odd, even - odd, even_difference + odd_difference, even_difference - odd_difference]
