"""The Hamilton product of two arrays of one shape and its gradients, as kernels."""

from functools import cache

import numpy as np

from ..backend import Array, asnumpy, xp
from ..quaternion import hamilton_product
from .formulas import bilinear
from .load import along, launch


def product(p: Array, q: Array, axis: int) -> Array:
    """Return p ⊗ q along `axis` for arrays of one shape."""
    out = xp.empty(p.shape, dtype=p.dtype)
    launch(("hamilton", "product", formulas()), along(p.size // 4), p, q, out, p.size // 4, _inner(p, axis))
    return out


def gradients(p: Array, q: Array, g: Array, axis: int) -> tuple[Array, Array]:
    """Return the gradients g ⊗ q* and p* ⊗ g of <p ⊗ q, g> for arrays of one shape."""
    gp, gq = xp.empty(p.shape, dtype=p.dtype), xp.empty(q.shape, dtype=q.dtype)
    kernel = ("hamilton", "gradients", formulas())
    launch(kernel, along(p.size // 4), p, q, g, gp, gq, p.size // 4, _inner(p, axis))
    return gp, gq


@cache
def formulas() -> str:
    """Return the C text of the product and of its two gradients, from products of the basis units.

    With y[c] = Σ_ab table[a, b, c] p[a] q[b] the gradient of p[a] is Σ_cb table[a, b, c] g[c] q[b]: the same signs.
    """
    units = xp.eye(4)
    table = asnumpy(hamilton_product(units[:, None], units[None, :]))
    left, right = np.swapaxes(table, 0, 2), np.swapaxes(table, 1, 2)
    return bilinear(table, "hamilton") + bilinear(left, "left_gradient") + bilinear(right, "right_gradient")


def _inner(p: Array, axis: int) -> int:
    """The number of elements from one component to the next."""
    return int(np.prod(p.shape[axis % p.ndim + 1 :], dtype=np.int64))
