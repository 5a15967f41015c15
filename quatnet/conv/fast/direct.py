"""Direct convolution with large kernels, for images with few pixels and any stride, padding and dilation.

For such shapes, most of the time is spent on reading the kernel, so the kernel is not copied. The signed sums of the
eight products are computed for one slice of the kernel at a time. Each slice is multiplied by the pixels of all images.
Pixels are stored in the order (row, image, column). One kernel row and one output column then need a single matrix
product without a copy. Zero padding is not multiplied. On a feature map two columns wide, the multiplications by zero
padding would be a third of all multiplications.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ...backend import Array
from ...threads import parallel_for
from ..im2col import Shape, output_size
from . import component_transforms
from .tiles import apply_matrix, even_slices, split_components, workspace

KERNEL_BYTES = 4 << 20  # maximum size of a slice of the kernel
IMAGE_BYTES = 16 << 20  # maximum size of the transformed images of a work slice with more than one image
MIN_CHANNELS = 128  # minimum of output channels of a slice of the kernel
Pair = tuple[int, int]
ONES = (1, 1)
Index = tuple[int | slice, ...]


class ConvOptions(NamedTuple):
    """Kernel size, stride, padding and dilation of a convolution, as pairs (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = ONES

    def output(self, shape: Shape) -> Pair:
        """Return the output size (OH, OW) for images of `shape` (N, H, W, channels)."""
        height, width = map(output_size, shape[1:3], *self)
        return height, width


def overlaps(options: ConvOptions, image: Shape, output: Pair) -> Iterator[tuple[Index, Index, Index]]:
    """Yield the indices of the kernel taps, pixels and outputs of each kernel row and each output column.

    Pixels of the zero padding are left out. The indices are those of arrays (KH, KW, ...), (H, N, W, ...) and
    (OH, N, OW, ...). `image` is the input size (H, W) and `output` is the output size (OH, OW).
    """
    (kh, kw), (stride_h, stride_w), (pad_h, pad_w), (dilation_h, step) = options
    for i, column in np.ndindex(kh, output[1]):
        rows, pixel_rows = tap_ranges(i * dilation_h, image[0], output[0], stride_h, pad_h)
        left = column * stride_w - pad_w
        taps = slice(max(0, -(left // step)), min(kw, -((left - image[1]) // step)))
        if rows.start < rows.stop and taps.start < taps.stop:
            columns = slice(left + taps.start * step, left + (taps.stop - 1) * step + 1, step)
            pixels = pixel_rows, slice(None), columns
            yield (i, taps), pixels, (rows, slice(None), column)


def tap_ranges(offset: int, size: int, output: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Return the outputs for which a kernel tap is inside of the image, and the image pixels at this tap.

    `offset` is the distance in pixels from the first kernel tap.
    """
    first = offset - padding
    start, stop = -(-max(0, -first) // stride), min(output, (size - 1 - first) // stride + 1)
    if start >= stop:
        return slice(0, 0), slice(0, 0)
    return slice(start, stop), slice(start * stride + first, (stop - 1) * stride + first + 1, stride)


def convolve(
    x: Array, w: Array, stride: Pair, padding: Pair, dilation: Pair = ONES, *, kernel_sums: Array | None = None
) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O), of images `x` (N, H, W, P·C) and `w` (P, KH, KW, C, O).

    P is the number of components, 1 or 4. `kernel_sums` is `hadamard_sums(w)`, or None to compute the sums.
    """
    options, p = ConvOptions(w.shape[1:3], stride, padding, dilation), len(w)
    y = np.empty((len(x), *options.output(x.shape), p * w.shape[-1]), dtype=x.dtype)
    matrices = component_transforms.right_transform(p), component_transforms.output_transform(p)

    def work(part: tuple[slice, slice]) -> None:
        batch, channels = part
        sums = None if kernel_sums is None else kernel_sums[..., channels]
        kernels = kernel_operands(w[..., channels], component_transforms.LEFT_ORDER, sums)
        images, outputs = split_components(x, p)[batch], split_components(y, p)[batch, ..., channels]
        write_products(images, kernels, matrices, partial(_add_products, options), outputs)

    parallel_for(work, make_work_slices(x, w, w.shape[-1]))
    return y


def _add_products(options: ConvOptions, image: Array, kernel: Array, out: Array) -> None:
    """Add to `out` (OH, N, OW, O) the correlation of `image` (H, N, W, C) with `kernel` (KH, KW, C, O)."""
    for tap_index, pixel_index, output_index in overlaps(options, image.shape[::2], out.shape[::2]):
        taps, target = kernel[tap_index], out[output_index]
        pixels = image[pixel_index].reshape(-1, taps.shape[0] * taps.shape[1])
        product = workspace("part", (len(pixels), out.shape[-1]), out.dtype)
        np.matmul(pixels, taps.reshape(pixels.shape[1], -1), out=product)
        np.add(target, product.reshape(target.shape), out=target)


def make_work_slices(x: Array, w: Array, channels: int) -> list[tuple[slice, slice]]:
    """Return all pairs of a slice of the images and a slice of the `channels` of the kernel that fit into the cache.

    One thread computes one pair at a time.
    """
    operand = x[:1].nbytes * (2 if len(w) == 4 else 1)
    max_channels = max(MIN_CHANNELS, channels * KERNEL_BYTES // max(1, w.nbytes))
    images = even_slices(len(x), max(1, IMAGE_BYTES // max(1, operand)))
    return [(batch, part) for part in even_slices(channels, max_channels) for batch in images]


def transform_images(images: Array, matrix: Array) -> Array:
    """Return the transformed images (K, H, N, W, C) of images (N, H, W, P, C), for a `matrix` (K, P) of components."""
    n, height, width, components, channels = images.shape
    rows = workspace("rows", (components, height, n, width, channels), images.dtype)
    np.copyto(rows, images.transpose(3, 1, 0, 2, 4))
    return apply_matrix(matrix, rows, "image")


def kernel_operands(w: Array, order: tuple[int, ...], kernel_sums: Array | None = None) -> list[Array]:
    """Return a list of the transformed components, each (KH, KW, C, O), of a slice `w` (P, KH, KW, C, O) of the kernel.

    For quaternions, the list contains four signed sums and four views of `w`, in the order `order`.
    """
    if len(w) == 1:
        return [w[0]]
    if kernel_sums is None:
        kernel_sums = hadamard_sums(w, workspace("kernel", w.shape, w.dtype))
    return [*kernel_sums, *(w[component] for component in order)]


def hadamard_sums(w: Array, out: Array | None = None) -> Array:
    """Return the four signed sums of the components of a quaternion kernel `w`, the product HADAMARD · w.

    A real kernel is returned unchanged.
    """
    if len(w) == 1:
        return w
    out = np.empty(w.shape, w.dtype) if out is None else out
    t = workspace("sums", (2, *w.shape[1:]), w.dtype)
    for combine, first in ((np.add, 0), (np.subtract, 2)):
        even, odd = combine(w[0], w[2], out=t[0]), combine(w[1], w[3], out=t[1])
        np.add(even, odd, out=out[first])
        np.subtract(even, odd, out=out[first + 1])
    return out


def write_products(
    images: Array, kernels: list[Array], matrices: tuple[Array, Array], add: Callable[..., None], out: Array
) -> None:
    """Write the products of `images` (N, H, W, P, C) and of the K transformed components `kernels` to `out`.

    `out` has the shape (N, OH, OW, P, O). `matrices` are the transforms of the images and of the products.
    `add(image, kernel, product)` adds the product of one component of the images, (H, N, W, C), and of the kernel to
    `product` (OH, N, OW, O).
    """
    n, height, width, _, channels = out.shape
    m = workspace("products", (len(kernels), height, n, width, channels), out.dtype)
    m[...] = 0
    for image, kernel, product in zip(transform_images(images, matrices[0]), kernels, m, strict=True):
        add(image, kernel, product)
    np.copyto(out, apply_matrix(matrices[1], m, "sums").transpose(2, 1, 3, 0, 4))
