"""Matrices of the Hamilton product with eight real products, as in `quaternion.eight_products`.

A quaternion has eight transformed components. The first four are signed sums of the four components. The last four are
the components, in the order of the factors in p_r q_r, p_k q_j, p_i q_k, p_j q_i. The product · is elementwise:

    p ⊗ q = OUTPUT_MATRIX [(LEFT_MATRIX p) · (RIGHT_MATRIX q)]

A real number has one transformed component, which is the number. All matrices of real numbers are the identity (1, 1).
"""

import numpy as np

from ...backend import Array
from ...quaternion import HADAMARD

NUM_PRODUCTS = 8
# components of p and of q that are the transformed components 4 to 7
LEFT_ORDER, RIGHT_ORDER = (0, 3, 1, 2), (0, 2, 3, 1)
LEFT_MATRIX, RIGHT_MATRIX = (np.vstack([HADAMARD, np.eye(4)[list(order)]]) for order in (LEFT_ORDER, RIGHT_ORDER))
OUTPUT_MATRIX = np.diag([-1, 1, 1, 1]) @ np.hstack([HADAMARD / 4, np.diag([-2.0] * 4)])
# The 4 x 4 blocks of the real matrix of p ⊗, output component before input component, as sums of components of p
BLOCK_MATRIX = np.einsum("ak,kb,kc->abc", OUTPUT_MATRIX, RIGHT_MATRIX, LEFT_MATRIX).reshape(16, 4)
CONJUGATE = np.diag([1.0, -1, -1, -1])


def num_transformed(components: int) -> int:
    """Return the number of transformed components: 8 for quaternions (`components` is 4), 1 for real numbers."""
    return NUM_PRODUCTS if components == 4 else 1


def left_transform(components: int, *, blocks: int = 1, conjugate: bool = False) -> Array:
    """Return the matrix (K, P) that maps the P components of the left factor p to K transformed components.

    If `blocks` is 4, the matrix (16, P) maps the components to the 4 x 4 blocks of a real matrix. With `conjugate`, the
    matrix also conjugates p.
    """
    return _transform(LEFT_MATRIX if blocks == 1 else BLOCK_MATRIX, components, conjugate)


def right_transform(components: int, *, conjugate: bool = False) -> Array:
    """Return the matrix (K, P) that maps the P components of the right factor q to K transformed components.

    With `conjugate`, the matrix also conjugates q.
    """
    return _transform(RIGHT_MATRIX, components, conjugate)


def output_transform(components: int, *, conjugate: bool = False) -> Array:
    """Return the matrix (P, K) that maps K products of transformed components to the P components of p ⊗ q.

    With `conjugate`, the matrix also conjugates p ⊗ q.
    """
    return _transform(OUTPUT_MATRIX.T, components, conjugate).T


def weight_adjoint(components: int, blocks: int) -> Array:
    """Return the matrix that maps gradients of K transformed components, or of 4 x 4 `blocks`, to P components."""
    return output_transform(components) if blocks == 1 else BLOCK_MATRIX.T


def _transform(matrix: Array, components: int, conjugate: bool) -> Array:
    if components == 1:
        return np.eye(1)
    return matrix @ CONJUGATE if conjugate else matrix
