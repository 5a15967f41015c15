"""Hamilton product of quaternions viewed as pairs of complex numbers (Cayley-Dickson construction).

A quaternion q_r + q_i i + q_j j + q_k k equals a + bj with the complex numbers a = q_r + q_i i and b = q_j + q_k i.
The memory layout r, i, j, k is also the memory layout of a, b. Since j c = c* j for every complex number c,

    (a + bj)(c + dj) = ac + b j d j + a d j + b j c = (ac - b d*) + (ad + b c*) j
"""

from collections.abc import Callable

import numpy as np

from ..backend import Array, on_gpu
from .chunks import MIN_CHUNKED_SIZE, apply_chunked

COMPLEX = {np.dtype(np.float32): np.complex64, np.dtype(np.float64): np.complex128}


def pair_product(p: Array, q: Array) -> tuple[Array, Array]:
    """Return the two complex components of (a + bj)(c + dj) for the pairs p = (a, b) and q = (c, d)."""
    (a, b), (c, d) = p, q
    return a * c - b * d.conj(), a * d + b * c.conj()


def product_of_arrays(formula: Callable, p: Array, q: Array, axis: int) -> Array:
    """Return p ⊗ q, where `formula` returns the components of p ⊗ q for components along axis 0.

    For large arrays with contiguous components, complex arithmetic is faster than `formula`.
    """
    small = max(p.size, q.size) < 4 * MIN_CHUNKED_SIZE
    if small or on_gpu() or not all(_is_complex_pair(factor, axis) for factor in (p, q)) or p.dtype != q.dtype:
        return apply_chunked(formula, p, q, axis=axis)
    views = (factor.view(COMPLEX[factor.dtype]) for factor in (p, q))
    return apply_chunked(pair_product, *views, contiguous=False).view(p.dtype)


def _is_complex_pair(q: Array, axis: int) -> bool:
    return q.dtype in COMPLEX and axis % q.ndim == q.ndim - 1 and q.strides[-1] == q.itemsize
