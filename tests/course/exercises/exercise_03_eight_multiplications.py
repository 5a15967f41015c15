"""Exercise 3: eight multiplications.

The formula of exercise 1 has 16 products of real numbers. Eight are sufficient. With the matrix

        1  1  1  1
    H = 1 -1  1 -1
        1  1 -1 -1
        1 -1 -1  1

and z = ¼ H [(H p) · (H q)], where · is the product of equal entries, the components of p ⊗ q are

    r = 2 p_r q_r - z_r    i = z_i - 2 p_k q_j    j = z_j - 2 p_i q_k    k = z_k - 2 p_j q_i

    python -m pytest tests/course/test_03_eight_multiplications.py --implementation my_eight_products.py

Chapter 3: docs/03-eight-multiplications.md.
"""

import numpy as np


def hadamard_transform(q):
    """Return the four sums H q as an array. The four components of `q` are numbers, or arrays of equal shape.

    H q needs 8 additions: first q_r + q_j, q_i + q_k, q_r - q_j and q_i - q_k, then four sums and differences of these.
    """
    raise NotImplementedError


def eight_products(p, q, multiply):
    """Return the four components of p ⊗ q as an array, computed with eight calls of `multiply`.

    `multiply(a, b)` multiplies one component of p (or one sum of components) by one of q: one pair in each call. The
    components can be matrices, for which the order matters: a is always one of p, and b is always one of q.
    """
    raise NotImplementedError
