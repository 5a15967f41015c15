"""The eight products of `quaternion.eight_products` as three small matrices.

A quaternion is transformed to eight components: four signed sums of its components, followed by the components
themselves, in the order in which the direct products p₀q₀, p₃q₂, p₁q₃, p₂q₁ use them. The products are taken
component by component:

    p ⊗ q = OUTPUT [(LEFT p) · (RIGHT q)]

A real number has one transformed component, and its matrices are the number 1.
"""

import numpy as np

from ...backend import Array
from ...quaternion import HADAMARD

NUM_PRODUCTS = 8
LEFT_ORDER, RIGHT_ORDER = (0, 3, 1, 2), (0, 2, 3, 1)  # components of p and of q in transformed components 4 to 7
LEFT, RIGHT = (np.vstack([HADAMARD, np.eye(4)[list(order)]]) for order in (LEFT_ORDER, RIGHT_ORDER))
OUTPUT = np.diag([-1, 1, 1, 1]) @ np.hstack([HADAMARD / 4, np.diag([-2.0] * 4)])
CONJUGATE = np.diag([1.0, -1, -1, -1])


def num_transformed(components: int) -> int:
    """Return the number of transformed components K of a real number (1) or of a quaternion (8)."""
    return NUM_PRODUCTS if components == 4 else 1


def left_transform(components: int, *, conjugate: bool = False) -> Array:
    """Return the matrix (K, P) of the left factor, or of its conjugate, for P = 1 or 4 components."""
    return _transform(LEFT, components, conjugate)


def right_transform(components: int, *, conjugate: bool = False) -> Array:
    """Return the matrix (K, P) of the right factor, or of its conjugate."""
    return _transform(RIGHT, components, conjugate)


def output_transform(components: int, *, conjugate: bool = False) -> Array:
    """Return the matrix (P, K) from the products to the components of p ⊗ q, or of its conjugate."""
    return _transform(OUTPUT.T, components, conjugate).T


def _transform(matrix: Array, components: int, conjugate: bool) -> Array:
    if components == 1:
        return np.eye(1)
    return matrix @ CONJUGATE if conjugate else matrix
