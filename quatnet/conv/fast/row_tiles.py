"""Input and output transforms of a Winograd tile: images to operands of a matrix product, and products to images.

One matrix of `transforms` is applied to the rows of a row tile and the components of a pixel. Columns are not
transformed: KW neighbors of a row are KW·C contiguous numbers. The pixels φ, φ + KW, φ + 2 KW, ... of a transformed
component, each with its neighbors, are therefore a matrix without a copy, one matrix for each of the KW phases φ
(polyphase patches).
"""

import numpy as np

from ...backend import Array
from . import transforms
from .tiles import Plan, Tile, workspace
from .winograd import OUTPUTS, PRODUCTS, TAPS


def padded_rows(x: Array, plan: Plan, tile: Tile) -> Array:
    """Return the rows of images (N, H, W, P, C) that a tile reads, zero-padded: (n, 4s + 2, P, pitch, C)."""
    images, row_tiles = tile.shape
    rows, top = OUTPUTS * row_tiles + TAPS - 1, OUTPUTS * tile.row_tiles.start - plan.padding[0]
    start, stop = max(0, top), min(plan.rows, top + rows)
    d = workspace("rows", (images, rows, plan.components, plan.pitch, plan.in_channels), x.dtype)
    d[:, : start - top] = 0
    d[:, max(start, stop) - top :] = 0
    d[:, :, :, : plan.padding[1]] = 0
    inside = d[:, start - top : stop - top, :, plan.padding[1] :]
    np.copyto(inside, x[tile.images, start:stop].swapaxes(2, 3))
    return d


def transform_input(x: Array, plan: Plan, tile: Tile, *, conjugate: bool = False) -> Array:
    """Return the right operands (6, K, pixels, C) of a tile, for images (N, H, W, P, C)."""
    images, row_tiles = tile.shape
    matrix = transforms.input_transform(plan.components, x.dtype, conjugate=conjugate)
    pixels = images * row_tiles * plan.pitch
    count = plan.kernel_width * (1 + -(-pixels // plan.kernel_width))  # complete phases, and one pixel more in each
    v = workspace("image", (PRODUCTS, plan.num_transformed, count, plan.in_channels), x.dtype)
    v[:, :, pixels:] = 0
    _transform_row_tiles(matrix, _row_windows(padded_rows(x, plan, tile), row_tiles), v)
    return v


def _row_windows(d: Array, count: int) -> Array:
    """Return the 6 rows of each row tile, a view (n, count, 6 P, pitch·C) of rows (n, 4 count + 2, P, pitch, C)."""
    images, _, components, pitch, channels = d.shape
    image, row, component = d.strides[:3]
    shape = (images, count, (OUTPUTS + TAPS - 1) * components, pitch * channels)
    return np.lib.stride_tricks.as_strided(d, shape, (image, OUTPUTS * row, component, d.itemsize), writeable=False)


def _transform_row_tiles(matrix: Array, rows: Array, out: Array) -> None:
    """Write matrix @ rows (n, s, rows, numbers) to `out` (6, K, pixels, channels)."""
    flat = out.reshape(len(matrix), -1)[:, : rows.shape[0] * rows.shape[1] * rows.shape[3]]
    np.matmul(matrix, rows, out=flat.reshape(-1, *rows.shape[:2], rows.shape[3]).transpose(1, 2, 0, 3))


def transform_grad(grad: Array, plan: Plan, tile: Tile) -> Array:
    """Return the left operands (6, K, pixels, O) of the weight gradient, with zeros between the rows of the image."""
    images, row_tiles = tile.shape
    start, stop = OUTPUTS * tile.row_tiles.start, min(plan.height, OUTPUTS * tile.row_tiles.stop)
    outputs = tile.out_channels.stop - tile.out_channels.start
    pitch = plan.pitch if plan.polyphase else plan.width
    d = workspace("rows", (images, OUTPUTS * row_tiles, plan.components, pitch, outputs), grad.dtype)
    d[:, stop - start :] = 0
    d[:, :, :, plan.width :] = 0
    inside = grad[tile.images, start:stop, ..., tile.out_channels].swapaxes(2, 3)
    np.copyto(d[:, : stop - start, :, : plan.width], inside)
    pixels = images * row_tiles * pitch
    count = plan.kernel_width * -(-pixels // plan.kernel_width) if plan.polyphase else pixels
    h = workspace("grad", (PRODUCTS, plan.num_transformed, count, outputs), grad.dtype)
    h[:, :, pixels:] = 0
    matrix = transforms.grad_transform(plan.components, grad.dtype)
    _transform_row_tiles(matrix, d.reshape(images, row_tiles, -1, pitch * outputs), h)
    return h


def patches(v: Array, plan: Plan, tile: Tile) -> Array:
    """Return patches (6, K, phases, pixels, KW·C) of transformed images: a view with KW phases, or a copy with one."""
    itemsize, width = v.itemsize, plan.kernel_width * plan.in_channels
    pixel = plan.in_channels * itemsize
    if plan.polyphase:
        shape = (*v.shape[:2], plan.kernel_width, v.shape[2] // plan.kernel_width - 1, width)
        return _view(v, shape, (pixel, width * itemsize, itemsize))
    rows = tile.shape[0] * tile.shape[1]
    view = _view(v, (*v.shape[:2], rows, plan.width, width), (plan.pitch * pixel, pixel, itemsize))
    copy = workspace("patches", view.shape, v.dtype)
    np.copyto(copy, view)
    return copy.reshape(*v.shape[:2], 1, rows * plan.width, width)


def _view(v: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    return np.lib.stride_tricks.as_strided(v, shape, (*v.strides[:2], *strides), writeable=False)


def transform_output(m: Array, plan: Plan, tile: Tile) -> Array:
    """Return the rows (n, 4s, P, pitch or W, O) of the output, from the products (6, K, pixels, O)."""
    images, row_tiles = tile.shape
    pitch = plan.pitch if plan.polyphase else plan.width
    matrix = transforms.output_transform(plan.components, m.dtype)
    y = workspace("result", (images, row_tiles, len(matrix), pitch * m.shape[-1]), m.dtype)
    flat = m.reshape(matrix.shape[1], -1)[:, : images * row_tiles * y.shape[-1]]
    np.matmul(matrix, flat.reshape(-1, images, row_tiles, y.shape[-1]).transpose(1, 2, 0, 3), out=y)
    return y.reshape(images, OUTPUTS * row_tiles, plan.components, pitch, m.shape[-1])


def output_views(rows: Array, y: Array, tile: Tile) -> tuple[Array, Array]:
    """Return the region (n, h, P, w, o) of images `y` (N, H, W, P, O) that a tile covers, and the same part of `rows`.

    `rows` (n, 4s or 2s, P, pitch or W, o) may have more columns than the image, and rows below its last row.
    """
    height = rows.shape[1] // tile.shape[1]  # output rows of a row tile: 2 after pooling
    start, stop = height * tile.row_tiles.start, min(y.shape[1], height * tile.row_tiles.stop)
    return y[tile.images, start:stop, ..., tile.out_channels].swapaxes(2, 3), rows[:, : stop - start, :, : y.shape[2]]
