"""Convolution of any kernel, stride and padding, for images with few pixels and large kernels.

For such shapes the time is spent on reading the kernel. The kernel is used as it is stored: the sums for the eight
products are computed slice by slice, and each slice is multiplied with the pixels of all images. Pixels are stored in
the order (row, image, column), so that one row of the kernel and one column of the output need one matrix product
without a copy. Zero padding is never multiplied; on a feature map two columns wide it would be a third of the work.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...backend import Array
from ...threads import parallel_for
from ..im2col import output_size
from . import component_transforms
from .tiles import even_slices, split_components, workspace

KERNEL_BYTES = 4 << 20  # of a slice of a kernel
IMAGE_BYTES = 16 << 20  # of the image operands of a block, at least one image
MIN_CHANNELS = 128  # of a slice of a kernel
Pair = tuple[int, int]


class Window(NamedTuple):
    """Kernel size, stride and padding as pairs (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Pair

    def output(self, shape: tuple[int, ...]) -> Pair:
        """Return (OH, OW) for an image of `shape` (N, H, W, channels)."""
        height, width = (output_size(*size) for size in zip(shape[1:3], *self, strict=True))
        return height, width


class Overlap(NamedTuple):
    """The part of one kernel row and one output column that overlaps the image, without the zero padding."""

    kernel_row: int
    taps: slice  # columns of that kernel row
    pixels: tuple[slice, slice]  # rows and columns of the image
    rows: slice  # of the output
    column: int  # of the output


class Block(NamedTuple):
    """Ranges of images and of channels: the work of one call."""

    images: slice
    channels: slice


def overlaps(window: Window, image: tuple[int, ...], output: Pair) -> Iterator[Overlap]:
    """Yield the overlap of each kernel row with each output column, for images (H, W)."""
    (kh, kw), (stride_h, stride_w), (pad_h, pad_w) = window
    for i, column in np.ndindex(kh, output[1]):
        top, left = i - pad_h, column * stride_w - pad_w
        start, stop = -(-max(0, -top) // stride_h), min(output[0], (image[0] - 1 - top) // stride_h + 1)
        taps = slice(max(0, -left), min(kw, image[1] - left))
        if start < stop and taps.start < taps.stop:
            rows = slice(start * stride_h + top, (stop - 1) * stride_h + top + 1, stride_h)
            yield Overlap(i, taps, (rows, slice(left + taps.start, left + taps.stop)), slice(start, stop), column)


def convolve(x: Array, w: Array, stride: Pair, padding: Pair, kernel_sums: Array | None = None) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O), P = 1 or 4 components.

    `kernel_sums` is the result of `hadamard_sums(w)`, where it is computed already.
    """
    window = Window(w.shape[1:3], stride, padding)
    output = window.output(x.shape)
    y = np.empty((len(x), *output, len(w) * w.shape[-1]), dtype=x.dtype)
    right, output_matrix = component_transforms.right_transform(len(w)), component_transforms.output_transform(len(w))

    def work(block: Block) -> None:
        images = transform_images(split_components(x, len(w))[block.images], right)
        sums = None if kernel_sums is None else kernel_sums[..., block.channels]
        kernels = kernel_operands(w[..., block.channels], component_transforms.LEFT_ORDER, sums)
        m = workspace("products", (len(images), output[0], images.shape[2], output[1], kernels[0].shape[-1]), x.dtype)
        m[...] = 0
        for image, kernel, product in zip(images, kernels, m, strict=True):
            _add_products(image, kernel, window, product)
        write_images(
            transform_products(m, output_matrix), split_components(y, len(w))[block.images, ..., block.channels]
        )

    parallel_for(work, make_blocks(x, w, w.shape[-1]))
    return y


def _add_products(image: Array, kernel: Array, window: Window, out: Array) -> None:
    """Add to `out` (OH, N, OW, O) the correlation of `image` (H, N, W, C) with `kernel` (KH, KW, C, O)."""
    for overlap in overlaps(window, image.shape[::2], out.shape[::2]):
        taps = kernel[overlap.kernel_row, overlap.taps]
        pixels = image[overlap.pixels[0], :, overlap.pixels[1]].reshape(-1, taps.shape[0] * taps.shape[1])
        target = out[overlap.rows, :, overlap.column]
        product = workspace("part", (len(pixels), out.shape[-1]), out.dtype)
        np.matmul(pixels, taps.reshape(pixels.shape[1], -1), out=product)
        np.add(target, product.reshape(target.shape), out=target)


def make_blocks(x: Array, w: Array, channels: int) -> list[Block]:
    """Split the work: slices of the batch whose operands stay in cache, times slices of the kernel's `channels`."""
    operand = x[:1].nbytes * (2 if len(w) == 4 else 1)
    max_channels = max(MIN_CHANNELS, channels * KERNEL_BYTES // max(1, w.nbytes))
    images = even_slices(len(x), max(1, IMAGE_BYTES // max(1, operand)))
    return [Block(n, part) for part in even_slices(channels, max_channels) for n in images]


def transform_images(images: Array, matrix: Array) -> Array:
    """Return images (N, H, W, P, C) as operands (K, H, N, W, C), components transformed by `matrix`."""
    n, height, width, components, channels = images.shape
    rows = workspace("rows", (components, height, n, width, channels), images.dtype)
    np.copyto(rows, images.transpose(3, 1, 0, 2, 4))
    return _apply_matrix(matrix, rows, workspace("image", (len(matrix), *rows.shape[1:]), images.dtype))


def _apply_matrix(matrix: Array, a: Array, out: Array) -> Array:
    np.matmul(matrix.astype(a.dtype), a.reshape(len(a), -1), out=out.reshape(len(out), -1))
    return out


def kernel_operands(w: Array, order: tuple[int, ...], kernel_sums: Array | None = None) -> list[Array]:
    """Return the K transformed components (KH, KW, C, O) of a slice of a kernel: four sums, then views of `w`."""
    if len(w) == 1:
        return [w[0]]
    if kernel_sums is None:
        kernel_sums = hadamard_sums(w, workspace("kernel", w.shape, w.dtype))
    return [*kernel_sums, *(w[component] for component in order)]


def hadamard_sums(w: Array, out: Array | None = None) -> Array:
    """Return H w, the four signed sums of the components of a kernel; a real kernel is returned unchanged."""
    if len(w) == 1:
        return w
    out = np.empty(w.shape, w.dtype) if out is None else out
    t = workspace("sums", (2, *w.shape[1:]), w.dtype)
    for combine, first in ((np.add, 0), (np.subtract, 2)):
        even, odd = combine(w[0], w[2], out=t[0]), combine(w[1], w[3], out=t[1])
        np.add(even, odd, out=out[first])
        np.subtract(even, odd, out=out[first + 1])
    return out


def transform_products(m: Array, matrix: Array) -> Array:
    """Return the components (P, ...) of products (K, ...), by an output transform."""
    return _apply_matrix(matrix, m, workspace("sums", (len(matrix), *m.shape[1:]), m.dtype))


def write_images(components: Array, images: Array) -> None:
    """Copy (P, H, N, W, C) to images (N, H, W, P, C)."""
    np.copyto(images, components.transpose(2, 1, 3, 0, 4))
