"""Conversion between images and the matrices of the GPU convolution, by CUDA kernels and views.

The matrices are arrays (K, G, rows, columns). K is the number of transformed components, 8 for quaternions and 1 for
real numbers. G is the number of groups. P is the number of components, 4 for quaternions and 1 for real numbers.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from ... import kernels
from ...backend import Array, xp
from ..im2col import col2im, im2col, output_size
from .component_transforms import num_transformed, output_transform

Pair = tuple[int, int]
PATCH_BYTES = 1 << 29  # maximum size of the patches of a batch slice with more than one image


class ConvShape(NamedTuple):
    """Shapes and options of a convolution with groups. Pairs are (height, width)."""

    components: int  # 1 for real numbers, 4 for quaternions
    groups: int
    channels: int  # input channels per component, in all groups
    kernel: Pair
    output_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def is_pointwise(self) -> bool:
        """Whether each patch is a single pixel, so that im2col is not needed."""
        return self.kernel == self.stride == (1, 1) and self.padding == (0, 0)

    def batch_slices(self, batch: int, itemsize: int) -> list[slice]:
        """Return slices of the batch with patches of up to `PATCH_BYTES`. An empty batch has one slice."""
        elements = num_transformed(self.components) * self.channels * prod(self.kernel + self.output_size)
        step = max(1, PATCH_BYTES // (elements * itemsize))
        return [slice(start, start + step) for start in range(0, max(1, batch), step)]


def make_shape(
    image: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> ConvShape:
    """Return the shapes of a convolution of images (N, H, W, P·C) with a kernel (P, KH, KW, C/G, O).

    P is the number of components and G is the number of groups. Raises ShapeError if the kernel does not fit.
    """
    p, kh, kw, channels, _ = kernel
    oh, ow = map(output_size, image[1:3], (kh, kw), stride, padding, dilation)
    return ConvShape(p, groups, channels * groups, (kh, kw), (oh, ow), stride, padding, dilation)


def patches(x: Array, conv: ConvShape, matrix: np.ndarray) -> Array:
    """Return the transformed patches (K, G, N·OH·OW, KH·KW·C/G) of images `x` (N, H, W, P·C).

    `matrix` (K, P) maps P components to K transformed components. G is the number of groups.
    """
    if conv.is_pointwise:
        return pixels(x, conv, matrix)
    if conv.components == 1:
        rows = im2col(x, conv.kernel, stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
    else:
        components = x.reshape(*x.shape[:3], 4, conv.channels)
        rows = kernels.eight_products.input_transform_im2col(components, matrix, *conv[3:])
    taps, count = conv.kernel[0] * conv.kernel[1], len(x) * conv.output_size[0] * conv.output_size[1]
    transformed = num_transformed(conv.components)
    parts = split_groups(rows.reshape(transformed, count * taps, conv.channels), conv.groups)
    return parts.reshape(transformed, conv.groups, count, taps * conv.channels // conv.groups)


def sum_patches(products: Array, shape: tuple[int, ...], conv: ConvShape) -> Array:
    """Return images of `shape` (N, H, W, P·C) in which each pixel is the sum of all patch entries at this pixel.

    `products` (K, G, N·OH·OW, KH·KW·C/G) contains patches of K products in G groups. The output transform maps sums of
    K products to P components.
    """
    if conv.is_pointwise:
        return transform_output(merge_groups(products), conv).reshape(shape)
    transformed, groups, count, width = products.shape
    taps = conv.kernel[0] * conv.kernel[1]
    parts = products.reshape(transformed, groups, count * taps, width // taps)
    rows = merge_groups(parts).reshape(transformed, count, width * groups)
    if conv.components == 1:
        rows = rows.reshape(shape[0], *conv.output_size, width * groups)
        return col2im(rows, shape, conv.kernel, stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
    components = (*shape[:3], 4, conv.channels)
    images = kernels.eight_products.output_transform_col2im(rows, output_transform(4), components, *conv[3:])
    return images.reshape(shape)


def pixels(x: Array, conv: ConvShape, matrix: np.ndarray) -> Array:
    """Return the transformed pixels (K, G, N·H·W, C/G) of images `x` (N, H, W, P·C).

    `matrix` (K, P) maps P components to K transformed components. G is the number of groups.
    """
    rows = x.reshape(x.shape[0] * x.shape[1] * x.shape[2], conv.components, x.shape[3] // conv.components)
    return split_groups(transform_input(rows, matrix), conv.groups)


def transform_input(x: Array, matrix: np.ndarray) -> Array:
    """Return the K transformed components (K, rows, C) of P components `x` (rows, P, C), for a `matrix` (K, P)."""
    return x.swapaxes(0, 1) if x.shape[1] == 1 else kernels.eight_products.input_transform(x, matrix)


def transform_output(products: Array, conv: ConvShape) -> Array:
    """Return the P components (rows, P·C) of `products` (K, rows, C) of K transformed components."""
    if conv.components == 1:
        y = products.swapaxes(0, 1)
    else:
        y = kernels.eight_products.output_transform(products, output_transform(4))
    return y.reshape(len(y), y.shape[1] * y.shape[2])


def split_groups(a: Array, groups: int) -> Array:
    """Split the last axis into G groups: (K, rows, C) -> (K, G, rows, C/G). K is any length."""
    return a.reshape(*a.shape[:2], groups, a.shape[2] // groups).swapaxes(1, 2)


def merge_groups(a: Array) -> Array:
    """Merge G groups into the last axis, (K, G, rows, C/G) -> (K, rows, C), the inverse of `split_groups`."""
    return a.swapaxes(1, 2).reshape(len(a), a.shape[2], a.shape[1] * a.shape[3])


def concatenate_batch(parts: list[Array]) -> Array:
    """Concatenate the `parts` of a batch along the first axis. A single part is not copied."""
    return parts[0] if len(parts) == 1 else xp.concatenate(parts)
