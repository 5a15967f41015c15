"""A quaternion as two complex numbers: q = a + bj with a = r + xi and b = y + zi, as Cayley and Dickson have it.

In memory the four numbers r, x, y, z are these two already. What a product needs besides is that j turns
numbers of the plane of 1 and i into their conjugates as they pass: j c = c* j. So

    (a + bj)(c + dj) = ac + b j d j + a d j + b j c = (ac - b d*) + (ad + b c*) j
"""

import numpy as np

from ..backend import Array, on_gpu
from .chunks import MIN_CHUNKED_SIZE, apply_chunked

COMPLEX = {np.dtype(np.float32): np.complex64, np.dtype(np.float64): np.complex128}


def pair_product(p: Array, q: Array) -> tuple[Array, Array]:
    """Return the rows of (a + bj)(c + dj) for complex rows p = (a, b) and q = (c, d)."""
    (a, b), (c, d) = p, q
    return a * c - b * d.conj(), a * d + b * c.conj()


def in_pairs(p: Array, q: Array, axis: int) -> Array | None:
    """Return p ⊗ q where this is the faster way: for large arrays with their components side by side; else None."""
    small = max(p.size, q.size) < 4 * MIN_CHUNKED_SIZE
    if small or on_gpu() or not all(_is_pair(part, axis) for part in (p, q)) or p.dtype != q.dtype:
        return None
    views = (part.view(COMPLEX[part.dtype]) for part in (p, q))
    return apply_chunked(pair_product, *views, copies=False).view(p.dtype)


def _is_pair(q: Array, axis: int) -> bool:
    return q.dtype in COMPLEX and axis % q.ndim == q.ndim - 1 and q.strides[-1] == q.itemsize
