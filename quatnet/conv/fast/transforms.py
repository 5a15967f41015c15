"""What is done to an image, a kernel, a cotangent and the products of a tile, each as one matrix.

Winograd's identity acts on rows, the eight products on components, and neither sees what the other does. Both
together are the Kronecker product of their matrices: 6 rows of 4 components become 6 x 8 planes by one matrix (48, 24),
and one call of matmul serves all columns and channels of a strip. That is more multiplications than the sums need, and
less time: a row of numbers is read once (docs/decisions/0009).
"""

from functools import cache

import numpy as np

from ...backend import Array
from . import mixing, winograd


@cache
def of_image(components: int, dtype: np.dtype, *, conjugated: bool = False) -> Array:
    """Return Bᵀ ⊗ RIGHT, (planes, rows · P): 6 rows of P components, or of their conjugates, to right operands."""
    return np.kron(winograd.matrices()[0], mixing.right(components, conjugated=conjugated)).astype(dtype)


@cache
def of_products(components: int, dtype: np.dtype) -> Array:
    """Return Aᵀ ⊗ BACK, (rows · P, planes): products to 4 rows of P components."""
    return np.kron(winograd.matrices()[2], mixing.back(components)).astype(dtype)


@cache
def of_cotangent(components: int, dtype: np.dtype) -> Array:
    """Return A ⊗ LEFT, (planes, rows · P): 4 rows of P components to the left operands of a kernel's gradient."""
    return np.kron(winograd.matrices()[2].T, mixing.left(components)).astype(dtype)


@cache
def of_kernel(components: int, dtype: np.dtype, *, turned: bool = False) -> Array:
    """Return G ⊗ LEFT, (planes, P · taps): the rows of a kernel (P, 3, ...) to left operands.

    `turned` takes the conjugate of the kernel turned by 180 degrees, as the gradient of the image needs it.
    """
    taps = winograd.matrices()[1]
    both = np.kron(taps[:, ::-1] if turned else taps, mixing.left(components, conjugated=turned))
    return _components_first(both, components).astype(dtype)


@cache
def to_kernel(components: int, dtype: np.dtype) -> Array:
    """Return Gᵀ ⊗ BACK, (P · taps, planes): summed products to the gradient of a kernel (P, 3, ...)."""
    both = np.kron(winograd.matrices()[1].T, mixing.back(components))
    return _components_first(both.T, components).T.astype(dtype)


def _components_first(matrix: Array, components: int) -> Array:
    """Reorder columns from (tap, component) to (component, tap)."""
    return matrix.reshape(len(matrix), winograd.TAPS, components).swapaxes(1, 2).reshape(len(matrix), -1)
