"""The gradients of `direct.convolve`, cut in the same way."""

import numpy as np

from ..backend import Array
from ..threads import map_on_cores, run_on_cores
from . import mixing
from .direct import Pair, Piece, Window, close, operands, patches, pieces, planes, sums
from .tiles import scratch


def input_gradient(g: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return w* ⊗ g as an image of `shape`, for the cotangent `g` (N, OH, OW, P·O); computed as (g* ⊗ w)*."""
    gx = np.empty(shape, dtype=g.dtype)
    (top, left), (_, height, width, channels) = padding, shape

    def work(piece: Piece) -> None:
        cotangents = planes(g[piece.clips], len(w), mixing.LEFT_ORDER, (0, 0), conjugated=True)
        kernels = operands(w[:, :, :, piece.channels], mixing.RIGHT_ORDER)
        size = (height + 2 * top, cotangents.shape[2], width + 2 * left, kernels[0].shape[2])
        image = scratch("products", (len(cotangents), *size), g.dtype)
        image[...] = 0
        for cotangent, kernel, plane in zip(cotangents, kernels, image, strict=True):
            _scatter(cotangent, kernel, stride, plane)
        inside = sums(image)[:, top : top + height, :, left : left + width]
        close(inside, gx[piece.clips], piece.channels, conjugated=True)

    run_on_cores(work, pieces(gx, w, channels // len(w)))
    return gx


def _scatter(g: Array, kernel: Array, stride: Pair, image: Array) -> None:
    """Add g (OH, N, OW, O) times each tap (C, O), transposed, to the pixels (H, N, W, C) that the tap met."""
    oh, _, ow, outputs = g.shape
    for i, j in np.ndindex(*kernel.shape[:2]):
        part = scratch("part", (*g.shape[:3], kernel.shape[2]), g.dtype)
        np.matmul(g.reshape(-1, outputs), kernel[i, j].T, out=part.reshape(-1, kernel.shape[2]))
        met = image[i : i + stride[0] * oh : stride[0], :, j : j + stride[1] * ow : stride[1]]
        np.add(met, part, out=met)


def kernel_gradient(x: Array, g: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return g ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C, O)."""
    gw = np.zeros(kernel, dtype=x.dtype)
    components, kh, kw, channels, outputs = kernel
    window = Window((kh, kw), stride, padding)
    cotangents = g.reshape(*g.shape[:3], components, outputs)

    def work(piece: Piece) -> Array:
        right = planes(x[piece.clips], components, mixing.RIGHT_ORDER, padding, conjugated=True)
        right = patches(right, window, g.shape[1:3])
        part = cotangents[piece.clips, ..., piece.channels]
        left = planes(part.reshape(*part.shape[:3], -1), components, mixing.LEFT_ORDER, (0, 0))
        m = np.empty((len(left), kh, kw * channels, left.shape[-1]), x.dtype)
        for plane, i in np.ndindex(len(left), kh):
            met = right[plane, i : i + stride[0] * (g.shape[1] - 1) + 1 : stride[0]].reshape(-1, kw * channels)
            np.matmul(met.T, left[plane].reshape(len(met), -1), out=m[plane, i])
        return sums(m).reshape(components, kh, kw, channels, -1)

    cut = pieces(x, gw, outputs)
    for piece, part in zip(cut, map_on_cores(work, cut), strict=True):
        gw[..., piece.channels] += part
    return gw
