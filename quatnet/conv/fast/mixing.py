"""The eight products of `quaternion.eight_products` as three small matrices.

Eight planes carry a quaternion through its products: four sums of its components, then the components themselves, in
the order in which the direct products p₀q₀, p₃q₂, p₁q₃, p₂q₁ take them. With the products taken plane by plane,

    p ⊗ q = BACK [(LEFT p) · (RIGHT q)]

A real number is one plane, and its matrices are the number 1.
"""

import numpy as np

from ...backend import Array
from ...quaternion import HADAMARD

PLANES = 8
LEFT_ORDER, RIGHT_ORDER = (0, 3, 1, 2), (0, 2, 3, 1)  # components of p and of q in planes 4 to 7
LEFT, RIGHT = (np.vstack([HADAMARD, np.eye(4)[list(order)]]) for order in (LEFT_ORDER, RIGHT_ORDER))
BACK = np.diag([-1, 1, 1, 1]) @ np.hstack([HADAMARD / 4, np.diag([-2.0] * 4)])
CONJUGATE = np.diag([1.0, -1, -1, -1])


def planes_of(components: int) -> int:
    """Return the number of planes of a real number (1) or a quaternion (4 components)."""
    return PLANES if components == 4 else 1


def left(components: int, *, conjugated: bool = False) -> Array:
    """Return the matrix (planes, P) of the left factor, or of its conjugate, for P = 1 or 4 components."""
    return _of(LEFT, components, conjugated)


def right(components: int, *, conjugated: bool = False) -> Array:
    """Return the matrix (planes, P) of the right factor, or of its conjugate."""
    return _of(RIGHT, components, conjugated)


def back(components: int, *, conjugated: bool = False) -> Array:
    """Return the matrix (P, planes) from the products to the components of p ⊗ q, or of its conjugate."""
    return _of(BACK.T, components, conjugated).T


def _of(matrix: Array, components: int, conjugated: bool) -> Array:
    if components == 1:
        return np.eye(1)
    return matrix @ CONJUGATE if conjugated else matrix
