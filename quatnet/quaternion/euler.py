"""Conversion between quaternions and Euler angles, in all twelve axis sequences, intrinsic and extrinsic.

A convention is three letters. Upper case ("ZYX") is intrinsic: each rotation is about an axis of the rotated body, so
q = z(a₀) ⊗ y(a₁) ⊗ x(a₂). "ZYX" is yaw, pitch and roll. Lower case ("xyz") is extrinsic: the axes are fixed, so
later rotations multiply from the left, q = z(a₂) ⊗ y(a₁) ⊗ x(a₀).
"""

import math

import numpy as np

from ..backend import Array, asnumpy, xp
from ..errors import ConfigError
from .chunks import apply_chunked, checked, checked_vectors
from .norms import unit_vector
from .product import hamilton_product
from .rotation import from_axis_angle


def from_euler(angles_rad: Array, *, convention: str, axis: int = -1) -> Array:
    """Return the unit quaternion of three angles along `axis`, in the order of the letters of `convention`.

    Raises
    ------
    ShapeError
        `axis` does not have length 3.
    ConfigError
        `convention` is not three letters of XYZ, or of xyz, or two neighboring letters are equal.
    """
    letters = _letters(convention)

    def formula(angles: Array) -> Array:
        rotations = [_axis_rotation(letter, angle) for letter, angle in zip(letters, angles, strict=True)]
        first, second, third = rotations if convention.isupper() else rotations[::-1]
        return hamilton_product(hamilton_product(first, second, axis=0), third, axis=0)

    return apply_chunked(formula, checked_vectors(angles_rad, axis), axis=axis)


def _axis_rotation(letter: int, angle: Array) -> Array:
    """Return the rotation by `angle` about the axis 1, 2 or 3, components along axis 0."""
    direction = xp.eye(3, dtype=angle.dtype)[letter - 1]
    return from_axis_angle(direction.reshape(3, *(1,) * angle.ndim), angle, axis=0)


def to_euler(q: Array, *, convention: str, axis: int = -1) -> Array:
    """Return three angles along `axis` for which `from_euler` returns q or -q up to its norm; nan for 0 and nan.

    The middle angle lies in [-π/2, π/2] for three different letters, and in [0, π] for sequences such as "ZXZ". The
    outer angles lie in [-π, π]. At the ends of the middle range (gimbal lock), only the sum or the difference of the
    outer angles is determined, and one valid pair is returned.

    With i, j, k the units of the three letters, q ⊗ (1 + s e_j) is a rotation about i, j, i whose middle angle is
    larger by a quarter turn, if the letters differ. In i(α) ⊗ j(β) ⊗ i(γ), the components 1 and i determine α + γ,
    and the components j and i ⊗ j determine α - γ.

    Raises ShapeError unless `axis` has length 4, ConfigError like `from_euler`.

    Source: E. Bernardes and S. Viollet, 2022, written with products.
    """
    i, j, k = _letters(convention)[:: 1 if convention.isupper() else -1]
    other = 6 - i - j
    side, shift = (1, 0.0) if i == k else (_sign(j, i, other), math.pi / 2)

    def formula(q: Array) -> list[Array]:
        q = unit_vector(q)
        if i != k:
            quarter = xp.eye(4, dtype=q.dtype)[0] + side * xp.eye(4, dtype=q.dtype)[j]
            q = hamilton_product(q, quarter.reshape(4, *(1,) * (q.ndim - 1)), axis=0)
        c, d = side * q[j], side * _sign(i, j, other) * q[other]
        angles = _three_angles(q[0], q[i], c, d, side, shift)
        return angles if convention.isupper() else angles[::-1]

    return apply_chunked(formula, checked(q, axis), axis=axis)


def _three_angles(a: Array, b: Array, c: Array, d: Array, side: int, shift: float) -> list[Array]:
    half_sum, half_difference = xp.arctan2(b, a), xp.arctan2(d, c)
    middle = 2 * xp.arctan2(xp.hypot(c, d), xp.hypot(a, b)) - shift
    return [_wrap(half_sum + half_difference), side * middle, _wrap(half_sum - half_difference)]


def _wrap(angle: Array) -> Array:
    return angle - 2 * math.pi * xp.rint(angle / (2 * math.pi))


def _sign(a: int, b: int, c: int) -> int:
    """Return the sign of e_c in e_a ⊗ e_b."""
    units = xp.eye(4)
    return int(asnumpy(hamilton_product(units[a], units[b]))[c])


def _letters(convention: str) -> list[int]:
    """Return the component index 1, 2 or 3 of each letter."""
    letters = ["xyz".find(letter) + 1 for letter in convention.lower()]
    one_case = convention.isupper() or convention.islower()
    if not one_case or len(letters) != 3 or 0 in letters or not np.diff(letters).all():
        raise ConfigError(
            f"convention={convention!r}: expected three letters with different neighbors, "
            "such as 'ZYX' (intrinsic) or 'xyz' (extrinsic)"
        )
    return letters
