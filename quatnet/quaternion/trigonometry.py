"""Joint computation of cosine and sine, and conversion of angles between degrees and radians."""

import numpy as np

from ..backend import Array, xp


def cos_sin(x: Array) -> tuple[Array, Array]:
    """Return cos x and sin x, computed from t = tan(x/2): cos x = 2 / (1 + t²) - 1, sin x = 2t / (1 + t²).

    These formulas need one transcendental function, which NumPy vectorizes.
    """
    t = xp.tan(x / 2)
    factor = 2 / (1 + t * t)
    return factor - 1, factor * t


def cos_sin_pi(x: Array) -> tuple[Array, Array]:
    """Return cos πx and sin πx. Multiples of a quarter turn are subtracted first and add no rounding error."""
    quarters = xp.rint(2 * x)
    cosine, sine = cos_sin((x - quarters / 2) * pi(x.dtype))
    odd, negative = quarters % 2 == 1, quarters % 4 >= 2
    cosine, sine = xp.where(odd, -sine, cosine), xp.where(odd, cosine, sine)
    return xp.where(negative, -cosine, cosine), xp.where(negative, -sine, sine)


def to_radians(angle: Array, degrees: bool) -> Array:
    """Convert `angle` from degrees to rad if `degrees` is true. Otherwise return `angle`."""
    return xp.radians(angle) if degrees else angle


def from_radians(angle: Array, degrees: bool) -> Array:
    """Convert `angle` from rad to degrees if `degrees` is true. Otherwise return `angle`."""
    return xp.degrees(angle) if degrees else angle


def pi(dtype: np.dtype) -> Array:
    """Return the number π as an array of dtype `dtype`."""
    return xp.arccos(xp.asarray(-1, dtype=dtype))
