"""The gradients of `direct.convolve`, cut in the same way."""

import numpy as np

from ...backend import Array
from ...threads import parallel_for
from . import mixing
from .direct import Pair, Piece, Window, close, meetings, operands, pieces, planes, sums
from .tiles import components_of, scratch


def input_gradient(g: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return w* ⊗ g as an image of `shape`, for the cotangent `g` (N, OH, OW, P·O); computed as (g* ⊗ w)*."""
    gx = np.empty(shape, dtype=g.dtype)
    window = Window(w.shape[1:3], stride, padding)

    def work(piece: Piece) -> None:
        cotangents = planes(components_of(g, len(w))[piece.clips], component_transforms.left_transform(len(w), conjugate=True))
        kernels = operands(w[:, :, :, piece.channels], component_transforms.RIGHT_ORDER)
        size = (shape[1], cotangents.shape[2], shape[2], kernels[0].shape[2])
        images = scratch("products", (len(cotangents), *size), g.dtype)
        images[...] = 0
        for cotangent, kernel, image in zip(cotangents, kernels, images, strict=True):
            _scatter(cotangent, kernel, window, image)
        back = component_transforms.output_transform(len(w), conjugate=True)
        close(sums(images, back), components_of(gx, len(w))[piece.clips, ..., piece.channels])

    parallel_for(work, pieces(gx, w, shape[3] // len(w)))
    return gx


def _scatter(g: Array, kernel: Array, window: Window, image: Array) -> None:
    """Add to `image` (H, N, W, C) what `g` (OH, N, OW, O) sends back through `kernel` (KH, KW, C, O)."""
    for meeting in meetings(window, image.shape[::2], g.shape[::2]):
        column = g[meeting.rows, :, meeting.column].reshape(-1, g.shape[-1])
        taps = kernel[meeting.row, meeting.taps]
        place = image[meeting.pixels[0], :, meeting.pixels[1]]
        part = scratch("part", (taps.shape[0], len(column), taps.shape[1]), g.dtype)
        np.matmul(column, taps.swapaxes(-1, -2), out=part)
        np.add(place, part.reshape(len(part), *place.shape[:2], -1).transpose(1, 2, 0, 3), out=place)


def weight_gradient(x: Array, g: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return g ⊗ x* summed over pixels, of the shape `kernel` = (P, KH, KW, C, O)."""
    window = Window((kernel[1], kernel[2]), stride, padding)
    cut = pieces(x, np.empty(kernel, x.dtype), kernel[4])
    starts = sorted({piece.clips.start for piece in cut})
    gw = np.zeros((max(1, len(starts)), *kernel), x.dtype)  # one for each slice of the clips

    def work(piece: Piece) -> None:
        images = _kept(planes(components_of(x, kernel[0])[piece.clips], component_transforms.right_transform(kernel[0], conjugate=True)))
        cotangents = planes(components_of(g, kernel[0])[piece.clips, ..., piece.channels], component_transforms.left_transform(kernel[0]))
        m = scratch("products", (len(images), *kernel[1:4], cotangents.shape[-1]), x.dtype)
        for image, cotangent, product in zip(images, cotangents, m, strict=True):
            _products_of_taps(image, cotangent, window, product)
        np.copyto(gw[starts.index(piece.clips.start), ..., piece.channels], sums(m, component_transforms.output_transform(kernel[0])))

    parallel_for(work, cut)
    return gw[0] if len(gw) == 1 else gw.sum(axis=0)


def _kept(planes: Array) -> Array:
    """Move operands out of the way of the next ones."""
    kept = scratch("patches", planes.shape, planes.dtype)
    np.copyto(kept, planes)
    return kept


def _products_of_taps(image: Array, g: Array, window: Window, out: Array) -> None:
    """Write the gradient of a kernel (KH, KW, C, O) for `image` (H, N, W, C) and `g` (OH, N, OW, O), tap by tap."""
    for i, j in np.ndindex(*out.shape[:2]):
        (down, right), (above, left) = window.stride, window.padding
        rows, met_rows = _met(i, image.shape[0], g.shape[0], down, above)
        columns, met_columns = _met(j, image.shape[2], g.shape[2], right, left)
        met = image[met_rows, :, met_columns].reshape(-1, image.shape[-1])
        np.matmul(met.T, g[rows, :, columns].reshape(-1, g.shape[-1]), out=out[i, j])


def _met(tap: int, size: int, output: int, step: int, zeros: int) -> tuple[slice, slice]:
    """Return which outputs a tap reaches inside of the image, and the pixels that it meets there."""
    first = tap - zeros
    start, stop = -(-max(0, -first) // step), min(output, (size - 1 - first) // step + 1)
    if start >= stop:
        return slice(0), slice(0)
    return slice(start, stop), slice(start * step + first, (stop - 1) * step + first + 1, step)
