"""Hamilton product of two arrays of the same shape, and its two gradients, as CUDA kernels."""

from functools import cache

import numpy as np

from ..backend import Array, xp
from ..quaternion.real_matrices import multiplication_table
from .formulas import bilinear
from .load import grid_1d, launch


def product(p: Array, q: Array, axis: int) -> Array:
    """Return the Hamilton product p ⊗ q of arrays of the same shape, with the four components along `axis`."""
    out = xp.empty(p.shape, dtype=p.dtype)
    launch(("hamilton", "product", formulas()), grid_1d(p.size // 4), p, q, out, p.size // 4, _inner_size(p, axis))
    return out


def gradients(p: Array, q: Array, grad: Array, axis: int) -> tuple[Array, Array]:
    """Return the gradients grad ⊗ q* and p* ⊗ grad of <p ⊗ q, grad> with respect to p and q.

    The arrays have the same shape, with the four components along `axis`. The conjugate of q is q*.
    """
    grad_p, grad_q = xp.empty(p.shape, dtype=p.dtype), xp.empty(q.shape, dtype=q.dtype)
    kernel = ("hamilton", "gradients", formulas())
    launch(kernel, grid_1d(p.size // 4), p, q, grad, grad_p, grad_q, p.size // 4, _inner_size(p, axis))
    return grad_p, grad_q


@cache
def formulas() -> str:
    """Return the C source of the Hamilton product and of its two gradients, generated from the products of the units.

    The product is y[c] = Σ_ab table[a, b, c] p[a] q[b]. The partial derivative of <y, grad> with respect to p[a] is
    Σ_cb table[a, b, c] grad[c] q[b], with the same table.
    """
    table = multiplication_table()
    left, right = np.swapaxes(table, 0, 2), np.swapaxes(table, 1, 2)
    return bilinear(table, "hamilton") + bilinear(left, "left_gradient") + bilinear(right, "right_gradient")


def _inner_size(p: Array, axis: int) -> int:
    """Return the distance in elements between consecutive components along `axis`."""
    return int(np.prod(p.shape[axis % p.ndim + 1 :], dtype=np.int64))
