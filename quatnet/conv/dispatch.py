"""The three functions of `quatnet.conv.plain` with all their options, each by the best way there is.

On a GPU that is `conv.gpu`. On a CPU dilation 1 goes to `fast.algorithms`, one group after the other. The rest takes the
plain form, a few clips at a time: patches of a whole batch would be KH·KW times its size.
"""

from collections.abc import Callable

from .. import kernels
from ..backend import Array, on_gpu, xp
from ..threads import chunk_slices, parallel_for, parallel_map
from . import gpu, plain
from .fast import algorithms
from .im2col import Pair, pair


def fast_options(stride: Pair, padding: Pair, dilation: Pair) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return stride and padding as pairs for `fast.algorithms`, or None for what it does not do."""
    return (pair(stride), pair(padding)) if pair(dilation) == (1, 1) and not on_gpu() else None


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return what `plain.conv2d` returns, and raise what it raises."""
    oh, ow = plain.check(x, w, stride, padding, dilation, groups)
    if kernels.supports(x, w):
        return gpu.convolve(x, w[None], pair(stride), pair(padding), pair(dilation), groups)
    fast = fast_options(stride, padding, dilation)
    if fast is not None:
        return _each_group(lambda x, w: algorithms.convolve(x, w[None], *fast), x, w, groups)
    y = xp.empty((len(x), oh, ow, w.shape[-1]), dtype=x.dtype)

    def work(clips: slice) -> None:
        y[clips] = plain.conv2d(x[clips], w, stride=stride, padding=padding, dilation=dilation, groups=groups)

    parallel_for(work, _clips(x, y, w.shape[:2]))
    return y


def conv2d_input_gradient(
    g: Array,
    w: Array,
    shape: tuple[int, int, int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Return what `plain.conv2d_input_gradient` returns."""
    if kernels.supports(g, w):
        return gpu.input_gradient(g, w[None], shape, pair(stride), pair(padding), pair(dilation), groups)
    fast = fast_options(stride, padding, dilation)
    if fast is not None:
        part = (shape[0], shape[1], shape[2], shape[3] // groups)
        return _each_group(lambda g, w: algorithms.input_gradient(g, w[None], part, *fast), g, w, groups)
    gx = xp.empty(shape, dtype=g.dtype)

    def work(clips: slice) -> None:
        piece = (len(gx[clips]), shape[1], shape[2], shape[3])
        gx[clips] = plain.conv2d_input_gradient(
            g[clips], w, piece, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    parallel_for(work, _clips(gx, g, w.shape[:2]))
    return gx


def conv2d_weight_gradient(
    x: Array,
    g: Array,
    kernel: tuple[int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Return what `plain.conv2d_weight_gradient` returns; the sum runs in a fixed order."""
    if kernels.supports(x, g):
        size = (1, *kernel, x.shape[-1] // groups, g.shape[-1])
        return gpu.weight_gradient(x, g, size, pair(stride), pair(padding), pair(dilation), groups)[0]
    fast = fast_options(stride, padding, dilation)
    if fast is not None:
        shape = (1, *kernel, x.shape[-1] // groups, g.shape[-1] // groups)
        return _each_group(lambda x, g: algorithms.weight_gradient(x, g, shape, *fast)[0], x, g, groups)

    def work(clips: slice) -> Array:
        return plain.conv2d_weight_gradient(
            x[clips], g[clips], kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    gw = xp.zeros((*kernel, x.shape[-1] // groups, g.shape[-1]), dtype=x.dtype)
    for part in parallel_map(work, _clips(x, g, kernel)):
        gw += part
    return gw


def _each_group(function: Callable[[Array, Array], Array], a: Array, b: Array, groups: int) -> Array:
    """Apply the function to the last axes of `a` and `b` cut into groups, and join the results along theirs."""
    if groups == 1:
        return function(a, b)
    pairs = zip(xp.split(a, groups, axis=-1), xp.split(b, groups, axis=-1), strict=True)
    return xp.concatenate([function(xp.ascontiguousarray(x), xp.ascontiguousarray(y)) for x, y in pairs], axis=-1)


def _clips(x: Array, y: Array, kernel: tuple[int, int]) -> list[slice]:
    """Cut the batch so that the patches of a piece, a row of KH·KW·C for each pixel of y, stay small."""
    patches = y.shape[1] * y.shape[2] * kernel[0] * kernel[1] * x.shape[-1] * x.itemsize
    return chunk_slices(len(x), patches)
