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


def both(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def joined(small, large, kernel, stride, padding, dilation):
    """Yield (pixel of the small image, pixel of the large one, tap) for all that a convolution joins."""
    (down, right), (above, left), (dh, dw) = both(stride), both(padding), both(dilation)
    for h, v, i, j in np.ndindex(*small, *kernel):
        row, column = h * down + i * dh - above, v * right + j * dw - left
        if 0 <= row < large[0] and 0 <= column < large[1]:
            yield (h, v), (row, column), (i, j)


def fitting(size, kernel, stride, padding, dilation):
    """Count the places where the kernel fits, height and width."""
    each = zip(size, kernel, both(stride), both(padding), both(dilation), strict=True)
    return [len(range(0, n + 2 * p - d * (k - 1), s)) for n, k, s, p, d in each]


def spread(size, kernel, stride, padding, output_padding, dilation):
    """The size of a transposed convolution: the last pixel's last tap, cut by the padding."""
    each = zip(size, kernel, both(stride), both(padding), both(output_padding), both(dilation), strict=True)
    return [(n - 1) * s + d * (k - 1) + 1 - 2 * p + more for n, k, s, p, more, d in each]


def conv2d(x, w, stride=1, padding=0, dilation=1, groups=1):
    """Correlate x (N, H, W, C) with w (KH, KW, C/G, O): loops over pixels, taps and filters."""
    size = fitting(x.shape[1:3], w.shape[:2], stride, padding, dilation)
    y = np.zeros((len(x), *size, w.shape[3]))
    for to, source, tap in joined(size, x.shape[1:3], w.shape[:2], stride, padding, dilation):
        _add_real(y, to, x, source, w[tap], groups)
    return y


def conv_transpose2d(x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Let each pixel of x (N, H, W, C) add its products with w (KH, KW, C/G, O) to where they belong."""
    size = spread(x.shape[1:3], w.shape[:2], stride, padding, output_padding, dilation)
    y = np.zeros((len(x), *size, w.shape[3]))
    for source, to, tap in joined(x.shape[1:3], size, w.shape[:2], stride, padding, dilation):
        _add_real(y, to, x, source, w[tap], groups)
    return y


def _add_real(y, to, x, source, w, groups):
    channels, outputs = w.shape
    for o in range(outputs):
        first = o // (outputs // groups) * channels
        for n in range(len(x)):
            y[n, *to, o] += x[n, *source, first : first + channels] @ w[:, o]


def rotation(w, x):
    """Turn x: w ⊗ x ⊗ w* / |w|², where w* = (r, -i, -j, -k)."""
    return hamilton(hamilton(w, x), w * np.array([1, -1, -1, -1])) / (w @ w)


def quaternion_conv2d(x, w, stride=1, padding=0, dilation=1, groups=1, act=hamilton):
    """Correlate x (N, H, W, 4C) with w (4, KH, KW, C/G, O): one product `act` of quaternions per tap and channel."""
    size = fitting(x.shape[1:3], w.shape[1:3], stride, padding, dilation)
    y = np.zeros((len(x), *size, 4, w.shape[4]))
    for to, source, (i, j) in joined(size, x.shape[1:3], w.shape[1:3], stride, padding, dilation):
        _add_quaternions(y, to, x, source, w[:, i, j], groups, act)
    return y.reshape(*y.shape[:3], 4 * w.shape[4])


def quaternion_conv_transpose2d(x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Let each pixel of x (N, H, W, 4C) add w ⊗ x, for w (4, KH, KW, C/G, O), to where it belongs."""
    size = spread(x.shape[1:3], w.shape[1:3], stride, padding, output_padding, dilation)
    y = np.zeros((len(x), *size, 4, w.shape[4]))
    for source, to, (i, j) in joined(x.shape[1:3], size, w.shape[1:3], stride, padding, dilation):
        _add_quaternions(y, to, x, source, w[:, i, j], groups, hamilton)
    return y.reshape(*y.shape[:3], 4 * w.shape[4])


def _add_quaternions(y, to, x, source, w, groups, act):
    x = x.reshape(*x.shape[:3], 4, x.shape[3] // 4)
    _, channels, outputs = w.shape
    for n, c, o in np.ndindex(len(x), channels, outputs):
        group = o // (outputs // groups)
        y[n, *to, :, o] += act(w[:, c, o], x[n, *source, :, group * channels + c])
