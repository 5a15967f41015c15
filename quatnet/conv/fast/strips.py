"""From the image to matrices and back: what happens to a tile before and after it is multiplied.

Rows of a strip and components of a pixel go through one matrix of `transforms`. Columns need no transform: KW
neighbors of a row are KW·C numbers in one piece, so the pixels φ, φ + KW, φ + 2 KW, ... of a plane, each with its
neighbors, are a matrix without a copy, one for each of KW phases φ.
"""

import numpy as np

from ...backend import Array
from . import transforms
from .tiles import Plan, Tile, scratch
from .winograd import OUTPUTS, PRODUCTS, TAPS


def open_rows(x: Array, plan: Plan, tile: Tile) -> Array:
    """Return the rows of images (N, H, W, P, C) that a tile reads, (n, 4s + 2, P, pitch, C), 0 outside."""
    clips, strips = tile.shape
    rows, top = OUTPUTS * strips + TAPS - 1, OUTPUTS * tile.strips.start - plan.padding[0]
    start, stop = max(0, top), min(plan.rows, top + rows)
    d = scratch("rows", (clips, rows, plan.components, plan.pitch, plan.channels), x.dtype)
    d[:, : start - top] = 0
    d[:, max(start, stop) - top :] = 0
    d[:, :, :, : plan.padding[1]] = 0
    inside = d[:, start - top : stop - top, :, plan.padding[1] :]
    np.copyto(inside, x[tile.clips, start:stop].swapaxes(2, 3))
    return d


def transformed_image(x: Array, plan: Plan, tile: Tile, *, conjugated: bool = False) -> Array:
    """Return the right operands of a tile, (6, planes, pixels, C)."""
    clips, strips = tile.shape
    matrix = transforms.of_image(plan.components, x.dtype, conjugated=conjugated)
    pixels = clips * strips * plan.pitch
    phases = plan.taps * (1 + -(-pixels // plan.taps))  # whole phases, and one pixel more in each
    v = scratch("image", (PRODUCTS, plan.planes, phases, plan.channels), x.dtype)
    v[:, :, pixels:] = 0
    _each_strip(matrix, _strips(open_rows(x, plan, tile), strips), v)
    return v


def _strips(d: Array, count: int) -> Array:
    """Return (n, count, 6 P, numbers in a row): of the rows (n, 4 count + 2, P, ...) six for each strip, a view."""
    clips, _, components, pitch, channels = d.shape
    clip, row, component = d.strides[:3]
    shape = (clips, count, (OUTPUTS + TAPS - 1) * components, pitch * channels)
    return np.lib.stride_tricks.as_strided(d, shape, (clip, OUTPUTS * row, component, d.itemsize), writeable=False)


def _each_strip(matrix: Array, rows: Array, out: Array) -> None:
    """Write matrix @ rows (n, s, rows, numbers) to the planes of `out` (6, planes, pixels, channels)."""
    flat = out.reshape(len(matrix), -1)[:, : rows.shape[0] * rows.shape[1] * rows.shape[3]]
    np.matmul(matrix, rows, out=flat.reshape(-1, *rows.shape[:2], rows.shape[3]).transpose(1, 2, 0, 3))


def transformed_cotangent(g: Array, plan: Plan, tile: Tile) -> Array:
    """Return the left operands of the kernel's gradient, (6, planes, pixels, O); 0 between the rows of the image."""
    clips, strips = tile.shape
    start, stop = OUTPUTS * tile.strips.start, min(plan.height, OUTPUTS * tile.strips.stop)
    outputs, pitch = tile.outputs.stop - tile.outputs.start, plan.pitch if plan.phases else plan.width
    d = scratch("rows", (clips, OUTPUTS * strips, plan.components, pitch, outputs), g.dtype)
    d[:, stop - start :] = 0
    d[:, :, :, plan.width :] = 0
    np.copyto(d[:, : stop - start, :, : plan.width], g[tile.clips, start:stop, ..., tile.outputs].swapaxes(2, 3))
    pixels = clips * strips * pitch
    count = plan.taps * -(-pixels // plan.taps) if plan.phases else pixels
    h = scratch("cotangent", (PRODUCTS, plan.planes, count, outputs), g.dtype)
    h[:, :, pixels:] = 0
    _each_strip(transforms.of_cotangent(plan.components, g.dtype), d.reshape(clips, strips, -1, pitch * outputs), h)
    return h


def patches(v: Array, plan: Plan, tile: Tile) -> Array:
    """Return (6, planes, phases, pixels, KW·C): a view with KW phases, or a copy with one where that is less work."""
    one, width = v.itemsize, plan.taps * plan.channels
    if plan.phases:
        shape = (*v.shape[:2], plan.taps, v.shape[2] // plan.taps - 1, width)
        return _view(v, shape, (plan.channels * one, width * one, one))
    rows = tile.shape[0] * tile.shape[1]
    view = _view(
        v, (*v.shape[:2], rows, plan.width, width), (plan.pitch * plan.channels * one, plan.channels * one, one)
    )
    copied = scratch("patches", view.shape, v.dtype)
    np.copyto(copied, view)
    return copied.reshape(*v.shape[:2], 1, rows * plan.width, width)


def _view(v: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    return np.lib.stride_tricks.as_strided(v, shape, (*v.strides[:2], *strides), writeable=False)


def rows_of_products(m: Array, plan: Plan, tile: Tile) -> Array:
    """Return the rows of the result, (n, 4s, P, pitch or W, O), from the products (6, planes, pixels, O)."""
    clips, strips = tile.shape
    pitch = plan.pitch if plan.phases else plan.width
    matrix = transforms.of_products(plan.components, m.dtype)
    y = scratch("result", (clips, strips, len(matrix), pitch * m.shape[-1]), m.dtype)
    flat = m.reshape(matrix.shape[1], -1)[:, : clips * strips * y.shape[-1]]
    np.matmul(matrix, flat.reshape(-1, clips, strips, y.shape[-1]).transpose(1, 2, 0, 3), out=y)
    return y.reshape(clips, OUTPUTS * strips, plan.components, pitch, m.shape[-1])


def place(rows: Array, y: Array, tile: Tile) -> tuple[Array, Array]:
    """Return where in images `y` (N, H, W, P, O) a tile belongs, (n, h, P, w, o), and the part of its `rows` for it.

    `rows` are (n, 4s or 2s, P, pitch or W, o): with more columns than the image has, and rows below its end.
    """
    each = rows.shape[1] // tile.shape[1]  # rows that a strip has left
    start, stop = each * tile.strips.start, min(y.shape[1], each * tile.strips.stop)
    return y[tile.clips, start:stop, ..., tile.outputs].swapaxes(2, 3), rows[:, : stop - start, :, : y.shape[2]]
