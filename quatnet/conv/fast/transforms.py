"""The transforms of an image, a kernel, an upstream gradient and the products of a tile, each as one matrix.

Winograd's identity acts on rows, the eight products act on components, and the two are independent. Applying both is
the Kronecker product of their matrices: one matrix (48, 24) transforms 6 rows of 4 components to 6 x 8 transformed
components, and one call of matmul serves all columns and channels of a row tile. The matrix takes more multiplications
than separate sums, but less time, because each row of numbers is read once (docs/decisions/0009).

K is the number of transformed components of one row: 8 for quaternions, 1 for real numbers.
"""

from functools import cache

import numpy as np

from ...backend import Array
from . import component_transforms, winograd


@cache
def input_transform(components: int, dtype: np.dtype, *, conjugate: bool = False) -> Array:
    """Return Bᵀ ⊗ RIGHT, (6 K, 6 P): 6 rows of P components, or of their conjugates, to right operands."""
    right = component_transforms.right_transform(components, conjugate=conjugate)
    return np.kron(winograd.matrices()[0], right).astype(dtype)


@cache
def output_transform(components: int, dtype: np.dtype) -> Array:
    """Return Aᵀ ⊗ OUTPUT, (4 P, 6 K): products to 4 rows of P components."""
    return np.kron(winograd.matrices()[2], component_transforms.output_transform(components)).astype(dtype)


@cache
def grad_transform(components: int, dtype: np.dtype) -> Array:
    """Return A ⊗ LEFT, (6 K, 4 P): 4 rows of an upstream gradient to the left operands of the weight gradient."""
    return np.kron(winograd.matrices()[2].T, component_transforms.left_transform(components)).astype(dtype)


@cache
def kernel_transform(components: int, dtype: np.dtype, *, for_input_gradient: bool = False) -> Array:
    """Return G ⊗ LEFT, (6 K, 3 P): the rows of a kernel (P, 3, ...) to left operands.

    With `for_input_gradient` the matrix also flips the rows of the kernel and conjugates it.
    """
    g = winograd.matrices()[1]
    left = component_transforms.left_transform(components, conjugate=for_input_gradient)
    return _components_first(np.kron(g[:, ::-1] if for_input_gradient else g, left), components).astype(dtype)


@cache
def weight_gradient_transform(components: int, dtype: np.dtype) -> Array:
    """Return Gᵀ ⊗ OUTPUT, (3 P, 6 K): summed products to the gradient of a kernel (P, 3, ...)."""
    matrix = np.kron(winograd.matrices()[1].T, component_transforms.output_transform(components))
    return _components_first(matrix.T, components).T.astype(dtype)


def _components_first(matrix: Array, components: int) -> Array:
    """Reorder the columns from (row, component) to (component, row)."""
    return matrix.reshape(len(matrix), winograd.TAPS, components).swapaxes(1, 2).reshape(len(matrix), -1)
