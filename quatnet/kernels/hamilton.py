"""The Hamilton product of two arrays of the same shape, and its gradients, as kernels."""

from functools import cache

import numpy as np

from ..backend import Array, asnumpy, xp
from ..quaternion import hamilton_product
from .formulas import bilinear
from .load import grid_1d, launch


def product(p: Array, q: Array, axis: int) -> Array:
    """Return p ⊗ q along `axis`, for arrays of the same shape."""
    out = xp.empty(p.shape, dtype=p.dtype)
    launch(("hamilton", "product", formulas()), grid_1d(p.size // 4), p, q, out, p.size // 4, _inner_size(p, axis))
    return out


def gradients(p: Array, q: Array, grad: Array, axis: int) -> tuple[Array, Array]:
    """Return the gradients grad ⊗ q* and p* ⊗ grad of <p ⊗ q, grad>, for arrays of the same shape."""
    grad_p, grad_q = xp.empty(p.shape, dtype=p.dtype), xp.empty(q.shape, dtype=q.dtype)
    kernel = ("hamilton", "gradients", formulas())
    launch(kernel, grid_1d(p.size // 4), p, q, grad, grad_p, grad_q, p.size // 4, _inner_size(p, axis))
    return grad_p, grad_q


@cache
def formulas() -> str:
    """Return the C source of the product and of its two gradients, generated from the products of the basis units.

    With y[c] = Σ_ab table[a, b, c] p[a] q[b] the gradient of p[a] is Σ_cb table[a, b, c] grad[c] q[b]: the same signs.
    """
    units = xp.eye(4)
    table = asnumpy(hamilton_product(units[:, None], units[None, :]))
    left, right = np.swapaxes(table, 0, 2), np.swapaxes(table, 1, 2)
    return bilinear(table, "hamilton") + bilinear(left, "left_gradient") + bilinear(right, "right_gradient")


def _inner_size(p: Array, axis: int) -> int:
    """Return the number of elements from one component to the next."""
    return int(np.prod(p.shape[axis % p.ndim + 1 :], dtype=np.int64))
