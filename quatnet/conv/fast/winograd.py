"""Winograd's F(4, 3): four outputs of a correlation with three taps, from six products instead of twelve.

    y = Aᵀ[(G w) · (Bᵀ d)]        d: 6 inputs    w: 3 taps    y: 4 outputs, y[r] = Σ_i w[i] d[r + i]

The algorithm is the transpose of a polynomial multiplication that evaluates both factors at the points 0, ±a, ±b, ∞.
The points a = 3/4 and b = 3/2 are exact binary numbers. With these points, the rounding error is half of the error with
the usual points 1 and 2. The algorithm is applied along the vertical axis of an image. `transforms` combines Bᵀ, G and
Aᵀ with the matrices of the eight products.

Source: S. Winograd, Arithmetic complexity of computations, 1980; A. Lavin and S. Gray, 2016; for the choice of
points B. Barabasz and others, Error analysis and improving the accuracy of Winograd convolution, 2020.
"""

from functools import cache

import numpy as np

OUTPUTS, TAPS, PRODUCTS = 4, 3, 6
A, B = 0.75, 1.5
POINTS = np.array([0, A, -A, B, -B])


@cache
def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Bᵀ (6, 6), G (6, 3) and Aᵀ (4, 6) in float64, computed from the points."""
    others = [np.delete(POINTS, k) for k in range(5)]
    rows = [np.append(np.poly(rest)[::-1], 0) for rest in others]  # coefficients of Π (x - p) over the other points p
    scale = np.array([np.prod(point - rest) for point, rest in zip(POINTS, others, strict=True)])
    infinity = np.poly(POINTS)[::-1]
    g = np.vstack([POINTS[:, None] ** np.arange(3) / scale[:, None], [0, 0, 1]])
    a = np.vstack([POINTS[:, None] ** np.arange(4), [0, 0, 0, 1]]).T
    return np.vstack([*rows, infinity]), g, a
