"""Product of quaternion matrices, from 8 or 16 products of real matrices."""

from collections.abc import Callable

import numpy as np

from ..backend import Array, on_gpu, xp
from ..errors import ConfigError, ShapeError
from ..threads import parallel_map
from .chunks import checked
from .eight_multiplications import eight_products
from .real_matrices import left_matrix


def matrix_product(p: Array, q: Array, *, axis: int = 0, products: int = 8) -> Array:
    """Return the product of quaternion matrices, entry (m, n) = Σ_k p[m, k] ⊗ q[k, n].

    `axis` holds the components. Of the other axes, the last two are the matrix, and the axes before them broadcast.
    8 products need half of the multiplications. Their rounding error is relative to the largest component, while 16
    products round each component at its own scale, and one infinity or nan may turn all four components to nan.

    Parameters
    ----------
    p, q : float arrays, shapes (4, ..., M, K) and (4, ..., K, N) for `axis` 0
    products : 8 or 16 real matrix products

    Raises
    ------
    ShapeError
        `axis` does not have length 4, or the number of columns of p is not the number of rows of q.
    ConfigError
        `products` is neither 8 nor 16.
    """
    p, q = (xp.moveaxis(checked(factor, axis), axis, 0) for factor in (p, q))
    if p.ndim < 3 or q.ndim < 3 or p.shape[-1] != q.shape[-2]:
        raise ShapeError(
            f"expected matrices of shapes (..., M, K) and (..., K, N), got {p.shape[1:]} and {q.shape[1:]}"
        )
    if products not in (8, 16):
        raise ConfigError(f"products={products!r}: expected 8 or 16 products of real matrices")
    product = _in_column_chunks(_eight_products if products == 8 else _sixteen_products, p, q)
    return xp.moveaxis(product, 0, axis)


def _in_column_chunks(product: Callable[[Array, Array], Array], p: Array, q: Array) -> Array:
    """Apply `product` to a few wide column chunks of q in parallel, so that the additions use several cores too."""
    columns = q.shape[-1]
    width = max(128, -(-columns // 4)) if not on_gpu() else columns
    if columns < 2 * width:
        return product(p, q)
    chunks = [q[..., start : start + width] for start in range(0, columns, width)]
    return np.concatenate(list(parallel_map(lambda chunk: product(p, chunk), chunks)), axis=-1)


def _eight_products(p: Array, q: Array) -> Array:
    return eight_products(p, q, xp.matmul)


def _sixteen_products(p: Array, q: Array) -> Array:
    """Multiply the block matrix L(p), shape (4M, 4K), by the components of q stacked as rows, shape (4K, N)."""
    (rows, inner), columns = p.shape[-2:], q.shape[-1]
    blocks = xp.moveaxis(left_matrix(p, axis=0), (0, 1), (-4, -2))  # (..., 4 out, M, 4 in, K)
    stacked = xp.moveaxis(q, 0, -3)
    left = blocks.reshape(*blocks.shape[:-4], 4 * rows, 4 * inner)
    product = left @ stacked.reshape(*stacked.shape[:-3], 4 * inner, columns)
    return xp.moveaxis(product.reshape(*product.shape[:-2], 4, rows, columns), -3, 0)
