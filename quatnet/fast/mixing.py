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
FACTORS = np.array([0.25] * 4 + [2, -2, -2, -2])


def mix(planes: Array, order: tuple[int, ...], scratch: Array) -> None:
    """Fill planes 0 to 3 of `planes` (K, 8, ...) with the sums of 4 to 7; `scratch` is (2, K, ...)."""
    components = [planes[:, 4 + order.index(c)] for c in range(4)]
    for combine, first in ((np.add, 0), (np.subtract, 2)):
        even = combine(components[0], components[2], out=scratch[0])
        odd = combine(components[1], components[3], out=scratch[1])
        np.add(even, odd, out=planes[:, first])
        np.subtract(even, odd, out=planes[:, first + 1])


def scale(planes: Array) -> None:
    """Multiply the planes by their `FACTORS`: once, on whichever of the operands or products is smallest."""
    for plane, factor in enumerate(FACTORS.astype(planes.dtype)):
        np.multiply(planes[:, plane], factor, out=planes[:, plane])


def unmix(products: Array, scratch: Array) -> Array:
    """Return p ⊗ q, a view (K, 4, ...) of the scaled `products` (K, 8, ...); `scratch` is (2, K, ...)."""
    n0, n1, n2, n3, r, i, j, k = (products[:, plane] for plane in range(PLANES))
    even_difference, odd_difference = np.subtract(n0, n2, out=scratch[0]), np.subtract(n1, n3, out=scratch[1])
    even, odd = np.add(n0, n2, out=n0), np.add(n1, n3, out=n1)
    for component, first, second in ((i, even, odd), (k, even_difference, odd_difference)):
        np.add(component, first, out=component)
        np.subtract(component, second, out=component)
    np.subtract(np.subtract(r, even, out=r), odd, out=r)
    np.add(np.add(j, even_difference, out=j), odd_difference, out=j)
    return products[:, 4:]
