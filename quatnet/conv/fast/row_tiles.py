"""Input transform, patches and output transform of a tile of a Winograd convolution.

One matrix of `transforms` is applied to the rows of a row tile and the components of a pixel. Columns are not
transformed. A patch consists of KW neighboring pixels of C channels, which are KW·C contiguous numbers. The patches at
the pixels φ, φ + KW, φ + 2 KW, ... do not overlap, and form a matrix without a copy. There is one matrix for each of
the KW phases φ. These matrices are called polyphase patches.
"""

import math

import numpy as np

from ...backend import Array
from . import transforms
from .small_products import blocked_matmul
from .tiles import Tile, WinogradShape, workspace
from .winograd import OUTPUTS, PRODUCTS, TAPS


def padded_rows(x: Array, conv: WinogradShape, tile: Tile) -> Array:
    """Return the zero-padded input rows of a tile, (n, 4s + 2, P, padded_width, C), for images (N, H, W, P, C).

    The tile has n images and s row tiles. P is the number of components.
    """
    images, row_tiles = tile.shape
    rows, top = OUTPUTS * row_tiles + TAPS - 1, OUTPUTS * tile.row_tiles.start - conv.padding[0]
    start, stop = max(0, top), min(conv.rows, top + rows)
    d = workspace("rows", (images, rows, conv.components, conv.padded_width, conv.in_channels), x.dtype)
    d[:, : start - top] = 0
    d[:, max(start, stop) - top :] = 0
    d[:, :, :, : conv.padding[1]] = 0
    inside = d[:, start - top : stop - top, :, conv.padding[1] :]
    np.copyto(inside, x[tile.images, start:stop].swapaxes(2, 3))
    return d


