"""F(4, 3): four neighbouring outputs of a correlation with three taps, from six products instead of twelve.

    y = Aᵀ[(G w) · (Bᵀ d)]        d: 6 inputs    w: 3 taps    y: 4 outputs, y[r] = Σ_i w[i] d[r + i]

It multiplies the polynomials of taps and cotangents by their values at the points 0, ±a, ±b and ∞, transposed.
The points ±3/4 and ±3/2 are exact in binary and lose half as many digits as the usual ±1 and ±2.
Here it runs along the rows of an image, for as many columns and channels at once as the arrays hold.

Source: S. Winograd, Arithmetic complexity of computations, 1980; A. Lavin and S. Gray, 2016; for the choice of
points B. Barabasz and others, Error analysis and improving the accuracy of Winograd convolution, 2020.
"""

from functools import cache

import numpy as np

from ..backend import Array

OUTPUTS, TAPS, PRODUCTS = 4, 3, 6
A, B = 0.75, 1.5
POINTS = np.array([0, A, -A, B, -B])


@cache
def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Bᵀ (6, 6), G (6, 3) and Aᵀ (4, 6) in float64, from the points."""
    others = [np.delete(POINTS, k) for k in range(5)]
    rows = [np.append(np.poly(rest)[::-1], 0) for rest in others]  # Π (x - p) over the other points
    scale = np.array([np.prod(point - rest) for point, rest in zip(POINTS, others, strict=True)])
    infinity = np.poly(POINTS)[::-1]
    g = np.vstack([POINTS[:, None] ** np.arange(3) / scale[:, None], [0, 0, 1]])
    a = np.vstack([POINTS[:, None] ** np.arange(4), [0, 0, 0, 1]]).T
    return np.vstack([*rows, infinity]), g, a


def transform_rows(d: Array, v: Array, scratch: Array) -> None:
    """Write Bᵀ d into `v`, both (6, ...), with six more of their parts for `scratch`.

    Rows are taken two by two: a call of NumPy has more to do then, and lets other threads run meanwhile.
    """
    u, x, y = scratch[:2], scratch[2:4], scratch[4:]
    _minus(d[2::3], d[0::3], B**2, out=u)  # d2 - b² d0, d5 - b² d3
    _minus(d[3:5], d[1:3], B**2, out=x)  # d3 - b² d1, d4 - b² d2
    _minus(d[3:5], d[1:3], A**2, out=y)
    np.multiply(u[0], u.dtype.type(A**2), out=u[0])
    np.subtract(x[1], u[0], out=v[0])
    _minus(u[1:], x[:1], A**2, out=v[5:])
    np.multiply(x[0], x.dtype.type(A), out=x[0])
    np.multiply(y[0], y.dtype.type(B), out=y[0])
    both = scratch[2:].reshape(2, 2, *d.shape[1:])
    np.add(both[:, 1], both[:, 0], out=v[1:5:2])
    np.subtract(both[:, 1], both[:, 0], out=v[2:5:2])


def transform_products(m: Array, y: Array, scratch: Array) -> None:
    """Write Aᵀ m into `y` (4, ...), with four parts like those of `m` (6, ...) for `scratch`."""
    plus, minus = np.add(m[1:5:2], m[2:5:2], out=scratch[:2]), np.subtract(m[1:5:2], m[2:5:2], out=scratch[2:])
    points = np.array([A, B], m.dtype).reshape(2, *(1,) * (m.ndim - 1))
    np.add(m[0], plus[0], out=y[0])
    np.add(y[0], plus[1], out=y[0])
    np.multiply(minus, points, out=minus)
    np.add(minus[0], minus[1], out=y[1])
    np.multiply(plus, points**2, out=plus)
    np.add(plus[0], plus[1], out=y[2])
    np.multiply(minus, points**2, out=minus)
    np.add(minus[0], minus[1], out=y[3])
    np.add(y[3], m[5], out=y[3])


def transform_cotangents(g: Array, v: Array, scratch: Array) -> None:
    """Write A g into `v` (6, ...), the adjoint of `transform_products`, with four parts for `scratch`."""
    np.copyto(v[::5], g[::3])
    even, odd = scratch[:2], scratch[2:]
    points = np.array([A, B], g.dtype).reshape(2, *(1,) * (g.ndim - 1))
    np.multiply(g[3], points**2, out=odd)
    np.multiply(np.add(odd, g[1], out=odd), points, out=odd)
    np.add(np.multiply(g[2], points**2, out=even), g[0], out=even)
    np.add(even, odd, out=v[1:5:2])
    np.subtract(even, odd, out=v[2:5:2])


def transform_taps(w: Array, u: Array, scratch: Array) -> None:
    """Write G w into `u` (6, ...), with four parts like those of `w` (3, ...) for `scratch`."""
    g = matrices()[1].astype(w.dtype)
    shape = (2, *(1,) * (w.ndim - 1))
    even, odd = scratch[:2], scratch[2:]
    np.multiply(w[0], g[0, 0], out=u[0])
    np.copyto(u[5], w[2])
    np.multiply(w[2], g[1:5:2, 2].reshape(shape), out=odd)
    np.add(np.multiply(w[0], g[1:5:2, 0].reshape(shape), out=even), odd, out=even)
    np.multiply(w[1], g[1:5:2, 1].reshape(shape), out=odd)
    np.add(even, odd, out=u[1:5:2])
    np.subtract(even, odd, out=u[2:5:2])


def _minus(x: Array, y: Array, factor: float, *, out: Array) -> None:
    """x - factor · y; `out` may be neither of them."""
    np.multiply(y, y.dtype.type(factor), out=out)
    np.subtract(x, out, out=out)
