"""From the image to matrices and back: what happens to a tile before and after it is multiplied.

Columns need no transform: KW neighbours of a row are KW·C numbers in one piece, so the pixels φ, φ + KW, φ + 2 KW, ...
of a plane, each with its neighbours, are a matrix without a copy, one for each of KW phases φ.
"""

import numpy as np

from ..backend import Array
from . import mixing, winograd
from .tiles import Plan, Tile, copy_component, scratch
from .winograd import OUTPUTS, PRODUCTS, TAPS


def open_rows(x: Array, plan: Plan, tile: Tile, *, conjugated: bool = False) -> Array:
    """Return the rows of images (N, H, W, P, C) that a tile reads, (P, n, 4s + 2, pitch, C), 0 outside."""
    clips, strips = tile.shape
    rows, top = OUTPUTS * strips + TAPS - 1, OUTPUTS * tile.strips.start - plan.padding[0]
    start, stop = max(0, top), min(plan.rows, top + rows)
    d = scratch("rows", (plan.components, clips, rows, plan.pitch, plan.channels), x.dtype)
    d[:, :, : start - top] = 0
    d[:, :, max(start, stop) - top :] = 0
    d[:, :, :, : plan.padding[1]] = 0
    inside = d[:, :, start - top : stop - top, plan.padding[1] :]
    for plane, component in zip(inside, mixing.RIGHT_ORDER, strict=False):
        copy_component(x[tile.clips, start:stop, :, component], plane, component, conjugated=conjugated)
    return d


def transformed_image(x: Array, plan: Plan, tile: Tile, *, conjugated: bool = False) -> Array:
    """Return the right operands of a tile, (6, planes, pixels, C): Bᵀ along the rows, then the sums."""
    clips, strips = tile.shape
    d = open_rows(x, plan, tile, conjugated=conjugated)
    pixels = clips * strips * plan.pitch
    phases = plan.taps * (1 + -(-pixels // plan.taps))  # whole phases, and one pixel more in each
    v = scratch("image", (PRODUCTS, plan.planes, phases, plan.channels), x.dtype)
    v[:, :, pixels:] = 0
    rows = _every_fourth(d, PRODUCTS, strips)
    parts = v[:, -plan.components :, :pixels].reshape(rows.shape)
    winograd.transform_rows(rows, parts, scratch("sums", rows.shape, x.dtype))
    if plan.components == 4:
        mixing.mix(v, mixing.RIGHT_ORDER, scratch("sums", (2, 2, *v[:, 0].shape), x.dtype))
    return v


def _every_fourth(d: Array, count: int, strips: int) -> Array:
    """Return (count, P, n, s, numbers in a row): of d (P, n, rows, ...) the rows 0, 4, 8, ..., then 1, 5, 9, ..."""
    one = d.strides[2]
    shape = (count, *d.shape[:2], strips, d.shape[3] * d.shape[4])
    return np.lib.stride_tricks.as_strided(d, shape, (one, *d.strides[:2], OUTPUTS * one, d.itemsize))


def transformed_cotangent(g: Array, plan: Plan, tile: Tile) -> Array:
    """Return the left operands of the kernel's gradient, (6, planes, pixels, O), without their factors.

    A along the rows, the adjoint of what `close_rows` does; 0 between the rows of the image.
    """
    clips, strips = tile.shape
    start, stop = OUTPUTS * tile.strips.start, min(plan.height, OUTPUTS * tile.strips.stop)
    outputs, pitch = tile.outputs.stop - tile.outputs.start, plan.pitch if plan.phases else plan.width
    d = scratch("rows", (plan.components, clips, OUTPUTS * strips, pitch, outputs), g.dtype)
    d[:, :, stop - start :] = 0
    d[:, :, :, plan.width :] = 0
    for plane, component in zip(d, mixing.LEFT_ORDER, strict=False):
        source = g[tile.clips, start:stop, :, component, tile.outputs]
        np.copyto(plane[:, : stop - start, : plan.width], source)
    return _left_operands(d, plan, strips)


def _left_operands(d: Array, plan: Plan, strips: int) -> Array:
    components, clips, _, pitch, outputs = d.shape
    pixels = clips * strips * pitch
    count = plan.taps * -(-pixels // plan.taps) if plan.phases else pixels
    h = scratch("cotangent", (PRODUCTS, plan.planes, count, outputs), d.dtype)
    h[:, :, pixels:] = 0
    rows = _every_fourth(d, OUTPUTS, strips)
    parts = h[:, -components:, :pixels].reshape(PRODUCTS, *rows.shape[1:])
    winograd.transform_cotangents(rows, parts, scratch("sums", rows.shape, d.dtype))
    if components == 4:
        mixing.mix(h, mixing.LEFT_ORDER, scratch("sums", (2, 2, *h[:, 0].shape), d.dtype))
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
    """Return the rows of the result, (P, n, 4s, pitch or W, O), from the products (6, planes, pixels, O)."""
    clips, strips = tile.shape
    pitch = plan.pitch if plan.phases else plan.width
    if plan.components == 4:
        m = mixing.unmix(m, scratch("sums", (2, 2, *m[:, 0].shape), m.dtype))
    shape = (plan.components, clips, strips, pitch * m.shape[-1])
    parts = m[:, :, : clips * strips * pitch].reshape(PRODUCTS, *shape)
    y = scratch("result", (*shape[:3], OUTPUTS, shape[3]), m.dtype)
    winograd.transform_products(parts, np.moveaxis(y, 3, 0), scratch("sums", (4, *shape), m.dtype))
    return y.reshape(plan.components, clips, OUTPUTS * strips, pitch, m.shape[-1])


def close_rows(rows: Array, y: Array, tile: Tile) -> None:
    """Copy the rows (P, n, 4s or 2s, ..., O) of a tile into images `y` (N, H, W, P, O)."""
    each = rows.shape[2] // tile.shape[1]  # rows that a strip has left
    start, stop = each * tile.strips.start, min(y.shape[1], each * tile.strips.stop)
    for component, plane in enumerate(rows):
        np.copyto(y[tile.clips, start:stop, :, component, tile.outputs], plane[:, : stop - start, : y.shape[2]])
