"""Tiles, which split a convolution so that the patches of one tile stay in cache, and workspace memory.

A row tile is four rows of the output, as one Winograd transform computes them. A tile is some row tiles of one image,
or all row tiles of some images, times some of the output channels, so that one worker reads each part of a kernel of
several megabytes. The split depends on the shapes alone.
"""

import math
import threading
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...backend import Array
from .component_transforms import num_transformed
from .winograd import OUTPUTS, PRODUCTS, TAPS

TILE_BYTES = 8 << 20  # patches and products of a tile (measured, docs/decisions/0008)
MIN_PIXELS = 256  # of a tile, for each time that the kernel is read
MIN_POLYPHASE_WIDTH = 8  # output columns from which polyphase patches are faster than copies
LARGE_KERNEL = 64 * 128  # input x output channels from which a weight gradient is too large to be summed over phases
MAX_KERNEL_BYTES = 16 << 20  # of the transformed kernel of a tile
_workspaces = threading.local()


class Plan(NamedTuple):
    """The shapes of one convolution. Channels are counted per component: C and O of P·C and P·O."""

    components: int  # P
    batch: int  # N
    height: int  # of the output
    width: int
    kernel_width: int
    in_channels: int
    out_channels: int
    padding: tuple[int, int]  # rows, columns
    polyphase: bool  # whether patches are strided views with zeros between the rows, or copies

    @property
    def num_transformed(self) -> int:
        """Transformed components of a row: K."""
        return num_transformed(self.components)

    @property
    def row_tiles(self) -> int:
        """Row tiles of an image."""
        return -(-self.height // OUTPUTS)

    @property
    def rows(self) -> int:
        """Input rows without padding."""
        return self.height + TAPS - 1 - 2 * self.padding[0]

    @property
    def columns(self) -> int:
        """Input columns without padding."""
        return self.width + self.kernel_width - 1 - 2 * self.padding[1]

    @property
    def pitch(self) -> int:
        """Columns of a padded row: the zeros to the right of a row are those to the left of the next row."""
        return self.columns + self.padding[1]


def make_plan(x: tuple[int, ...], kernel: tuple[int, ...], padding: tuple[int, int]) -> Plan:
    """Return the plan for images (N, H, W, P·C) and a kernel (P, 3, KW, C, O)."""
    components, height, width, channels, outputs = kernel
    oh, ow = x[1] + 2 * padding[0] - height + 1, x[2] + 2 * padding[1] - width + 1
    return Plan(components, x[0], oh, ow, width, channels, outputs, padding, ow >= MIN_POLYPHASE_WIDTH)


class Tile(NamedTuple):
    """Ranges of images, row tiles and output channels."""

    images: slice
    row_tiles: slice
    out_channels: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Number of images and of row tiles."""
        return self.images.stop - self.images.start, self.row_tiles.stop - self.row_tiles.start


def make_tiles(plan: Plan, itemsize: int) -> list[Tile]:
    """Split a convolution into tiles; neighboring tiles share a slice of the kernel."""
    row_tile_bytes = PRODUCTS * plan.num_transformed * plan.pitch * (plan.in_channels + plan.out_channels) * itemsize
    least = -(-MIN_PIXELS // plan.pitch)
    row_tiles = max(1, TILE_BYTES // row_tile_bytes, min(least, 4 * TILE_BYTES // row_tile_bytes))
    images = max(1, row_tiles // plan.row_tiles)
    kernel_bytes = PRODUCTS * plan.num_transformed * plan.kernel_width * plan.in_channels * itemsize
    out_channels = max(32, MAX_KERNEL_BYTES // kernel_bytes)
    return [
        Tile(n, s, o)
        for o in even_slices(plan.out_channels, out_channels)
        for n in even_slices(plan.batch, images)
        for s in even_slices(plan.row_tiles, row_tiles)
    ]


def even_slices(length: int, max_length: int) -> list[slice]:
    """Split range(length) into slices of nearly equal size, none longer than `max_length`.

    The number of slices is one or even where the length allows it.
    """
    count = -(-length // max_length)
    count += count > 1 and count % 2 and count < length
    ends = [length * part // max(1, count) for part in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def workspace(name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return an array with undefined content, in memory of this thread that each call with the same `name` reuses."""
    size, key = math.prod(shape), f"{name}/{np.dtype(dtype).char}"
    memory = _workspaces.__dict__.get(key)
    if memory is None or memory.size < size:
        memory = _workspaces.__dict__[key] = np.empty(size, dtype)
    return memory[:size].reshape(shape)


def split_components(x: Array, components: int) -> Array:
    """Return images (N, H, W, P·C) as a view (N, H, W, P, C)."""
    return x.reshape(*x.shape[:3], components, x.shape[3] // components)
