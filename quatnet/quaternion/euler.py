"""Conversion between quaternions and Euler angles, for all twelve axis sequences, intrinsic and extrinsic.

A convention consists of three letters. With x(a) the rotation by the angle a about the x axis, likewise y(a) and z(a):

- Upper case is intrinsic: each rotation is about an axis of the rotated body. "ZYX" (yaw, pitch, roll) with the angles
  a₀, a₁, a₂ is q = z(a₀) ⊗ y(a₁) ⊗ x(a₂).
- Lower case is extrinsic: the axes are fixed. "xyz" is q = z(a₂) ⊗ y(a₁) ⊗ x(a₀).
"""

import numpy as np

from ..backend import Array, xp
from ..errors import ConfigError
from .chunks import apply_chunked, as_quaternion_array, as_vector_array
from .norms import unit_vector
from .product import hamilton_product
from .real_matrices import multiplication_table
from .rotation import from_axis_angle
from .trigonometry import from_radians, pi, to_radians


def from_euler(angles: Array, *, convention: str, degrees: bool = False, axis: int = -1) -> Array:
    """Return the unit quaternion for three angles along `axis`, in the order of the letters of `convention`.

    The angles are in rad, or in degrees if `degrees` is true.

    Raises
    ------
    ShapeError
        `axis` does not have length 3.
    ConfigError
        `convention` does not consist of three letters of XYZ or of xyz, or two neighboring letters are equal.
    """
    letters = _letters(convention)

    def formula(angles: Array) -> Array:
        rotations = [_axis_rotation(letter, angle) for letter, angle in zip(letters, angles, strict=True)]
        first, second, third = rotations if convention.isupper() else rotations[::-1]
        return hamilton_product(hamilton_product(first, second, axis=0), third, axis=0)

    return apply_chunked(formula, to_radians(as_vector_array(angles, axis), degrees), axis=axis)


def _axis_rotation(letter: int, angle: Array) -> Array:
    """Return the rotation by `angle` about the x, y or z axis for `letter` = 1, 2 or 3, components along axis 0."""
    direction = xp.eye(3, dtype=angle.dtype)[letter - 1]
    return from_axis_angle(direction.reshape(3, *(1,) * angle.ndim), angle, axis=0)


def to_euler(q: Array, *, convention: str, degrees: bool = False, axis: int = -1) -> Array:
    """Return the three Euler angles of the rotation q along `axis`. The angles of 0 and NaN are NaN.

    The angles are in rad, or in degrees if `degrees` is true. `from_euler` converts the angles to q / |q| or -q / |q|.
    The middle angle lies in [-π/2, π/2] for three different letters, and in [0, π] for sequences such as "ZXZ". The
    outer angles lie in [-π, π]. At the ends of the range of the middle angle (gimbal lock), only the sum or the
    difference of the outer angles is determined. One valid pair is then returned.

    Let i, j, k be the units of the three letters, and let s be the sign of k in j ⊗ i. In i(α) ⊗ j(β) ⊗ i(γ), the
    components 1 and i determine α + γ, and the components j and i ⊗ j determine α - γ. If the letters differ,
    q ⊗ (1 + s j) is such a product about i, j, i. The middle angle of this product is larger by a quarter turn.

    Raises ShapeError unless `axis` has length 4, and ConfigError like `from_euler`.

    Source: E. Bernardes and S. Viollet, 2022, here written with Hamilton products.
    """
    i, j, k = _letters(convention)[:: 1 if convention.isupper() else -1]
    other, table = 6 - i - j, multiplication_table()
    side = 1 if i == k else int(table[j, i, other])

    def formula(q: Array) -> list[Array]:
        q = unit_vector(q)
        if i != k:
            quarter = xp.eye(4, dtype=q.dtype)[0] + side * xp.eye(4, dtype=q.dtype)[j]
            q = hamilton_product(q, quarter.reshape(4, *(1,) * (q.ndim - 1)), axis=0)
        c, d = side * q[j], side * int(table[i, j, other]) * q[other]
        angles = _three_angles(q[0], q[i], c, d, side, 0 if i == k else pi(q.dtype) / 2)
        return angles if convention.isupper() else angles[::-1]

    return from_radians(apply_chunked(formula, as_quaternion_array(q, axis), axis=axis), degrees)


def _three_angles(a: Array, b: Array, c: Array, d: Array, side: int, shift: Array | float) -> list[Array]:
    half_sum, half_difference = xp.arctan2(b, a), xp.arctan2(d, c)
    middle = 2 * xp.arctan2(xp.hypot(c, d), xp.hypot(a, b)) - shift
    return [_wrap(half_sum + half_difference), side * middle, _wrap(half_sum - half_difference)]


def _wrap(angle: Array) -> Array:
    turn = 2 * pi(angle.dtype)
    return angle - turn * xp.rint(angle / turn)


def _letters(convention: str) -> list[int]:
    """Return the component index of each letter: 1 for x, 2 for y, 3 for z."""
    text = convention if isinstance(convention, str) else ""
    letters = ["xyz".find(letter) + 1 for letter in text.lower()]
    one_case = text.isupper() or text.islower()
    if not one_case or len(letters) != 3 or 0 in letters or not np.diff(letters).all():
        raise ConfigError(
            f"convention={convention!r}: expected three letters with different neighbors, "
            "such as 'ZYX' (intrinsic) or 'xyz' (extrinsic)"
        )
    return letters
