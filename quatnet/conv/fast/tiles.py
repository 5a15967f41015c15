"""Tiles of a Winograd convolution that fit into the cache, and workspace memory.

A row tile is four rows of the output, the result of one Winograd transform. A tile is a slice of the output channels of
some row tiles of one image, or of all row tiles of some images. The output channels are split so that the transformed
kernel of a tile also fits into the cache. The tiles depend only on the shapes.
"""

import math
import threading
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...backend import Array
from .component_transforms import num_transformed
from .small_products import blocked_matmul
from .winograd import OUTPUTS, PRODUCTS

TILE_BYTES = 8 << 20  # size of the patches and products of a tile (measured, docs/decisions/0008)
MIN_PIXELS = 256  # minimum of pixels of a tile, because each tile reads the kernel once
MIN_TILES = 4  # number of tiles of small images (measured, docs/decisions/0029)
MIN_TILE_BYTES = 1 << 20  # minimum size of a tile of small images; two transformed kernels if they are larger
MIN_POLYPHASE_WIDTH = 8  # minimum of output columns for which polyphase patches are faster than copies
LARGE_KERNEL = 64 * 128  # minimum of input channels x output channels for copied patches in a weight gradient
MAX_KERNEL_BYTES = 16 << 20  # maximum size of the transformed kernel of a tile
_workspaces = threading.local()


class WinogradShape(NamedTuple):
    """Shapes of a Winograd convolution. The numbers of channels are per component."""

    components: int  # 1 for real numbers, 4 for quaternions
    batch: int  # number of images
    height: int  # height of the output
    width: int  # width of the output
    kernel_width: int
    in_channels: int
    out_channels: int
    padding: tuple[int, int]  # (rows, columns)
    polyphase: bool  # whether the patches are strided views and not copies

    @property
    def num_transformed(self) -> int:
        """Number of transformed components: 8 for quaternions, 1 for real numbers."""
        return num_transformed(self.components)

    @property
    def row_tiles(self) -> int:
        """Number of row tiles of an image."""
        return -(-self.height // OUTPUTS)

    @property
    def padded_width(self) -> int:
        """Number of columns of a padded row. The right padding of a row is the left padding of the next row."""
        return self.width + self.kernel_width - 1 - self.padding[1]


def make_shape(x: tuple[int, ...], kernel: tuple[int, ...], padding: tuple[int, int]) -> WinogradShape:
    """Return the shapes of a convolution of images (N, H, W, P·C) with a kernel (P, 3, KW, C, O) of P components."""
    components, height, width, channels, outputs = kernel
    oh, ow = x[1] + 2 * padding[0] - height + 1, x[2] + 2 * padding[1] - width + 1
    return WinogradShape(components, x[0], oh, ow, width, channels, outputs, padding, ow >= MIN_POLYPHASE_WIDTH)


class Tile(NamedTuple):
    """The images, row tiles and output channels of a tile of the output."""

    images: slice
    row_tiles: slice
    out_channels: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Number of images and number of row tiles."""
        return self.images.stop - self.images.start, self.row_tiles.stop - self.row_tiles.start


@lru_cache(maxsize=256)
def make_tiles(conv: WinogradShape, itemsize: int) -> tuple[Tile, ...]:
    """Return the tiles of a convolution. Consecutive tiles have the same slice of output channels."""
    products = PRODUCTS * conv.num_transformed * itemsize  # bytes of one number of all products
    row_tile_bytes = products * conv.padded_width * (conv.in_channels + conv.out_channels)
    kernel_bytes = products * conv.kernel_width * conv.in_channels  # of one output channel
    out_channels = max(32, MAX_KERNEL_BYTES // kernel_bytes)
    least = -(-MIN_PIXELS // conv.padded_width)
    row_tiles = max(TILE_BYTES // row_tile_bytes, min(least, 4 * TILE_BYTES // row_tile_bytes))
    smallest = max(MIN_TILE_BYTES, 2 * kernel_bytes * min(out_channels, conv.out_channels)) // row_tile_bytes
    row_tiles = max(1, min(row_tiles, max(smallest, conv.batch * conv.row_tiles // MIN_TILES)))
    images = max(1, row_tiles // conv.row_tiles)
    return tuple(
        Tile(n, s, o)
        for o in even_slices(conv.out_channels, out_channels)
        for n in even_slices(conv.batch, images)
        for s in even_slices(conv.row_tiles, row_tiles)
    )


def even_slices(length: int, max_length: int) -> list[slice]:
    """Split range(length) into slices of nearly equal size, of at most `max_length` elements.

    The number of slices is one or, if possible, even.
    """
    count = -(-length // max_length)
    count += count > 1 and count % 2 and count < length
    ends = [length * part // max(1, count) for part in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def workspace(name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return an uninitialized array in memory that is reused by the next call of this thread with the same `name`."""
    size, key = math.prod(shape), f"{name}/{np.dtype(dtype).str}"
    memory = _workspaces.__dict__.get(key)
    if memory is None or memory.size < size:
        memory = _workspaces.__dict__[key] = np.empty(size, dtype)
    return memory[:size].reshape(shape)


def split_components(x: Array, components: int) -> Array:
    """Return images `x` (N, H, W, P·C) as a view (N, H, W, P, C). P is the number of `components`."""
    return x.reshape(*x.shape[:3], components, x.shape[3] // components)


def apply_matrix(matrix: Array, a: Array, name: str | None = None) -> Array:
    """Multiply the first axis of `a` by `matrix`, and return the result. A real array is returned unchanged.

    The result is in the workspace `name`, or in a new array if `name` is None.
    """
    if matrix.size == 1:
        return a
    shape = (len(matrix), *a.shape[1:])
    out = np.empty(shape, a.dtype) if name is None else workspace(name, shape, a.dtype)
    blocked_matmul(matrix.astype(a.dtype), a.reshape(len(a), -1), out.reshape(len(out), -1))
    return out
