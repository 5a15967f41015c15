"""Tiles: how a convolution is cut so that the patches of a piece stay in cache, and scratch memory for one piece.

A strip is four rows of the output. A tile is some strips of one clip, or all strips of some clips, times some of the
output channels: kernels of several megabytes are then read by one worker each. The cut depends on the shapes alone.
"""

import math
import threading
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...backend import Array
from .mixing import planes_of
from .winograd import OUTPUTS, PRODUCTS, TAPS

TILE_BYTES = 8 << 20  # patches and products of a tile (measured, docs/decisions/0008)
FEWEST_PIXELS = 256  # in a tile, for each time that the kernel is read
NARROW = 8  # output columns from which phases pay
LARGE = 64 * 128  # channels in x out from which a kernel's gradient is too large to be summed over phases
WIDEST_KERNEL = 16 << 20  # bytes of transformed kernel that a tile multiplies with
_memory = threading.local()


class Plan(NamedTuple):
    """The shapes of one convolution: C and O are counted per component, of which a real one has one."""

    components: int
    clips: int
    height: int  # of the output
    width: int
    taps: int  # KW
    channels: int
    outputs: int
    padding: tuple[int, int]  # rows, columns
    phases: bool  # whether patches are views, with zeros between the rows; else copies

    @property
    def planes(self) -> int:
        return planes_of(self.components)

    @property
    def strips(self) -> int:
        return -(-self.height // OUTPUTS)

    @property
    def rows(self) -> int:
        """Input rows without padding."""
        return self.height + TAPS - 1 - 2 * self.padding[0]

    @property
    def columns(self) -> int:
        return self.width + self.taps - 1 - 2 * self.padding[1]

    @property
    def pitch(self) -> int:
        """Columns of a padded row: the zeros on its right are those on the left of the next one."""
        return self.columns + self.padding[1]


def plan_of(x: tuple[int, ...], kernel: tuple[int, ...], padding: tuple[int, int]) -> Plan:
    """Return the plan for an image (N, H, W, P·C) and a kernel (P, 3, KW, C, O): phases where they cost less."""
    components, height, width, channels, outputs = kernel
    oh, ow = x[1] + 2 * padding[0] - height + 1, x[2] + 2 * padding[1] - width + 1
    return Plan(components, x[0], oh, ow, width, channels, outputs, padding, ow >= NARROW)


class Tile(NamedTuple):
    clips: slice
    strips: slice
    outputs: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Clips and strips."""
        return self.clips.stop - self.clips.start, self.strips.stop - self.strips.start


def tiles(plan: Plan, itemsize: int) -> list[Tile]:
    """Cut a convolution; neighbors share a slice of the kernel."""
    strip = PRODUCTS * plan.planes * plan.pitch * (plan.channels + plan.outputs) * itemsize
    least = -(-FEWEST_PIXELS // plan.pitch)
    count = max(1, TILE_BYTES // strip, min(least, 4 * TILE_BYTES // strip))
    clips = max(1, count // plan.strips)
    kernel = PRODUCTS * plan.planes * plan.taps * plan.channels * itemsize
    outputs = max(32, WIDEST_KERNEL // kernel)
    return [
        Tile(n, s, o)
        for o in slices(plan.outputs, outputs)
        for n in slices(plan.clips, clips)
        for s in slices(plan.strips, count)
    ]


def slices(length: int, most: int) -> list[slice]:
    """Cut range(length) into pieces of nearly equal size, none longer than `most`; an even number, where not one."""
    count = -(-length // most)
    count += count > 1 and count % 2 and count < length
    ends = [length * part // max(1, count) for part in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return memory of this thread that the last user of `name` left; its content is undefined."""
    size, key = math.prod(shape), f"{name}/{np.dtype(dtype).char}"
    known = _memory.__dict__.get(key)
    if known is None or known.size < size:
        known = _memory.__dict__[key] = np.empty(size, dtype)
    return known[:size].reshape(shape)


def components_of(x: Array, components: int) -> Array:
    """Return images (N, H, W, P·C) opened as (N, H, W, P, C), a view."""
    return x.reshape(*x.shape[:3], components, x.shape[3] // components)
