"""Reference implementations in plain loops.

The shapes have N images of H rows and W columns, C input channels, O output channels, and kernels of KH x KW taps.
"""

import numpy as np

UNITS = ("1", "i", "j", "k")
# The multiplication table follows from i² = j² = k² = ijk = -1. Rows are left factors and columns are right factors.
TABLE = """
    1   i   j   k
    i  -1   k  -j
    j  -k  -1   i
    k   j  -i  -1
"""


def unit_product(a: int, b: int) -> tuple[int, int]:
    """Return (component, sign) of the product of the units with the indices a and b."""
    entry = TABLE.split()[4 * a + b]
    return UNITS.index(entry.lstrip("-")), -1 if entry.startswith("-") else 1


def hamilton(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the Hamilton product of two quaternions (4,) or arrays (4, ...) of equal shape, computed unit by unit."""
    result = np.zeros(np.shape(p))
    for a, b in np.ndindex(4, 4):
        component, sign = unit_product(a, b)
        result[component] += sign * p[a] * q[b]
    return result


def pad(x: np.ndarray, padding: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def as_pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def connections(small, large, kernel, stride, padding, dilation):
    """Yield (pixel of the small image, pixel of the large image, tap) for every product in a convolution."""
    (down, right), (top, left), (dh, dw) = as_pair(stride), as_pair(padding), as_pair(dilation)
    for h, v, i, j in np.ndindex(*small, *kernel):
        row, column = h * down + i * dh - top, v * right + j * dw - left
        if 0 <= row < large[0] and 0 <= column < large[1]:
            yield (h, v), (row, column), (i, j)


def output_size(size, kernel, stride, padding, dilation):
    """Return (height, width) of the output of a convolution, with the positions counted by `range`."""
    options = zip(size, kernel, as_pair(stride), as_pair(padding), as_pair(dilation), strict=True)
    return [len(range(0, n + 2 * p - d * (k - 1), s)) for n, k, s, p, d in options]


def transposed_output_size(size, kernel, stride, padding, output_padding, dilation):
    """Return (height, width) of the output of a transposed convolution, from the last tap of the last pixel."""
    options = zip(
        size, kernel, as_pair(stride), as_pair(padding), as_pair(output_padding), as_pair(dilation), strict=True
    )
    return [(n - 1) * s + d * (k - 1) + 1 - 2 * p + extra for n, k, s, p, extra, d in options]


def conv2d(x, w, stride=1, padding=0, dilation=1, groups=1):
    """Return the correlation of x (N, H, W, C) and w (KH, KW, C/G, O) with loops over pixels, taps and filters.

    G is the number of groups.
    """
    size = output_size(x.shape[1:3], w.shape[:2], stride, padding, dilation)
    y = np.zeros((len(x), *size, w.shape[3]))
    for to, source, tap in connections(size, x.shape[1:3], w.shape[:2], stride, padding, dilation):
        _add_real(y, to, x, source, w[tap], groups)
    return y


def conv_transpose2d(x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Return the transposed convolution of x (N, H, W, C) and w (KH, KW, C/G, O).

    Each pixel of x adds its products with w to the output. G is the number of groups.
    """
    size = transposed_output_size(x.shape[1:3], w.shape[:2], stride, padding, output_padding, dilation)
    y = np.zeros((len(x), *size, w.shape[3]))
    for source, to, tap in connections(x.shape[1:3], size, w.shape[:2], stride, padding, dilation):
        _add_real(y, to, x, source, w[tap], groups)
    return y


def _add_real(y, to, x, source, w, groups):
    channels, outputs = w.shape
    for o in range(outputs):
        start = o // (outputs // groups) * channels
        for n in range(len(x)):
            y[n, *to, o] += x[n, *source, start : start + channels] @ w[:, o]


def rotation(w, x):
    """Return w ⊗ x ⊗ w* / |w|², the rotation of x by w. The conjugate of w is w* = (r, -i, -j, -k)."""
    return hamilton(hamilton(w, x), w * np.array([1, -1, -1, -1])) / (w @ w)


def quaternion_conv2d(x, w, stride=1, padding=0, dilation=1, groups=1, product=hamilton):
    """Return the correlation of x (N, H, W, 4C) and w (4, KH, KW, C/G, O), with product(w, x) per tap and channel.

    G is the number of groups.
    """
    size = output_size(x.shape[1:3], w.shape[1:3], stride, padding, dilation)
    y = np.zeros((len(x), *size, 4, w.shape[4]))
    for to, source, (i, j) in connections(size, x.shape[1:3], w.shape[1:3], stride, padding, dilation):
        _add_quaternions(y, to, x, source, w[:, i, j], groups, product)
    return y.reshape(*y.shape[:3], 4 * w.shape[4])


def quaternion_conv_transpose2d(x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Return the transposed convolution of x (N, H, W, 4C) and w (4, KH, KW, C/G, O).

    For each pixel p of x, the products w[:, i, j] ⊗ p of all taps (i, j) are added to the output. G is the number of
    groups.
    """
    size = transposed_output_size(x.shape[1:3], w.shape[1:3], stride, padding, output_padding, dilation)
    y = np.zeros((len(x), *size, 4, w.shape[4]))
    for source, to, (i, j) in connections(x.shape[1:3], size, w.shape[1:3], stride, padding, dilation):
        _add_quaternions(y, to, x, source, w[:, i, j], groups, hamilton)
    return y.reshape(*y.shape[:3], 4 * w.shape[4])


def _add_quaternions(y, to, x, source, w, groups, product):
    x = x.reshape(*x.shape[:3], 4, x.shape[3] // 4)
    _, channels, outputs = w.shape
    for n, c, o in np.ndindex(len(x), channels, outputs):
        group = o // (outputs // groups)
        y[n, *to, :, o] += product(w[:, c, o], x[n, *source, :, group * channels + c])
