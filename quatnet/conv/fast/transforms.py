"""Matrices that combine the transforms of Winograd's F(4, 3) and of the eight products.

Winograd's transforms act on rows and the eight products act on components. The combined transform has the Kronecker
product ⊗ of both matrices. The input transform of quaternions, for example, maps 6 rows of 4 components to 6 x 8
transformed components by a matrix (48, 24). One call of matmul transforms all columns and channels of a row tile. The
combined matrix needs more multiplications than separate sums, but less time, because each row is read once
(docs/decisions/0009).

P is the number of components, and K is the number of transformed components: P = 4 and K = 8 for quaternions, P = K = 1
for real numbers. A, B and G are the matrices of `winograd`.
"""

from functools import cache

import numpy as np

from ...backend import Array
from . import component_transforms, winograd


@cache
def input_transform(components: int, dtype: np.dtype, *, conjugate: bool = False) -> Array:
    """Return the matrix Bᵀ ⊗ RIGHT_MATRIX, (6 K, 6 P), that transforms 6 input rows of P components.

    K is the number of transformed components. With `conjugate`, the matrix also conjugates the input.
    """
    right = component_transforms.right_transform(components, conjugate=conjugate)
    return np.kron(winograd.matrices()[0], right).astype(dtype)


@cache
def output_transform(components: int, dtype: np.dtype) -> Array:
    """Return the matrix Aᵀ ⊗ OUTPUT_MATRIX, (4 P, 6 K), that maps 6 K products to 4 output rows of P components."""
    return np.kron(winograd.matrices()[2], component_transforms.output_transform(components)).astype(dtype)


@cache
def grad_transform(components: int, dtype: np.dtype) -> Array:
    """Return the matrix A ⊗ LEFT_MATRIX, (6 K, 4 P), that transforms 4 rows of an upstream gradient with P components.

    K is the number of transformed components. The transformed rows are left factors of the weight gradient.
    """
    return np.kron(winograd.matrices()[2].T, component_transforms.left_transform(components)).astype(dtype)


@cache
def kernel_transform(components: int, dtype: np.dtype, *, for_input_gradient: bool = False) -> Array:
    """Return the matrix G ⊗ LEFT_MATRIX, (6 K, 3 P), that transforms the 3 rows of a kernel (P, 3, ...).

    P is the number of components, and K is the number of transformed components. With `for_input_gradient`, the matrix
    also flips the rows of the kernel and conjugates the kernel.
    """
    g = winograd.matrices()[1]
    left = component_transforms.left_transform(components, conjugate=for_input_gradient)
    return _components_first(np.kron(g[:, ::-1] if for_input_gradient else g, left), components).astype(dtype)


@cache
def weight_gradient_transform(components: int, dtype: np.dtype) -> Array:
    """Return the matrix Gᵀ ⊗ OUTPUT_MATRIX, (3 P, 6 K), that maps sums of products to a weight gradient (P, 3, ...).

    P is the number of components, and K is the number of transformed components.
    """
    matrix = np.kron(winograd.matrices()[1].T, component_transforms.output_transform(components))
    return _components_first(matrix.T, components).T.astype(dtype)


def _components_first(matrix: Array, components: int) -> Array:
    """Reorder the columns of `matrix` from the order (row, component) to the order (component, row)."""
    return matrix.reshape(len(matrix), winograd.TAPS, components).swapaxes(1, 2).reshape(len(matrix), -1)
