"""Exercise 15: exponentials, logarithms and rotations.

A unit quaternion q = cos θ/2 + u sin θ/2 with a unit vector u = u_i i + u_j j + u_k k rotates a vector v by the
angle θ about u: the imaginary part of q ⊗ v ⊗ q*. Quaternions are arrays of four numbers, vectors of three numbers.

    python -m pytest tests/course/test_15_rotations.py --implementation my_rotations.py

Chapter 15: docs/15-rotations.md.
"""

import numpy as np

from quatnet.quaternion import conjugate, hamilton_product  # for arrays of four numbers


def exp(q):
    """Return e^q = e^r (cos |v| + v/|v| sin |v|) for q with the real part r and the imaginary part v. e^0 = 1."""
    raise NotImplementedError


def log(q):
    """Return log q = ln |q| + v/|v| θ for q ≠ 0, with the angle θ = atan2(|v|, r) from 0 to π.

    For a positive real number, v/|v| θ is 0. Negative real numbers do not occur.
    """
    raise NotImplementedError


def rotate(q, v):
    """Return the imaginary part (three numbers) of q ⊗ v ⊗ q*, for a unit quaternion `q` and a vector `v`."""
    raise NotImplementedError


def from_axis_angle(direction, angle):
    """Return the unit quaternion of the rotation by `angle` in rad about `direction`, a vector of any length > 0."""
    raise NotImplementedError


def to_matrix(q):
    """Return the 3x3 matrix M of a unit quaternion, M v = rotate(q, v)."""
    raise NotImplementedError


def slerp(p, q, t):
    """Return the spherical interpolation of unit quaternions p (t = 0) and q (t = 1).

    The result is (sin((1-t)Ω) p + sin(tΩ) q) / sin Ω. Ω is the angle between p and q as vectors of four numbers,
    cos Ω = <p, q>. q and -q are the same rotation: if <p, q> < 0, use -q, so that the path is the shorter one. p = q
    and p = -q do not occur.
    """
    raise NotImplementedError
