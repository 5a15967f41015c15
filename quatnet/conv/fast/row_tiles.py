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


def padded_rows(x: Array, images: slice, rows: slice, width: int, left: int = 0) -> Array:
    """Return zero-padded rows (n, h, P, width, C) of images (N, H, W, P, C), in workspace memory.

    There are n `images` and h `rows`, of which some may be above or below the images. Each row starts with `left` zeros
    and has `width` pixels. P is the number of components.
    """
    start, stop, right = max(0, rows.start), min(x.shape[1], rows.stop), left + x.shape[2]
    shape = (images.stop - images.start, rows.stop - rows.start, x.shape[3], width, x.shape[4])
    d = workspace("rows", shape, x.dtype)
    d[:, : start - rows.start] = 0
    d[:, stop - rows.start :] = 0
    d[:, :, :, :left] = 0
    d[:, :, :, right:] = 0
    np.copyto(d[:, start - rows.start : stop - rows.start, :, left:right], x[images, start:stop].swapaxes(2, 3))
    return d


def transform_input(x: Array, conv: WinogradShape, tile: Tile, *, conjugate: bool = False) -> Array:
    """Return the transformed input (6, K, pixels, C) of a tile, for images (N, H, W, P, C).

    The result has 6 Winograd products and K transformed components of P components. With `conjugate`, the conjugate of
    the images is transformed.
    """
    matrix = transforms.input_transform(conv.components, x.dtype, conjugate=conjugate)
    top = OUTPUTS * tile.row_tiles.start - conv.padding[0]
    rows = slice(top, top + OUTPUTS * tile.shape[1] + TAPS - 1)
    d = padded_rows(x, tile.images, rows, conv.padded_width, conv.padding[1])
    # All phases have the same number of pixels. Each phase has one additional pixel.
    phase = 1 + -(-math.prod(tile.shape) * conv.padded_width // conv.kernel_width)
    return _transform_row_tiles(matrix, d, tile, "image", conv.kernel_width * phase)


def transform_grad(grad: Array, conv: WinogradShape, tile: Tile) -> Array:
    """Return the transformed upstream gradient (6, K, pixels, O) of a tile, for `grad` (N, OH, OW, P, O).

    The result has 6 Winograd products and K transformed components of P components. For polyphase patches, the rows are
    zero-padded to the width of the input rows, and all phases have the same number of pixels.
    """
    matrix = transforms.grad_transform(conv.components, grad.dtype)
    rows = slice(OUTPUTS * tile.row_tiles.start, OUTPUTS * tile.row_tiles.stop)
    width, phases = (conv.padded_width, conv.kernel_width) if conv.polyphase else (conv.width, 1)
    d = padded_rows(grad[..., tile.out_channels], tile.images, rows, width)
    return _transform_row_tiles(matrix, d, tile, "grad", phases * -(-math.prod(tile.shape) * width // phases))


def _transform_row_tiles(matrix: Array, d: Array, tile: Tile, name: str, count: int) -> Array:
    """Return the products (6, K, count, C) of `matrix` (6 K, m) and the m rows times components of each row tile.

    `d` (n, rows, P, width, C) contains the rows of a tile. Row tiles are 4 rows apart and may overlap. The pixels from
    n·s·width to `count` are 0, for n images with s row tiles. The result is in the workspace `name`.
    """
    _, _, _, width, channels = d.shape
    image, row, component = d.strides[:3]
    shape = (*tile.shape, matrix.shape[1], width * channels)
    windows = np.ndarray(shape, d.dtype, d, strides=(image, OUTPUTS * row, component, d.itemsize))
    out = workspace(name, (PRODUCTS, len(matrix) // PRODUCTS, count, channels), d.dtype)
    pixels = math.prod(tile.shape) * width
    out[:, :, pixels:] = 0
    products = out.reshape(len(matrix), -1)[:, : pixels * channels].reshape(len(matrix), *tile.shape, -1)
    blocked_matmul(matrix, windows, products.transpose(1, 2, 0, 3))
    return out


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
