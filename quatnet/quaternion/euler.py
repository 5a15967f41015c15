"""Euler angles: a rotation as three turns about coordinate axes, in any of the twelve orders, two ways each.

A convention is three letters. Upper case, "ZYX", is intrinsic: each turn is about an axis of the body, which
the turns before it have carried along, so q = z(a₀) ⊗ y(a₁) ⊗ x(a₂), the yaw, pitch and roll of ships. Lower
case, "xyz", is extrinsic: the axes stay, so the turns multiply from the left, q = z(a₂) ⊗ y(a₁) ⊗ x(a₀).
"""

import math

import numpy as np

from ..backend import Array, asnumpy, xp
from ..errors import ConfigError
from .chunks import apply_chunked, checked, checked_vectors
from .norms import unit
from .product import hamilton_product
from .rotation import from_axis_angle


def from_euler(angles_rad: Array, *, convention: str, axis: int = -1) -> Array:
    """Return the unit quaternion of three angles along `axis`, in the order of the letters of `convention`.

    Raises
    ------
    ShapeError
        `axis` does not have length 3.
    ConfigError
        `convention` is not three of XYZ, or of xyz, with neighbors that differ.
    """
    letters = _letters(convention)

    def formula(angles: Array) -> Array:
        turns = [_turn(letter, angle) for letter, angle in zip(letters, angles, strict=True)]
        first, second, third = turns if convention.isupper() else turns[::-1]
        return hamilton_product(hamilton_product(first, second, axis=0), third, axis=0)

    return apply_chunked(formula, checked_vectors(angles_rad, axis), axis=axis)


def _turn(letter: int, angle: Array) -> Array:
    """The rows of a turn about the axis of the letter."""
    direction = xp.eye(3, dtype=angle.dtype)[letter - 1]
    return from_axis_angle(direction.reshape(3, *(1,) * angle.ndim), angle, axis=0)


def to_euler(q: Array, *, convention: str, axis: int = -1) -> Array:
    """Return three angles along `axis` that `from_euler` turns into q or -q; nan for 0 and nan.

    The middle angle lies in [-π/2, π/2] for three different letters, in [0, π] for "ZXZ" and its like, the
    outer ones in [-π, π]. At the ends of the middle range (gimbal lock) only the sum or the difference of the
    outer angles means something, and some pair with the right one is returned.

    With letters i, j, k, q(1 + s e_j) turns about i, j, i, the middle angle a quarter turn on for three
    different letters; and of i(α) ⊗ j(β) ⊗ i(γ) the components 1, i depend on α + γ alone, and j, i ⊗ j on α
    - γ.

    Source: E. Bernardes and S. Viollet, 2022, in the form of products. Raises as `from_euler`.
    """
    i, j, k = _letters(convention)[:: 1 if convention.isupper() else -1]
    other = 6 - i - j
    side, shift = (1, 0.0) if i == k else (_sign(j, i, other), math.pi / 2)

    def formula(q: Array) -> list[Array]:
        q = unit(q)
        if i != k:
            quarter = xp.eye(4, dtype=q.dtype)[0] + side * xp.eye(4, dtype=q.dtype)[j]
            q = hamilton_product(q, quarter.reshape(4, *(1,) * (q.ndim - 1)), axis=0)
        c, d = side * q[j], side * _sign(i, j, other) * q[other]
        angles = _outer_and_middle(q[0], q[i], c, d, side, shift)
        return angles if convention.isupper() else angles[::-1]

    return apply_chunked(formula, checked(q, axis), axis=axis)


def _outer_and_middle(a: Array, b: Array, c: Array, d: Array, side: int, shift: float) -> list[Array]:
    half_sum, half_difference = xp.arctan2(b, a), xp.arctan2(d, c)
    middle = 2 * xp.arctan2(xp.hypot(c, d), xp.hypot(a, b)) - shift
    return [_wrapped(half_sum + half_difference), side * middle, _wrapped(half_sum - half_difference)]


def _wrapped(angle: Array) -> Array:
    return angle - 2 * math.pi * xp.rint(angle / (2 * math.pi))


def _sign(a: int, b: int, c: int) -> int:
    """The sign of e_c in e_a ⊗ e_b."""
    units = xp.eye(4)
    return int(asnumpy(hamilton_product(units[a], units[b]))[c])


def _letters(convention: str) -> list[int]:
    """The components 1, 2, 3 of i, j, k that the letters name."""
    letters = ["xyz".find(letter) + 1 for letter in convention.lower()]
    clear = convention.isupper() or convention.islower()
    if not clear or len(letters) != 3 or 0 in letters or not np.diff(letters).all():
        raise ConfigError(
            f"convention={convention!r}: expected three letters, neighbors different, "
            "as 'ZYX' (axes of the body) or 'xyz' (axes of space)"
        )
    return letters
