"""The product of matrices of quaternions, from sixteen or from eight products of real matrices."""

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

    `axis` holds the components; of the other axes the last two are the matrix, and those before broadcast.
    Eight products do half of the multiplications. The sums that they mix round at the size of the largest
    component, where sixteen products round each at its own; and one infinity or nan may turn all four to nan.

    Parameters
    ----------
    p, q : float arrays, shapes (4, ..., M, K) and (4, ..., K, N) for `axis` 0
    products : 8 or 16 real matrix products

    Raises
    ------
    ShapeError
        `axis` does not have length 4, or p has not as many columns as q has rows.
    ConfigError
        `products` is neither 8 nor 16.
    """
    p, q = (xp.moveaxis(checked(part, axis), axis, 0) for part in (p, q))
    if p.ndim < 3 or q.ndim < 3 or p.shape[-1] != q.shape[-2]:
        raise ShapeError(
            f"expected matrices of shapes (..., M, K) and (..., K, N), got {p.shape[1:]} and {q.shape[1:]}"
        )
    if products not in (8, 16):
        raise ConfigError(f"products={products!r}: expected 8 or 16 products of real matrices")
    return xp.moveaxis(_by_columns(_eight_products if products == 8 else _sixteen_products, p, q), 0, axis)


def _by_columns(product: Callable[[Array, Array], Array], p: Array, q: Array) -> Array:
    """Columns of q are independent: a few wide pieces of them keep several cores at additions and products alike."""
    columns = q.shape[-1]
    width = max(128, -(-columns // 4)) if not on_gpu() else columns
    if columns < 2 * width:
        return product(p, q)
    parts = [q[..., start : start + width] for start in range(0, columns, width)]
    return np.concatenate(list(parallel_map(lambda part: product(p, part), parts)), axis=-1)


def _eight_products(p: Array, q: Array) -> Array:
    return eight_products(p, q, xp.matmul)


def _sixteen_products(p: Array, q: Array) -> Array:
    """One real product: the blocks L(p), shape (4M, 4K), times the components of q as rows, shape (4K, N)."""
    (rows, inner), columns = p.shape[-2:], q.shape[-1]
    blocks = xp.moveaxis(left_matrix(p, axis=0), (0, 1), (-4, -2))  # (..., 4 out, M, 4 in, K)
    stacked = xp.moveaxis(q, 0, -3)
    left = blocks.reshape(*blocks.shape[:-4], 4 * rows, 4 * inner)
    product = left @ stacked.reshape(*stacked.shape[:-3], 4 * inner, columns)
    return xp.moveaxis(product.reshape(*product.shape[:-2], 4, rows, columns), -3, 0)
