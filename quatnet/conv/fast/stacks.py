"""Conversion between images and the stacks of matrices that `gpu` multiplies, by CUDA kernels and views.

A stack has the shape (K, G, rows, columns): K transformed components, 8 for quaternions and 1 for real numbers, and G
groups, each of which is a matrix product of its own.
"""

from typing import NamedTuple

import numpy as np

from ... import kernels
from ...backend import Array, xp
from ..im2col import col2im, im2col, output_size
from .component_transforms import num_transformed, output_transform

Pair = tuple[int, int]
PATCH_BYTES = 1 << 29  # on the device, for the patches of the images that are computed at once, at least one image


class Plan(NamedTuple):
    """Shapes and options of a convolution."""

    components: int
    groups: int
    channels: int  # of a component, in all groups
    kernel: Pair
    size: Pair  # of the output
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def is_pointwise(self) -> bool:
        """Whether a patch is a single pixel, so that no patches are needed."""
        return self.kernel == self.stride == (1, 1) and self.padding == (0, 0)

    def batch_slices(self, batch: int, itemsize: int) -> list[slice]:
        """Split the batch so that the patches of a slice fit into `PATCH_BYTES`; an empty batch is one slice."""
        elements = num_transformed(self.components) * self.channels * int(np.prod(self.kernel + self.size))
        step = max(1, PATCH_BYTES // (elements * itemsize))
        return [slice(start, start + step) for start in range(0, max(1, batch), step)]


def make_plan(
    image: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan:
    """Return the plan for images (N, H, W, P·C) and a kernel (P, KH, KW, C/G, O).

    Raises ShapeError where the kernel does not fit.
    """
    p, kh, kw, channels, _ = kernel
    oh, ow = map(output_size, image[1:3], (kh, kw), stride, padding, dilation)
    return Plan(p, groups, channels * groups, (kh, kw), (oh, ow), stride, padding, dilation)


def patches(x: Array, plan: Plan, matrix: np.ndarray) -> Array:
    """Return the patches (K, G, N·OH·OW, KH·KW·C/G) of images (N, H, W, P·C), components transformed by `matrix`."""
    if plan.is_pointwise:
        return pixels(x, plan, matrix)
    if plan.components == 1:
        rows = im2col(x, plan.kernel, stride=plan.stride, padding=plan.padding, dilation=plan.dilation)
    else:
        components = x.reshape(*x.shape[:3], 4, plan.channels)
        rows = kernels.eight_products.input_transform_im2col(components, matrix, *plan[3:])
    taps, count = plan.kernel[0] * plan.kernel[1], len(x) * plan.size[0] * plan.size[1]
    transformed = num_transformed(plan.components)
    parts = split_groups(rows.reshape(transformed, count * taps, plan.channels), plan.groups)
    return parts.reshape(transformed, plan.groups, count, taps * plan.channels // plan.groups)


def sum_patches(products: Array, shape: tuple[int, int, int, int], plan: Plan) -> Array:
    """Return images of `shape` (N, H, W, P·C): patches (K, G, N·OH·OW, KH·KW·C/G), added to their pixels."""
    if plan.is_pointwise:
        return transform_output(merge_groups(products), plan).reshape(shape)
    transformed, groups, count, width = products.shape
    taps = plan.kernel[0] * plan.kernel[1]
    rows = merge_groups(products.reshape(transformed, groups, count * taps, width // taps)).reshape(
        transformed, count, width * groups
    )
    if plan.components == 1:
        rows = rows.reshape(shape[0], *plan.size, width * groups)
        return col2im(rows, shape, plan.kernel, stride=plan.stride, padding=plan.padding, dilation=plan.dilation)
    components = (*shape[:3], 4, plan.channels)
    images = kernels.eight_products.output_transform_col2im(rows, output_transform(4), components, *plan[3:])
    return images.reshape(shape)


def pixels(x: Array, plan: Plan, matrix: np.ndarray) -> Array:
    """Return the pixels (K, G, N·H·W, C/G) of images (N, H, W, P·C), components transformed by `matrix`."""
    rows = x.reshape(x.shape[0] * x.shape[1] * x.shape[2], plan.components, x.shape[3] // plan.components)
    return split_groups(transform_input(rows, matrix), plan.groups)


def transform_input(x: Array, matrix: np.ndarray) -> Array:
    """Return the transformed components (K, rows, C) of components (rows, P, C)."""
    return x.swapaxes(0, 1) if x.shape[1] == 1 else kernels.eight_products.input_transform(x, matrix)


def transform_output(products: Array, plan: Plan) -> Array:
    """Return the components (rows, P·C) of products (K, rows, C)."""
    if plan.components == 1:
        y = products.swapaxes(0, 1)
    else:
        y = kernels.eight_products.output_transform(products, output_transform(4))
    return y.reshape(len(y), y.shape[1] * y.shape[2])


def split_groups(a: Array, groups: int) -> Array:
    """Split the last axis into groups: (K, rows, C) -> (K, G, rows, C/G)."""
    return a.reshape(*a.shape[:2], groups, a.shape[2] // groups).swapaxes(1, 2)


def merge_groups(a: Array) -> Array:
    """Invert `split_groups`: (K, G, rows, C/G) -> (K, rows, C)."""
    return a.swapaxes(1, 2).reshape(len(a), a.shape[2], a.shape[1] * a.shape[3])


def concatenate_batch(parts: list[Array]) -> Array:
    """Return one array of all images, without a copy if there is only one part."""
    return parts[0] if len(parts) == 1 else xp.concatenate(parts)
