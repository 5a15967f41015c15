"""The same results in plain loops, one formula letter per line. Slow; only to compare with."""

from itertools import product

import numpy as np

UNITS = ("1", "i", "j", "k")
# Hamilton's table, row times column, from i² = j² = k² = ijk = -1
TABLE = """
    1   i   j   k
    i  -1   k  -j
    j  -k  -1   i
    k   j  -i  -1
"""


def unit_product(a: int, b: int) -> tuple[int, int]:
    """Return (component, sign) of the product of units a and b, read off the table."""
    entry = TABLE.split()[4 * a + b]
    return UNITS.index(entry.lstrip("-")), -1 if entry.startswith("-") else 1


def hamilton(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Multiply two quaternions (4,), or (4, ...) of equal shape, unit by unit."""
    result = np.zeros(np.shape(p))
    for a, b in product(range(4), range(4)):
        component, sign = unit_product(a, b)
        result[component] += sign * p[a] * q[b]
    return result


def padded(x: np.ndarray, padding: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def conv2d(x: np.ndarray, w: np.ndarray, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Correlate x (N, H, W, C) with w (KH, KW, C, O): six loops, and a sum over the input channels."""
    x = padded(x, padding)
    kh, kw, _, outputs = w.shape
    height, width = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), height, width, outputs))
    for n, h, v, o in np.ndindex(*y.shape):
        for i, j in product(range(kh), range(kw)):
            y[n, h, v, o] += x[n, h * stride + i, v * stride + j] @ w[i, j, :, o]
    return y


def quaternion_conv2d(x: np.ndarray, w: np.ndarray, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Correlate x (N, H, W, 4C) with w (4, KH, KW, C, O): one Hamilton product w ⊗ x per tap and channel."""
    _, kh, kw, channels, outputs = w.shape
    x = padded(x, padding)
    x = x.reshape(*x.shape[:3], 4, channels)
    height, width = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), height, width, 4, outputs))
    for n, h, v, o in np.ndindex(len(x), height, width, outputs):
        for i, j, c in np.ndindex(kh, kw, channels):
            y[n, h, v, :, o] += hamilton(w[:, i, j, c, o], x[n, h * stride + i, v * stride + j, :, c])
    return y.reshape(len(x), height, width, 4 * outputs)
