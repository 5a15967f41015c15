"""Exercise 1: quaternions.

A quaternion p = p_r + p_i i + p_j j + p_k k has four real components, always in the order r, i, j, k. An argument is an
array of four numbers. Arrays of several quaternions are not required; `pr, pi, pj, pk = p` would unpack their rows.
The units satisfy i² = j² = k² = -1, and their products are

    ij = k    jk = i    ki = j    ji = -k    kj = -i    ik = -j

Copy this file, write the functions, and test them:

    python -m pytest tests/course/test_01_quaternions.py --implementation my_quaternions.py

Each failure explains itself. Add --hints 1 (2, 3, ...) for hints. Chapter 1: docs/01-quaternions.md.
"""

import numpy as np


def hamilton_product(p, q):
    """Return the product p ⊗ q as an array or sequence of four numbers (r, i, j, k).

    Multiply (p_r + p_i i + p_j j + p_k k)(q_r + q_i i + q_j j + q_k k) out. This gives 16 terms. Sort the terms by the
    unit of the product: r collects the terms without a unit, such as p_r q_r and p_i i · q_i i = -p_i q_i.
    """
    pr, pi, pj, pk = p
    qr, qi, qj, qk = q
    raise NotImplementedError


def conjugate(q):
    """Return the conjugate q* = q_r - q_i i - q_j j - q_k k as an array of four numbers."""
    raise NotImplementedError


def norm(q):
    """Return the norm |q| = sqrt(q_r² + q_i² + q_j² + q_k²), one number."""
    raise NotImplementedError


def inverse(q):
    """Return the inverse q⁻¹ = q* / |q|² as an array of four numbers. The inverse satisfies q ⊗ q⁻¹ = 1."""
    raise NotImplementedError
