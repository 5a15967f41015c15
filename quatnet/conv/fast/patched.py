"""Convolution with small kernels, made for images of few pixels, and its two gradients.

On a map of some hundred pixels the calls cost more than the products, so this form makes few of them:

    planes     of the image, with zeros around it, and of the kernel: one matrix each           mixing
    patches    of all planes, KH·KW·C numbers for each pixel of the result: one copy
    multiply   all planes, one call of matmul
    back       the products to components, one matrix                                           mixing

Patches take KH·KW times the memory of the image, and the planes of a kernel twice that of the kernel. So large images
are left to `convolution`, and large kernels to `direct`.
"""

import math
from collections.abc import Callable

import numpy as np

from ...backend import Array
from ...threads import map_on_cores, run_on_cores
from . import mixing
from .direct import Pair, Window
from .tiles import components_of, scratch, slices

PATCHES_BYTES = 4 << 20  # of a piece, at least one clip


def convolve(x: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components."""
    window = Window(w.shape[1:3], stride, padding)
    y = np.empty((len(x), *window.output(x.shape), len(w) * w.shape[4]), dtype=x.dtype)
    images = components_of(y, len(w))
    run(components_of(x, len(w)), left_operand(w), window, lambda rows, clips: np.copyto(images[clips], rows))
    return y


def input_gradient(g: Array, w: Array, padding: Pair) -> Array:
    """Return w* ⊗ g for the cotangent `g` (N, OH, OW, P·O) of `convolve` with stride 1: (N, H, W, P·C).

    That is a convolution with the kernel turned by 180 degrees, its channels exchanged, and conjugated.
    """
    turned = w[:, ::-1, ::-1].swapaxes(3, 4).copy()
    np.negative(turned[1:], out=turned[1:])
    return convolve(g, turned, (1, 1), (w.shape[1] - 1 - padding[0], w.shape[2] - 1 - padding[1]))


def kernel_gradient(x: Array, g: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return g ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C, O)."""
    components, taps, outputs = kernel[0], (kernel[1], kernel[2]), kernel[4]
    images, cotangents = components_of(x, components), components_of(g, components)
    right, left = mixing.right(components, conjugated=True), mixing.left(components)

    def work(clips: slice) -> Array:
        rows = patches(images[clips], right, Window(taps, stride, padding))
        apart = scratch("apart", (components, *cotangents[clips].shape[:3], outputs), g.dtype)
        np.copyto(apart, np.moveaxis(cotangents[clips], 3, 0))
        planes = _times(left, apart, scratch("cotangent", (len(left), *apart.shape[1:]), g.dtype))
        return rows.swapaxes(1, 2) @ planes.reshape(len(planes), rows.shape[1], outputs)

    total = np.zeros((len(left), kernel[1] * kernel[2] * kernel[3], outputs), x.dtype)
    for part in map_on_cores(work, pieces(len(x), g.shape[1:3], total)):
        total += part
    return _times(mixing.back(components), total, np.empty(kernel, x.dtype)).reshape(kernel)


def left_operand(w: Array) -> Array:
    """Return the planes (planes, KH, KW, C, O) of a kernel (P, KH, KW, C, O)."""
    matrix = mixing.left(len(w))
    return _times(matrix, w, np.empty((len(matrix), *w.shape[1:]), w.dtype))


def run(x: Array, kernel: Array, window: Window, close: Callable[[Array, slice], None]) -> None:
    """Convolve `x` (N, H, W, P, C) with the planes of a `kernel`; `close` is given the result for slices of the clips.

    That is (n, OH, OW, P, O), a view of scratch memory where the components lie apart.
    """
    components, outputs, output = x.shape[3], kernel.shape[4], window.output(x.shape)
    operand = kernel.reshape(len(kernel), -1, outputs)
    right, back = mixing.right(components), mixing.back(components)

    def work(clips: slice) -> None:
        rows = patches(x[clips], right, window)
        m = np.matmul(rows, operand, out=scratch("products", (*rows.shape[:2], outputs), x.dtype))
        y = _times(back, m, scratch("result", (components, *m.shape[1:]), x.dtype))
        close(y.reshape(components, -1, *output, outputs).transpose(1, 2, 3, 0, 4), clips)

    run_on_cores(work, pieces(len(x), output, operand))


def pieces(clips: int, output: tuple[int, ...], operand: Array) -> list[slice]:
    """Cut the clips so that the patches of a piece stay in cache, for an `operand` (planes, KH·KW·C, O)."""
    return slices(clips, max(1, PATCHES_BYTES // max(1, math.prod(output) * operand[..., :1].nbytes)))


def patches(x: Array, matrix: Array, window: Window) -> Array:
    """Return the patches of images (n, H, W, P, C) as rows of each plane, (planes, n·OH·OW, KH·KW·C).

    They lie in scratch memory. Where the kernel is one pixel they are the planes themselves.
    """
    n, height, width, components, channels = x.shape
    (kh, kw), (down, right), (above, left) = window
    rows = scratch("rows", (components, n, height + 2 * above, width + 2 * left, channels), x.dtype)
    if any(window.padding):
        rows[...] = 0
    np.copyto(rows[:, :, above : above + height, left : left + width], x.transpose(3, 0, 1, 2, 4))
    planes = _times(matrix, rows, scratch("image", (len(matrix), *rows.shape[1:]), x.dtype))
    if window.kernel == window.stride == (1, 1):
        return planes.reshape(len(planes), -1, channels)
    plane, clip, row, pixel, one = planes.strides
    shape = (len(planes), n, *window.output(x.shape), kh, kw * channels)
    view = np.lib.stride_tricks.as_strided(planes, shape, (plane, clip, down * row, right * pixel, row, one))
    copied = scratch("patches", shape, x.dtype)
    np.copyto(copied, view)
    return copied.reshape(len(planes), -1, kh * kw * channels)


def _times(matrix: Array, a: Array, out: Array) -> Array:
    """Write matrix @ a, along the first axis of `a`, to `out`; a real number is its own plane."""
    if matrix.size == 1:
        return a
    np.matmul(matrix.astype(a.dtype), a.reshape(len(a), -1), out=out.reshape(len(out), -1))
    return out
