"""F(4, 3): four neighbouring outputs of a correlation with three taps, from six products instead of twelve.

    y = Aᵀ[(G w) · (Bᵀ d)]        d: 6 inputs    w: 3 taps    y: 4 outputs, y[r] = Σ_i w[i] d[r + i]

It multiplies the polynomials of taps and cotangents by their values at the points 0, ±a, ±b and ∞, transposed.
The points ±3/4 and ±3/2 are exact in binary and lose half as many digits as the usual ±1 and ±2.
Here it runs along the rows of an image, for as many columns and channels at once as the arrays hold.

Source: S. Winograd, Arithmetic complexity of computations, 1980; A. Lavin and S. Gray, 2016; for the choice of
points B. Barabasz and others, Error analysis and improving the accuracy of Winograd convolution, 2020.
"""

import numpy as np

from ..backend import Array

OUTPUTS, TAPS, PRODUCTS = 4, 3, 6
A, B = 0.75, 1.5
POINTS = np.array([0, A, -A, B, -B])


def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Bᵀ (6, 6), G (6, 3) and Aᵀ (4, 6) in float64, from the points."""
    others = [np.delete(POINTS, k) for k in range(5)]
    rows = [np.append(np.poly(rest)[::-1], 0) for rest in others]  # Π (x - p) over the other points
    scale = np.array([np.prod(point - rest) for point, rest in zip(POINTS, others, strict=True)])
    infinity = np.poly(POINTS)[::-1]
    g = np.vstack([POINTS[:, None] ** np.arange(3) / scale[:, None], [0, 0, 1]])
    a = np.vstack([POINTS[:, None] ** np.arange(4), [0, 0, 0, 1]]).T
    return np.vstack([*rows, infinity]), g, a


def transform_rows(d: list[Array], v: list[Array], scratch: list[Array]) -> None:
    """Write Bᵀ d into `v`: six arrays from six, with three more of their shape for `scratch`."""
    t, e, o = scratch
    _minus(d[4], d[2], B**2, t, out=e)
    _minus(d[3], d[1], B**2, t, out=o)
    np.multiply(o, o.dtype.type(A), out=o)
    np.add(e, o, out=v[1])
    np.subtract(e, o, out=v[2])
    _minus(d[2], d[0], B**2, t, out=v[0])
    _minus(e, v[0], A**2, t, out=v[0])
    _minus(d[5], d[3], B**2, t, out=v[5])
    _minus(v[5], o, A, t, out=v[5])
    _minus(d[4], d[2], A**2, t, out=e)
    _minus(d[3], d[1], A**2, t, out=o)
    np.multiply(o, o.dtype.type(B), out=o)
    np.add(e, o, out=v[3])
    np.subtract(e, o, out=v[4])


def transform_products(m: list[Array], y: list[Array], scratch: list[Array]) -> None:
    """Write Aᵀ m into `y`: four arrays from six, with two more of their shape for `scratch`; `m` is overwritten."""
    p, q = scratch
    np.add(m[1], m[2], out=p)
    np.subtract(m[1], m[2], out=q)
    u, v = np.add(m[3], m[4], out=m[1]), np.subtract(m[3], m[4], out=m[2])
    np.add(m[0], p, out=y[0])
    np.add(y[0], u, out=y[0])
    _scaled_sum(q, A, v, B, out=y[1])
    _scaled_sum(p, A**2, u, B**2, out=y[2])
    _scaled_sum(q, A**2, v, B**2, out=y[3])
    np.add(y[3], m[5], out=y[3])


def transform_cotangents(g: list[Array], v: list[Array], scratch: list[Array]) -> None:
    """Write A g into `v`: six arrays from four, the adjoint of `transform_products`."""
    t, e, o = scratch
    np.copyto(v[0], g[0])
    np.copyto(v[5], g[3])
    for point, k in ((A, 1), (B, 3)):
        _minus(g[0], g[2], -(point**2), t, out=e)
        _minus(g[1], g[3], -(point**2), t, out=o)
        np.multiply(o, o.dtype.type(point), out=o)
        np.add(e, o, out=v[k])
        np.subtract(e, o, out=v[k + 1])


def _minus(x: Array, y: Array, factor: float, scratch: Array, *, out: Array) -> None:
    """x - factor · y."""
    np.multiply(y, y.dtype.type(factor), out=scratch)
    np.subtract(x, scratch, out=out)


def _scaled_sum(x: Array, a: float, y: Array, b: float, *, out: Array) -> None:
    """a x + b y, which x and y keep multiplied."""
    np.multiply(x, x.dtype.type(a), out=x)
    np.multiply(y, y.dtype.type(b), out=y)
    np.add(x, y, out=out)


def transform_taps(w: list[Array], u: list[Array], scratch: list[Array]) -> None:
    """Write G w into `u`: six arrays from three."""
    t, e, o = scratch
    g = matrices()[1]
    np.multiply(w[0], w[0].dtype.type(g[0, 0]), out=u[0])
    np.copyto(u[5], w[2])
    for k in (1, 3):
        np.multiply(w[0], t.dtype.type(g[k, 0]), out=e)
        _minus(e, w[2], -g[k, 2], t, out=e)
        np.multiply(w[1], o.dtype.type(g[k, 1]), out=o)
        np.add(e, o, out=u[k])
        np.subtract(e, o, out=u[k + 1])
