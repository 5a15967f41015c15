"""The same three functions as `quatnet.convolve`, faster: row patches, tiles that stay in cache, all cores.

A patch row of im2col copies each pixel KH·KW times. Here a row holds the KW neighbours of one image row only,

    R[h, w] = x[h, w : w + KW]   (KW·C numbers),      y[h] = Σ_i R[h + i] @ w[i],

so that a pixel is copied KW times, and each product is small enough for the matrix library's quick path.
With stride 1 the input gradient is itself such a convolution: of g, with the kernel turned by 180 degrees.
Other strides, and maps too narrow for it to pay, take the plain form, some clips at a time.
"""

import numpy as np

from . import convolve
from .backend import Array, xp
from .patches import pad
from .threads import map_on_cores, pieces, run_on_cores

Tile = tuple[int, int, int]  # clip, first output row, one past the last

TILE_ROWS = 64  # image rows in a tile
NARROW = 16  # output columns from which row patches are faster (measured, 2 cores of a Xeon at 2.8 GHz)


def conv2d(x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Return what `convolve.conv2d` returns, and raise what it raises."""
    oh, ow = convolve.check(x, w, stride, padding)
    y = xp.empty((len(x), oh, ow, w.shape[-1]), dtype=x.dtype)
    if _rows_pay(stride, ow):
        rows, taps = _row_patches(x, w.shape[1], padding), w.reshape(len(w), -1, w.shape[-1])
        run_on_cores(lambda tile: _convolve_tile(rows, taps, y, tile), _tiles(len(x), oh))
        return y

    def work(clips: slice) -> None:
        y[clips] = convolve.conv2d(x[clips], w, stride=stride, padding=padding)

    run_on_cores(work, pieces(len(x), oh * ow * w[..., 0].nbytes))
    return y


def _convolve_tile(rows: Array, taps: Array, y: Array, tile: Tile) -> None:
    clip, start, stop = tile
    copied = xp.ascontiguousarray(rows[clip, start : stop + len(taps) - 1])
    total, count = y[clip, start:stop], stop - start
    xp.matmul(copied[:count], taps[0], out=total)
    for i in range(1, len(taps)):
        total += copied[i : i + count] @ taps[i]


def conv2d_input_gradient(
    g: Array, w: Array, shape: tuple[int, int, int, int], *, stride: int = 1, padding: int = 0
) -> Array:
    """Return what `convolve.conv2d_input_gradient` returns."""
    kh, kw = w.shape[:2]
    if stride == 1 and kh == kw and padding < kh:
        return conv2d(g, w[::-1, ::-1].transpose(0, 1, 3, 2), padding=kh - 1 - padding)
    gx = xp.empty(shape, dtype=g.dtype)

    def work(clips: slice) -> None:
        piece = (len(gx[clips]), shape[1], shape[2], shape[3])
        gx[clips] = convolve.conv2d_input_gradient(g[clips], w, piece, stride=stride, padding=padding)

    run_on_cores(work, pieces(len(g), g.shape[1] * g.shape[2] * w[..., 0].nbytes))
    return gx


def conv2d_weight_gradient(x: Array, g: Array, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0) -> Array:
    """Return what `convolve.conv2d_weight_gradient` returns; the sum runs in a fixed order."""
    gw = xp.zeros((*kernel, x.shape[-1], g.shape[-1]), dtype=x.dtype)
    if _rows_pay(stride, g.shape[2]):
        rows = _row_patches(x, kernel[1], padding)
        parts = map_on_cores(lambda tile: _weight_tile(rows, g, kernel[0], tile), _tiles(len(x), g.shape[1]))
    else:

        def work(clips: slice) -> Array:
            return convolve.conv2d_weight_gradient(x[clips], g[clips], kernel, stride=stride, padding=padding)

        parts = map_on_cores(work, pieces(len(x), g.shape[1] * g.shape[2] * gw[..., 0].nbytes))
    for part in parts:
        gw += part.reshape(gw.shape)
    return gw


def _weight_tile(rows: Array, g: Array, height: int, tile: Tile) -> Array:
    clip, start, stop = tile
    copied = xp.ascontiguousarray(rows[clip, start : stop + height - 1])
    gradient, count = g[clip, start:stop].reshape(-1, g.shape[-1]), stop - start
    shifted = (copied[i : i + count].reshape(-1, copied.shape[-1]) for i in range(height))
    return xp.stack([part.T @ gradient for part in shifted])


def _rows_pay(stride: int, columns: int) -> bool:
    return xp is np and stride == 1 and columns >= NARROW


def _row_patches(x: Array, width: int, padding: int) -> Array:
    """A view R (N, H + 2 padding, OW, KW·C) of the padded image: its rows overlap, nothing is copied yet."""
    padded = pad(x, padding)
    n, h, w, channels = padded.shape
    one = padded.itemsize  # strides from the shape: NumPy's own may be anything on an axis of length 1
    strides = (h * w * channels * one, w * channels * one, channels * one, one)
    shape = (n, h, w - width + 1, width * channels)
    return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)


def _tiles(clips: int, height: int) -> list[Tile]:
    starts = range(0, height, TILE_ROWS)
    return [(clip, start, min(start + TILE_ROWS, height)) for clip in range(clips) for start in starts]
