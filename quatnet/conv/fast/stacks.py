"""Images as stacks of matrices for `gpu`, and back: what the kernels and free views do around a product.

A stack is (planes, G, rows, columns): eight planes carry a quaternion through its products, one a real number, and each
of G groups is a product of its own.
"""

from typing import NamedTuple

import numpy as np

from ... import kernels
from ...backend import Array, xp
from ..im2col import col2im, im2col, output_size
from . import mixing

Pair = tuple[int, int]
PATCH_BYTES = 1 << 29  # on the device, for the patches of the clips that are at work; one clip alone may take more


class Plan(NamedTuple):
    """What a convolution is, but for its arrays."""

    components: int
    groups: int
    channels: int  # of a component, in all groups
    kernel: Pair
    size: Pair  # of the result
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def only_pixels(self) -> bool:
        """Whether a patch is a pixel, so that the image is the patches."""
        return self.kernel == self.stride == (1, 1) and self.padding == (0, 0)

    def pieces(self, clips: int, itemsize: int) -> list[slice]:
        """Cut the batch, so that the patches of a piece fit into `PATCH_BYTES`; no clips are one piece."""
        numbers = mixing.planes_of(self.components) * self.channels * int(np.prod(self.kernel + self.size))
        step = max(1, PATCH_BYTES // (numbers * itemsize))
        return [slice(start, start + step) for start in range(0, max(1, clips), step)]


def plan_of(
    image: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan:
    """Return the plan for images (N, H, W, P·C) and a kernel (P, KH, KW, C/G, O).

    Raises ShapeError where it does not fit.
    """
    p, kh, kw, channels, _ = kernel
    down, right = map(output_size, image[1:3], (kh, kw), stride, padding, dilation)
    return Plan(p, groups, channels * groups, (kh, kw), (down, right), stride, padding, dilation)


def patches(x: Array, plan: Plan, matrix: np.ndarray) -> Array:
    """Return the patches (planes, G, N·OH·OW, KH·KW·C/G) of images (N, H, W, P·C), components mixed by `matrix`."""
    if plan.only_pixels:
        return pixels(x, plan, matrix)
    if plan.components == 1:
        rows = im2col(x, plan.kernel, stride=plan.stride, padding=plan.padding, dilation=plan.dilation)
    else:
        rows = kernels.eight.mix_patches(x.reshape(*x.shape[:3], 4, plan.channels), matrix, *plan[3:])
    taps, count = plan.kernel[0] * plan.kernel[1], len(x) * plan.size[0] * plan.size[1]
    planes = mixing.planes_of(plan.components)
    parts = grouped(rows.reshape(planes, count * taps, plan.channels), plan.groups)
    return parts.reshape(planes, plan.groups, count, taps * plan.channels // plan.groups)


def image(products: Array, shape: tuple[int, int, int, int], plan: Plan) -> Array:
    """Add patches (planes, G, N·OH·OW, KH·KW·C/G) up to images of `shape` (N, H, W, P·C)."""
    if plan.only_pixels:
        return unmixed(ungrouped(products), plan).reshape(shape)
    planes, groups, count, width = products.shape
    taps = plan.kernel[0] * plan.kernel[1]
    rows = ungrouped(products.reshape(planes, groups, count * taps, width // taps)).reshape(
        planes, count, width * groups
    )
    if plan.components == 1:
        rows = rows.reshape(shape[0], *plan.size, width * groups)
        return col2im(rows, shape, plan.kernel, stride=plan.stride, padding=plan.padding, dilation=plan.dilation)
    opened = (*shape[:3], 4, plan.channels)
    return kernels.eight.unmix_patches(rows, mixing.back(4), opened, *plan[3:]).reshape(shape)


def pixels(x: Array, plan: Plan, matrix: np.ndarray) -> Array:
    """Return the pixels (planes, G, N·H·W, C/G) of images (N, H, W, P·C), their components mixed by `matrix`."""
    rows = x.reshape(x.shape[0] * x.shape[1] * x.shape[2], plan.components, x.shape[3] // plan.components)
    return grouped(mixed(rows, matrix), plan.groups)


def mixed(x: Array, matrix: np.ndarray) -> Array:
    """Return components (rows, P, C) as planes (planes, rows, C)."""
    return x.swapaxes(0, 1) if x.shape[1] == 1 else kernels.eight.mix(x, matrix)


def unmixed(planes: Array, plan: Plan) -> Array:
    """Return products (planes, rows, C) as components, closed: (rows, P·C)."""
    y = planes.swapaxes(0, 1) if plan.components == 1 else kernels.eight.unmix(planes, mixing.back(4))
    return y.reshape(len(y), y.shape[1] * y.shape[2])


def grouped(a: Array, groups: int) -> Array:
    """Cut the last axis into groups: (planes, rows, C) -> (planes, G, rows, C/G)."""
    return a.reshape(*a.shape[:2], groups, a.shape[2] // groups).swapaxes(1, 2)


def ungrouped(a: Array) -> Array:
    """Undo `grouped`: (planes, G, rows, C/G) -> (planes, rows, C)."""
    return a.swapaxes(1, 2).reshape(len(a), a.shape[2], a.shape[1] * a.shape[3])


def joined_clips(parts: list[Array]) -> Array:
    """Return one array of all clips, without a copy where it is one already."""
    return parts[0] if len(parts) == 1 else xp.concatenate(parts)
