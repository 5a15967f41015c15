"""The additions of `quaternion.eight_products`, in place, for whole stacks of planes.

Axis 1 of a stack holds eight planes. Planes 4 to 7 are the components of one factor, in the order in which the direct
products p₀q₀, p₃q₂, p₁q₃, p₂q₁ take them; planes 0 to 3 are the sums H p, or H q. Multiplied plane by plane and
scaled by `FACTORS`, they give n₀ ... n₇, and

    p ⊗ q = (n₄ - z₀, n₅ + z₁, n₆ + z₂, n₇ + z₃),    z = H (n₀, n₁, n₂, n₃).
"""

import numpy as np

from ..backend import Array

PLANES = 8
LEFT_ORDER = (0, 3, 1, 2)  # components of p in planes 4 to 7
RIGHT_ORDER = (0, 2, 3, 1)  # components of q in planes 4 to 7
# For each order: planes of the even components 0, 1 or 0, 3; of 2, 3 or 2, 1 beside them; of both sums; differences
PAIRS: dict[tuple[int, ...], tuple[slice, slice, slice, slice]] = {
    LEFT_ORDER: (slice(4, None, 2), slice(7, 4, -2), slice(0, 4, 2), slice(1, 4, 2)),
    RIGHT_ORDER: (slice(4, None, 2), slice(5, None, 2), slice(0, 4, 3), slice(1, 3)),
}
FACTORS = np.array([0.25] * 4 + [2, -2, -2, -2])


def mix(planes: Array, order: tuple[int, ...], scratch: Array) -> None:
    """Fill planes 0 to 3 of `planes` (K, 8, ...) with the sums of 4 to 7; `scratch` is (2, 2, K, ...).

    Two planes at a time: with q₀, q₃ before q₂, q₁ the second difference comes out as -(q₁ - q₃).
    """
    first, second, even, odd = PAIRS[order]
    a, b = (planes[:, part].swapaxes(0, 1) for part in (first, second))
    np.add(a, b, out=scratch[0])
    np.subtract(a, b, out=scratch[1])
    np.add(scratch[:, 0], scratch[:, 1], out=planes[:, even].swapaxes(0, 1))
    np.subtract(scratch[:, 0], scratch[:, 1], out=planes[:, odd].swapaxes(0, 1))


def scale(planes: Array) -> None:
    """Multiply the planes by their `FACTORS`: once, on whichever of the operands or products is smallest."""
    for plane, factor in enumerate(FACTORS.astype(planes.dtype)):
        np.multiply(planes[:, plane], factor, out=planes[:, plane])


def unmix(products: Array, scratch: Array) -> Array:
    """Return p ⊗ q, a view (K, 4, ...) of the scaled `products` (K, 8, ...); `scratch` is (2, 2, K, ...)."""
    a, b = products[:, 0:2].swapaxes(0, 1), products[:, 2:4].swapaxes(0, 1)
    np.add(a, b, out=scratch[0])  # n₀ + n₂, n₁ + n₃
    np.subtract(a, b, out=scratch[1])
    np.add(scratch[:, 0], scratch[:, 1], out=a)  # z₀, z₂
    np.subtract(scratch[:, 0], scratch[:, 1], out=b)  # z₁, z₃
    np.subtract(products[:, 4], a[0], out=products[:, 4])
    np.add(products[:, 6], a[1], out=products[:, 6])
    np.add(products[:, 5::2].swapaxes(0, 1), b, out=products[:, 5::2].swapaxes(0, 1))
    return products[:, 4:]
