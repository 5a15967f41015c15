"""Cosine and sine together, and of half turns."""

import numpy as np

from ..backend import Array, xp


def cos_sin(x: Array) -> tuple[Array, Array]:
    """Return cos x and sin x from one tangent: with t = tan x/2, 2 / (1 + t²) - 1 and 2t / (1 + t²).

    One function instead of two, and that one NumPy computes eight at a time.
    """
    t = xp.tan(x / 2)
    with np.errstate(over="ignore"):  # t² = inf in float16 gives cos x = -1, as it should
        share = 2 / (1 + t * t)
    return share - 1, share * t


def cos_sin_half_turns(x: Array) -> tuple[Array, Array]:
    """Return cos πx and sin πx: whole quarter turns are taken out first, and cost no rounding."""
    quarters = xp.rint(2 * x)
    cosine, sine = cos_sin((x - quarters / 2) * pi(x.dtype))
    odd, behind = quarters % 2 == 1, quarters % 4 >= 2
    cosine, sine = xp.where(odd, -sine, cosine), xp.where(odd, cosine, sine)
    return xp.where(behind, -cosine, cosine), xp.where(behind, -sine, sine)


def pi(dtype: np.dtype) -> Array:
    """Return π to the last place of `dtype`."""
    return xp.arccos(xp.asarray(-1, dtype=dtype))
