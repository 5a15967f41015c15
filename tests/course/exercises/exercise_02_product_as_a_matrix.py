"""Exercise 2: the product as a matrix.

For a fixed quaternion p, the product p ⊗ q is linear in q. A linear map of four numbers is a 4x4 matrix:

    p ⊗ q = L(p) q = R(q) p

Column 0 of L(p) is p ⊗ 1, column 1 is p ⊗ i, column 2 is p ⊗ j and column 3 is p ⊗ k. Column 0 of R(q) is 1 ⊗ q,
column 1 is i ⊗ q, and so on. The rows are the components r, i, j, k of the
result. np.stack(products, axis=1) joins columns.

    python -m pytest tests/course/test_02_product_as_a_matrix.py --implementation my_matrices.py

Chapter 2: docs/02-product-as-a-matrix.md.
"""

import numpy as np

from quatnet.quaternion import hamilton_product  # or your own function of exercise 1


def left_matrix(p):
    """Return the 4x4 array L(p) with L(p) q = p ⊗ q for every q. `p` is an array of four numbers."""
    raise NotImplementedError


def right_matrix(q):
    """Return the 4x4 array R(q) with R(q) p = p ⊗ q for every p. `q` is an array of four numbers."""
    raise NotImplementedError


def left_matrix_adjoint(matrix):
    """Return the quaternion g with <g, p> = <matrix, L(p)> for every p.

    <a, b> is the sum of the products of equal entries. `matrix` is any 4x4 array, for example the gradient of a loss
    with respect to the 16 entries of L(p). Then g is the gradient with respect to the four components of p. Every
    component of p is in four entries of L(p), so every component of g is a sum of four entries of `matrix` with signs.
    """
    raise NotImplementedError
