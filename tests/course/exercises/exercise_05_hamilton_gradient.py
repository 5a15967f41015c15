"""Exercise 5: the gradient of a Hamilton product.

The product y = p ⊗ q is linear in each factor, y = L(p) q = R(q) p. For the upstream gradient g of y, the gradients are
R(q)ᵀ g for p and L(p)ᵀ g for q. The transposed matrix of a quaternion is the matrix of its conjugate, so the gradients
are Hamilton products too:

    grad_p = g ⊗ q*        grad_q = p* ⊗ g

    python -m pytest tests/course/test_05_hamilton_gradient.py --implementation my_gradients.py

Chapter 5: docs/05-hamilton-gradient.md.
"""

import numpy as np

from quatnet.quaternion import conjugate, hamilton_product  # not those of exercise 1: these broadcast arrays (..., 4)


def left_factor_gradient(grad, q):
    """Return the gradient of p for y = p ⊗ q, an array of four numbers.

    `grad` is the upstream gradient g of y, and `q` is the right factor. Both arguments are arrays of four numbers.
    """
    raise NotImplementedError


def right_factor_gradient(grad, p):
    """Return the gradient of q for y = p ⊗ q, an array of four numbers. `p` is the left factor."""
    raise NotImplementedError


def hamilton_product_backward(grad, p, q):
    """Return the gradients (grad_p, grad_q) for arrays of quaternions `p` and `q` (..., 4) that broadcast.

    Each gradient has the shape of its factor: sum over the axes that were broadcast (unbroadcast of chapter 4). `grad`
    has the shape of hamilton_product(p, q).
    """
    raise NotImplementedError
