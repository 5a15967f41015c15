"""Product of quaternion matrices, computed with 8 or 16 products of real matrices."""

from collections.abc import Callable

import numpy as np

from ..backend import Array, on_gpu, xp
from ..errors import ConfigError, ShapeError
from ..threads import parallel_map, single_threaded_blas
from .chunks import as_quaternion_array, broadcast_shape
from .eight_multiplications import eight_products
from .real_matrices import left_matrix


def matrix_product(p: Array, q: Array, *, axis: int = 0, products: int = 8) -> Array:
    """Return the product of two quaternion matrices, with the entries (m, n) Σ_k p[m, k] ⊗ q[k, n].

    The components lie along `axis`. The last two of the other axes are the rows and columns of the matrices. The axes
    before rows and columns broadcast.

    With 8 products, half of the multiplications are needed. The rounding error is then relative to the largest
    component, and an infinity or NaN may propagate to all four components. With 16 products, the rounding error is
    relative to each component.

    Parameters
    ----------
    p, q : float arrays, shapes (4, ..., rows, inner) and (4, ..., inner, columns) for `axis` 0
    products : number of real matrix products, 8 or 16

    Raises
    ------
    ShapeError
        `axis` does not have length 4, or the number of columns of p is not the number of rows of q.
    ConfigError
        `products` is neither 8 nor 16.
    """
    p, q = (xp.moveaxis(as_quaternion_array(factor, axis), axis, 0) for factor in (p, q))
    if p.ndim < 3 or q.ndim < 3 or p.shape[-1] != q.shape[-2]:
        raise ShapeError(
            f"expected matrices (..., rows, inner) and (..., inner, columns), got {p.shape[1:]} and {q.shape[1:]}"
        )
    broadcast_shape(p.shape[1:-2], q.shape[1:-2])
    if products not in (8, 16):
        raise ConfigError(f"expected products=8 or 16 products of real matrices, got products={products!r}")
    with single_threaded_blas():
        product = _in_column_chunks(_eight_products if products == 8 else _sixteen_products, p, q)
    return xp.moveaxis(product, 0, axis)


def _in_column_chunks(product: Callable[[Array, Array], Array], p: Array, q: Array) -> Array:
    """Return product(p, q), computed for wide chunks of the columns of q in parallel.

    The additions then also run on several cores.
    """
    columns = q.shape[-1]
    width = max(128, -(-columns // 4)) if not on_gpu() else columns
    if columns < 2 * width:
        return product(p, q)
    chunks = [q[..., start : start + width] for start in range(0, columns, width)]
    return np.concatenate(list(parallel_map(lambda chunk: product(p, chunk), chunks)), axis=-1)


def _eight_products(p: Array, q: Array) -> Array:
    return eight_products(p, q, xp.matmul)


def _sixteen_products(p: Array, q: Array) -> Array:
    """Return the product computed as one real matrix product of shapes (4 rows, 4 inner) and (4 inner, columns).

    The left factor is the block matrix L(p). The right factor is the vertical stack of the components of q.
    """
    (rows, inner), columns = p.shape[-2:], q.shape[-1]
    blocks = xp.moveaxis(left_matrix(p, axis=0), (0, 1), (-4, -2))  # shape (..., 4, rows, 4, inner)
    stacked = xp.moveaxis(q, 0, -3)
    left = blocks.reshape(*blocks.shape[:-4], 4 * rows, 4 * inner)
    product = left @ stacked.reshape(*stacked.shape[:-3], 4 * inner, columns)
    return xp.moveaxis(product.reshape(*product.shape[:-2], 4, rows, columns), -3, 0)
