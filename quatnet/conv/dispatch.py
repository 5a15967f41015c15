"""Real convolution and its two gradients by the fastest algorithm, with the interface of `quatnet.conv.plain`.

On a GPU, the functions use `conv.gpu`. On a CPU, convolutions with dilation 1 use `fast.algorithms` for one group after
the other. Convolutions with another dilation use `plain` for a few images at a time, so that the patches need less
memory. For a kernel of KH x KW pixels, the patches take KH·KW times the memory of the images.
"""

from collections.abc import Callable

from .. import kernels
from ..backend import Array, on_gpu, xp
from ..threads import chunk_slices, parallel_for, parallel_map
from . import gpu, plain
from .fast import algorithms
from .im2col import Pair, Shape, Size, pair


def fast_options(stride: Pair, padding: Pair, dilation: Pair) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return stride and padding as pairs, or None if `fast.algorithms` does not support the options."""
    return (pair(stride), pair(padding)) if pair(dilation) == (1, 1) and not on_gpu() else None


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return the result of `plain.conv2d`, and raise the errors of `plain.conv2d`."""
    oh, ow = plain.check_shapes(x, w, stride, padding, dilation, groups)
    if kernels.supports(x, w):
        return gpu.convolve(x, w[None], pair(stride), pair(padding), pair(dilation), groups)
    fast = fast_options(stride, padding, dilation)
    if fast is not None:
        return _for_each_group(lambda x, w: algorithms.convolve(x, w[None], *fast), x, w, groups)
    y = xp.empty((len(x), oh, ow, w.shape[-1]), dtype=x.dtype)

    def work(images: slice) -> None:
        y[images] = plain.conv2d(x[images], w, stride=stride, padding=padding, dilation=dilation, groups=groups)

    parallel_for(work, _batch_slices(x, y, w.shape[:2]))
    return y


def conv2d_input_gradient(
    grad: Array, w: Array, shape: Shape, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the result of `plain.conv2d_input_gradient`."""
    if kernels.supports(grad, w):
        return gpu.input_gradient(grad, w[None], shape, pair(stride), pair(padding), pair(dilation), groups)
    fast = fast_options(stride, padding, dilation)
    if fast is not None:
        part = (*shape[:3], shape[3] // groups)
        return _for_each_group(lambda grad, w: algorithms.input_gradient(grad, w[None], part, *fast), grad, w, groups)
    grad_x = xp.empty(shape, dtype=grad.dtype)

    def work(images: slice) -> None:
        part = grad_x[images].shape
        grad_x[images] = plain.conv2d_input_gradient(
            grad[images], w, part, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    parallel_for(work, _batch_slices(grad_x, grad, w.shape[:2]))
    return grad_x


def conv2d_weight_gradient(
    x: Array, grad: Array, kernel: Size, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the result of `plain.conv2d_weight_gradient`. The images are summed in a fixed order."""
    if kernels.supports(x, grad):
        size = (1, *kernel, x.shape[-1] // groups, grad.shape[-1])
        return gpu.weight_gradient(x, grad, size, pair(stride), pair(padding), pair(dilation), groups)[0]
    fast = fast_options(stride, padding, dilation)
    if fast is not None:
        shape = (1, *kernel, x.shape[-1] // groups, grad.shape[-1] // groups)
        return _for_each_group(lambda x, grad: algorithms.weight_gradient(x, grad, shape, *fast)[0], x, grad, groups)

    def work(images: slice) -> Array:
        return plain.conv2d_weight_gradient(
            x[images], grad[images], kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    grad_w = xp.zeros((*kernel, x.shape[-1] // groups, grad.shape[-1]), dtype=x.dtype)
    for part in parallel_map(work, _batch_slices(x, grad, kernel)):
        grad_w += part
    return grad_w


def _for_each_group(function: Callable[[Array, Array], Array], a: Array, b: Array, groups: int) -> Array:
    """Split the last axes of `a` and `b` into groups, apply `function` to each group, and concatenate the results."""
    if groups == 1:
        return function(a, b)
    pairs = zip(xp.split(a, groups, axis=-1), xp.split(b, groups, axis=-1), strict=True)
    return xp.concatenate([function(xp.ascontiguousarray(x), xp.ascontiguousarray(y)) for x, y in pairs], axis=-1)


def _batch_slices(x: Array, y: Array, kernel: tuple[int, int]) -> list[slice]:
    """Return slices of the batch `x` (N, H, W, C) with small patches, for a `kernel` (KH, KW) and outputs `y`.

    The patches have KH·KW·C numbers per pixel of y.
    """
    patches = y.shape[1] * y.shape[2] * kernel[0] * kernel[1] * x.shape[-1] * x.itemsize
    return chunk_slices(len(x), patches)
