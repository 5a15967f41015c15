"""Convolution of any kernel, stride and padding, made for images with few pixels and large kernels.

There the kernel, not the image, is what has to be read: it is used as it is stored, the sums of the eight products are
made of it slice by slice, and each slice meets the pixels of all clips. Pixels lie in the order (row, clip, column): a
row of the kernel and a column of the result meet in one product of matrices, without a copy, and zeros around the
image are never multiplied. On a map two columns wide they would be a third of the work.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...backend import Array
from ...threads import parallel_for
from ..im2col import output_size
from . import mixing
from .tiles import components_of, scratch, slices

KERNEL_BYTES = 4 << 20  # of a slice of a kernel
IMAGE_BYTES = 16 << 20  # of the operands of a piece, at least one clip
NARROWEST = 128  # channels of a slice
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


class Meeting(NamedTuple):
    """What a row of the kernel has to do with a column of the result, zeros left out."""

    row: int  # of the kernel
    taps: slice  # of that row
    pixels: tuple[slice, slice]  # rows and columns of the image
    rows: slice  # of the result
    column: int


class Piece(NamedTuple):
    clips: slice
    channels: slice


def meetings(window: Window, image: tuple[int, ...], output: Pair) -> Iterator[Meeting]:
    """Yield every row of the kernel with every column of the result, for images (H, W)."""
    (kh, kw), (down, right), (above, left) = window
    for i, column in np.ndindex(kh, output[1]):
        top, first = i - above, column * right - left
        start, stop = -(-max(0, -top) // down), min(output[0], (image[0] - 1 - top) // down + 1)
        taps = slice(max(0, -first), min(kw, image[1] - first))
        if start < stop and taps.start < taps.stop:
            rows = slice(start * down + top, (stop - 1) * down + top + 1, down)
            yield Meeting(i, taps, (rows, slice(first + taps.start, first + taps.stop)), slice(start, stop), column)


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, sums_of_w: Array | None = None) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components.

    `sums_of_w` are those that `added` returns, where they are at hand.
    """
    window = Window(w.shape[1:3], stride, padding)
    output = window.output(x.shape)
    y = np.empty((len(x), *output, len(w) * w.shape[-1]), dtype=x.dtype)

    def work(piece: Piece) -> None:
        images = planes(components_of(x, len(w))[piece.clips], component_transforms.right_transform(len(w)))
        ready = None if sums_of_w is None else sums_of_w[..., piece.channels]
        kernels = operands(w[..., piece.channels], component_transforms.LEFT_ORDER, ready)
        m = scratch("products", (len(images), output[0], images.shape[2], output[1], kernels[0].shape[-1]), x.dtype)
        m[...] = 0
        for image, kernel, product in zip(images, kernels, m, strict=True):
            _add_products(image, kernel, window, product)
        close(sums(m, component_transforms.output_transform(len(w))), components_of(y, len(w))[piece.clips, ..., piece.channels])

    parallel_for(work, pieces(x, w, w.shape[-1]))
    return y


def _add_products(image: Array, kernel: Array, window: Window, out: Array) -> None:
    """Add to `out` (OH, N, OW, O) the correlation of `image` (H, N, W, C) with `kernel` (KH, KW, C, O)."""
    for meeting in meetings(window, image.shape[::2], out.shape[::2]):
        taps = kernel[meeting.row, meeting.taps]
        met = image[meeting.pixels[0], :, meeting.pixels[1]].reshape(-1, taps.shape[0] * taps.shape[1])
        place = out[meeting.rows, :, meeting.column]
        part = scratch("part", (len(met), out.shape[-1]), out.dtype)
        np.matmul(met, taps.reshape(met.shape[1], -1), out=part)
        np.add(place, part.reshape(place.shape), out=place)


def pieces(x: Array, w: Array, channels: int) -> list[Piece]:
    """Cut the work: clips whose operands stay in cache, times slices of the `channels` of the kernel."""
    operand = x[:1].nbytes * (2 if len(w) == 4 else 1)
    most = max(NARROWEST, channels * KERNEL_BYTES // max(1, w.nbytes))
    clips = slices(len(x), max(1, IMAGE_BYTES // max(1, operand)))
    return [Piece(n, part) for part in slices(channels, most) for n in clips]


def planes(image: Array, matrix: Array) -> Array:
    """Return images (N, H, W, P, C) as operands (planes, H, N, W, C), by a matrix of `mixing`."""
    n, height, width, components, channels = image.shape
    rows = scratch("rows", (components, height, n, width, channels), image.dtype)
    np.copyto(rows, image.transpose(3, 1, 0, 2, 4))
    return _times(matrix, rows, scratch("image", (len(matrix), *rows.shape[1:]), image.dtype))


def _times(matrix: Array, a: Array, out: Array) -> Array:
    np.matmul(matrix.astype(a.dtype), a.reshape(len(a), -1), out=out.reshape(len(out), -1))
    return out


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


def sums(m: Array, matrix: Array) -> Array:
    """Return the components (P, ...) from the products of the planes, by a matrix of `mixing`."""
    return _times(matrix, m, scratch("sums", (len(matrix), *m.shape[1:]), m.dtype))


def close(components: Array, image: Array) -> None:
    """Copy (P, H, N, W, C) into images (N, H, W, P, C)."""
    np.copyto(image, components.transpose(2, 1, 3, 0, 4))