def transform_input(x: Array, conv: WinogradShape, tile: Tile, *, conjugate: bool = False) -> Array:
    """Return the transformed input (6, K, pixels, C) of a tile, for images (N, H, W, P, C).

    The result has 6 Winograd products and K transformed components of P components. With `conjugate`, the conjugate of
    the images is transformed.
    """
    images, row_tiles = tile.shape
    matrix = transforms.input_transform(conv.components, x.dtype, conjugate=conjugate)
    pixels = images * row_tiles * conv.padded_width
    # All phases have the same number of pixels. Each phase has one additional pixel.
    count = conv.kernel_width * (1 + -(-pixels // conv.kernel_width))
    v = workspace("image", (PRODUCTS, conv.num_transformed, count, conv.in_channels), x.dtype)
    v[:, :, pixels:] = 0
    _transform_row_tiles(matrix, _row_windows(padded_rows(x, conv, tile), row_tiles), v)
    return v


def _row_windows(d: Array, count: int) -> Array:
    """Return a view of the 6 input rows of each row tile, (n, count, 6 P, width·C).

    `d` (n, 4 count + 2, P, width, C) contains the rows of n images with `count` row tiles and P components.
    """
    images, _, components, width, channels = d.shape
    image, row, component = d.strides[:3]
    shape = (images, count, (OUTPUTS + TAPS - 1) * components, width * channels)
    return np.ndarray(shape, d.dtype, d, strides=(image, OUTPUTS * row, component, d.itemsize))


def _transform_row_tiles(matrix: Array, rows: Array, out: Array) -> None:
    """Write the product of `matrix` (6 K, m) and `rows` (n, s, m, numbers) to `out` (6, K, pixels, channels).

    There are n images with s row tiles, m rows times components of a row tile, and K transformed components.
    """
    flat = out.reshape(len(matrix), -1)[:, : rows.shape[0] * rows.shape[1] * rows.shape[3]]
    blocked_matmul(matrix, rows, flat.reshape(-1, *rows.shape[:2], rows.shape[3]).transpose(1, 2, 0, 3))


def transform_grad(grad: Array, conv: WinogradShape, tile: Tile) -> Array:
    """Return the transformed upstream gradient (6, K, pixels, O) of a tile, for `grad` (N, OH, OW, P, O).

    The result has 6 Winograd products and K transformed components of P components. For polyphase patches, the rows are
    zero-padded to the width of the input rows.
    """
    images, row_tiles = tile.shape
    start, stop = OUTPUTS * tile.row_tiles.start, min(conv.height, OUTPUTS * tile.row_tiles.stop)
    outputs = tile.out_channels.stop - tile.out_channels.start
    width = conv.padded_width if conv.polyphase else conv.width
    d = workspace("rows", (images, OUTPUTS * row_tiles, conv.components, width, outputs), grad.dtype)
    d[:, stop - start :] = 0
    d[:, :, :, conv.width :] = 0
    inside = grad[tile.images, start:stop, ..., tile.out_channels].swapaxes(2, 3)
    np.copyto(d[:, : stop - start, :, : conv.width], inside)
    pixels = images * row_tiles * width
    count = conv.kernel_width * -(-pixels // conv.kernel_width) if conv.polyphase else pixels
    h = workspace("grad", (PRODUCTS, conv.num_transformed, count, outputs), grad.dtype)
    h[:, :, pixels:] = 0
    matrix = transforms.grad_transform(conv.components, grad.dtype)
    _transform_row_tiles(matrix, d.reshape(images, row_tiles, -1, width * outputs), h)
    return h


def patches(v: Array, conv: WinogradShape, tile: Tile) -> Array:
    """Return the patches (6, K, phases, pixels, KW·C) of transformed images `v` with K transformed components.

    Polyphase patches are a view with KW phases. Other patches are a copy with one phase.
    """
    itemsize, width = v.itemsize, conv.kernel_width * conv.in_channels
    pixel = conv.in_channels * itemsize
    if conv.polyphase:
        shape = (*v.shape[:2], conv.kernel_width, v.shape[2] // conv.kernel_width - 1, width)
        return _view(v, shape, (pixel, width * itemsize, itemsize))
    rows = tile.shape[0] * tile.shape[1]
    view = _view(v, (*v.shape[:2], rows, conv.width, width), (conv.padded_width * pixel, pixel, itemsize))
    copy = workspace("patches", view.shape, v.dtype)
    np.copyto(copy, view)
    return copy.reshape(*v.shape[:2], 1, rows * conv.width, width)


def _view(v: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    return np.ndarray(shape, v.dtype, v, strides=(*v.strides[:2], *strides))  # faster than as_strided


def transform_output(m: Array, conv: WinogradShape, tile: Tile) -> Array:
    """Return the output rows (n, 4s, P, width, O) of a tile with n images, s row tiles and P components.

    `m` contains the products (6, K, pixels, O) of K transformed components. `width` is the padded width for polyphase
    patches, and the output width for other patches.
    """
    rows, matrix = _product_rows(m, conv, tile), transforms.output_transform(conv.components, m.dtype)
    y = workspace("result", (*tile.shape, len(matrix), rows.shape[-1]), m.dtype)
    blocked_matmul(matrix, rows, y)
    return y.reshape(len(y), OUTPUTS * tile.shape[1], conv.components, -1, m.shape[-1])


def _product_rows(m: Array, conv: WinogradShape, tile: Tile) -> Array:
    """Return the products of each row tile, (n, s, 6 K, width·O), as a view of `m`. See `transform_output`."""
    numbers = (conv.padded_width if conv.polyphase else conv.width) * m.shape[-1]
    rows = m.reshape(PRODUCTS * conv.num_transformed, -1)[:, : math.prod(tile.shape) * numbers]
    return rows.reshape(len(rows), *tile.shape, numbers).transpose(1, 2, 0, 3)


def write_output(m: Array, conv: WinogradShape, tile: Tile, y: Array) -> None:
    """Write the output rows of the products `m` of a tile to the images `y` (N, H, W, P, O). See `transform_output`.

    For real numbers, the product with the output transform writes the rows without a copy.
    """
    if conv.components > 1 or m.shape[-1] < conv.out_channels:
        np.copyto(*output_views(transform_output(m, conv, tile), y, tile))
        return
    target = y[tile.images, OUTPUTS * tile.row_tiles.start : OUTPUTS * tile.row_tiles.stop]
    target = target.reshape(*target.shape[:2], conv.width * conv.out_channels)
    rows, matrix = _product_rows(m, conv, tile)[..., : target.shape[2]], transforms.output_transform(1, m.dtype)
    full, rest = divmod(target.shape[1], OUTPUTS)
    complete = target[:, : OUTPUTS * full].reshape(len(target), full, OUTPUTS, target.shape[2])
    blocked_matmul(matrix, rows[:, :full], complete)
    if rest:
        blocked_matmul(matrix[:rest], rows[:, full], target[:, OUTPUTS * full :])


def output_views(rows: Array, y: Array, tile: Tile) -> tuple[Array, Array]:
    """Return views of the tile in the images `y` (N, H, W, P, O) and in `rows`, both of the shape (n, h, P, W, o).

    The tile has n images, s row tiles, h output rows, o output channels and P components. `rows` has the shape
    (n, 4s, P, width, o), or (n, 2s, P, width, o) after pooling. `rows` may have more rows and columns than the images.
    """
    height = rows.shape[1] // tile.shape[1]  # output rows of a row tile: 2 after pooling
    start, stop = height * tile.row_tiles.start, min(y.shape[1], height * tile.row_tiles.stop)
    return y[tile.images, start:stop, ..., tile.out_channels].swapaxes(2, 3), rows[:, : stop - start, :, : y.shape[2]]
