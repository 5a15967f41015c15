"""Convolution of any kernel, stride and padding, made for images with few pixels and large kernels.

There the kernel, not the image, is what has to be read: it is used as it is stored, the sums of the eight products are
made of it slice by slice, and each slice meets the pixels of all clips. Pixels lie in the order (row, clip, column),
so that the rows that a row of the kernel meets are one matrix.
"""

from typing import NamedTuple

import numpy as np

from ..backend import Array
from ..patches import output_size
from ..threads import run_on_cores
from . import mixing
from .tiles import copy_component, scratch, slices

KERNEL_BYTES = 8 << 20  # of a slice of a kernel
IMAGE_BYTES = 16 << 20  # of the patches of a piece, at least one clip
NARROWEST = 64  # channels of a slice
Pair = tuple[int, int]


class Window(NamedTuple):
    """Where the kernel goes: its size, the steps and the zeros around the image, for rows and columns."""

    kernel: Pair
    stride: Pair
    padding: Pair

    def output(self, shape: tuple[int, ...]) -> Pair:
        """Return (OH, OW) for an image of `shape` (N, H, W, channels)."""
        height, width = (output_size(*size) for size in zip(shape[1:3], *self, strict=True))
        return height, width


class Piece(NamedTuple):
    clips: slice
    channels: slice


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, sums_of_w: Array | None = None) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components.

    `sums_of_w` are those that `added` returns, where they are at hand.
    """
    window = Window(w.shape[1:3], stride, padding)
    oh, ow = window.output(x.shape)
    y = np.empty((len(x), oh, ow, len(w) * w.shape[-1]), dtype=x.dtype)

    def work(piece: Piece) -> None:
        clips = x[piece.clips]
        rows = patches(planes(clips, len(w), mixing.RIGHT_ORDER, padding), window, (oh, ow))
        ready = None if sums_of_w is None else sums_of_w[..., piece.channels]
        kernels = operands(w[..., piece.channels], mixing.LEFT_ORDER, ready)
        m = scratch("products", (len(rows), oh * len(clips) * ow, kernels[0].shape[-1]), x.dtype)
        for row, kernel, product in zip(rows, kernels, m, strict=True):
            _sum_over_rows(row, kernel, stride[0], product.reshape(oh, -1, m.shape[-1]))
        close(sums(m).reshape(len(w), oh, len(clips), ow, m.shape[-1]), y[piece.clips], piece.channels)

    run_on_cores(work, pieces(x, w, w.shape[-1]))
    return y


def _sum_over_rows(rows: Array, kernel: Array, stride: int, out: Array) -> None:
    """out (OH, N·OW, O) = Σ_i rows[i, i + stride, ...] @ kernel[i]."""
    part = scratch("part", out.shape, out.dtype)
    for i in range(len(kernel)):
        met = rows[i : i + stride * (len(out) - 1) + 1 : stride].reshape(-1, rows.shape[-1])
        matrix = kernel[i].reshape(rows.shape[-1], out.shape[-1])
        product = np.matmul(met, matrix, out=(part if i else out).reshape(len(met), -1))
        if i:
            np.add(out, product.reshape(out.shape), out=out)


def pieces(x: Array, w: Array, channels: int) -> list[Piece]:
    """Cut the work: clips whose patches stay in cache, times slices of the `channels` of the kernel."""
    patch = 8 * w.shape[2] * x[:1].nbytes // 4 if len(w) == 4 else w.shape[2] * x[:1].nbytes
    most = max(NARROWEST, channels * KERNEL_BYTES // max(1, w.nbytes))
    clips = slices(len(x), max(1, IMAGE_BYTES // max(1, patch)))
    return [Piece(n, part) for part in slices(channels, most) for n in clips]


def planes(x: Array, components: int, order: tuple[int, ...], padding: Pair, *, conjugated: bool = False) -> Array:
    """Return an image (N, H, W, P·C) with zeros around it as its operands (Q, H, N, W, C), Q = 1 or 8."""
    n, height, width, channels = x.shape
    rows, columns, count = height + 2 * padding[0], width + 2 * padding[1], 8 if components == 4 else 1
    v = scratch("image", (count, rows, n, columns, channels // components), x.dtype)
    v[count - components :] = 0
    image = x.reshape(n, height, width, components, channels // components).transpose(3, 1, 0, 2, 4)
    for plane, component in enumerate(order[:components], count - components):
        inside = v[plane, padding[0] : padding[0] + height, :, padding[1] : padding[1] + width]
        copy_component(image[component], inside, component, conjugated=conjugated)
    if components == 4:
        mixing.mix(v[None], order, scratch("sums", (2, *v[None, 0].shape), x.dtype))
    return v


def patches(v: Array, window: Window, output: Pair) -> Array:
    """Return (Q, H, N, OW, KW·C): the pixels of a row that a row of the kernel meets."""
    count, height, n, _, channels = v.shape
    shape = (count, height, n, output[1], window.kernel[1] * channels)
    strides = (*v.strides[:3], v.itemsize * channels * window.stride[1], v.itemsize)
    rows = scratch("patches", shape, v.dtype)
    np.copyto(rows, np.lib.stride_tricks.as_strided(v, shape, strides, writeable=False))
    return rows


def operands(w: Array, order: tuple[int, ...], sums_of_w: Array | None = None) -> list[Array]:
    """Return the planes (KH, KW, C, O) of a slice of a kernel: the sums, then the components, which are views."""
    if len(w) == 1:
        return [w[0]]
    if sums_of_w is None:
        sums_of_w = added(w, scratch("kernel", w.shape, w.dtype))
    return [*sums_of_w, *(w[component] for component in order)]


def added(w: Array, out: Array | None = None) -> Array:
    """Return H w, the sums of the four components of a kernel; a real kernel has none, and is returned."""
    if len(w) == 1:
        return w
    out = np.empty(w.shape, w.dtype) if out is None else out
    t = scratch("sums", (2, *w.shape[1:]), w.dtype)
    for combine, first in ((np.add, 0), (np.subtract, 2)):
        even, odd = combine(w[0], w[2], out=t[0]), combine(w[1], w[3], out=t[1])
        np.add(even, odd, out=out[first])
        np.subtract(even, odd, out=out[first + 1])
    return out


def sums(m: Array) -> Array:
    """Return the components (P, ...) from the products of the planes (Q, ...), which are overwritten."""
    if len(m) == 1:
        return m
    mixing.scale(m[None])
    return mixing.unmix(m[None], scratch("sums", (2, 1, *m.shape[1:]), m.dtype))[0]


def close(components: Array, y: Array, part: slice, *, conjugated: bool = False) -> None:
    """Copy (P, H, N, W, O) into a slice of the channels of `y` (N, H, W, P·O)."""
    image = y.reshape(*y.shape[:3], len(components), y.shape[3] // len(components))
    for component, plane in enumerate(components.swapaxes(1, 2)):
        copy_component(plane, image[:, :, :, component, part], component, conjugated=conjugated)
