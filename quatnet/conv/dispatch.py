"""Real convolution and its two gradients by the fastest algorithm, with the interface of `quatnet.conv.plain`.

On a GPU, the functions use `conv.gpu`. On a CPU, they use `fast.algorithms` for one group after the other. CuPy arrays
that the CUDA kernels do not support are computed by `plain`.
"""

from collections.abc import Callable

from .. import kernels
from ..backend import Array, on_gpu, xp
from . import gpu, plain
from .fast import algorithms
from .im2col import Pair, Shape, Size, pair


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return the result of `plain.conv2d`, and raise the errors of `plain.conv2d`."""
    plain.check_shapes(x, w, stride, padding, dilation, groups)
    options = pair(stride), pair(padding), pair(dilation)
    if kernels.supports(x, w):
        return gpu.convolve(x, w[None], *options, groups)
    if on_gpu():
        return plain.conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return _for_each_group(lambda x, w: algorithms.convolve(x, w[None], *options), x, w, groups)


def conv2d_input_gradient(
    grad: Array, w: Array, shape: Shape, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the result of `plain.conv2d_input_gradient`."""
    options, part = (pair(stride), pair(padding), pair(dilation)), (*shape[:3], shape[3] // groups)
    if kernels.supports(grad, w):
        return gpu.input_gradient(grad, w[None], shape, *options, groups)
    if on_gpu():
        return plain.conv2d_input_gradient(
            grad, w, shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
    return _for_each_group(lambda grad, w: algorithms.input_gradient(grad, w[None], part, *options), grad, w, groups)


def conv2d_weight_gradient(
    x: Array, grad: Array, kernel: Size, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the result of `plain.conv2d_weight_gradient`. The images are summed in a fixed order."""
    options, shape = (pair(stride), pair(padding), pair(dilation)), (1, *kernel, x.shape[-1] // groups, grad.shape[-1])
    if kernels.supports(x, grad):
        return gpu.weight_gradient(x, grad, shape, *options, groups)[0]
    if on_gpu():
        return plain.conv2d_weight_gradient(
            x, grad, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
    part = (*shape[:4], shape[4] // groups)
    return _for_each_group(lambda x, grad: algorithms.weight_gradient(x, grad, part, *options)[0], x, grad, groups)


def _for_each_group(function: Callable[[Array, Array], Array], a: Array, b: Array, groups: int) -> Array:
    """Split the last axes of `a` and `b` into groups, apply `function` to each group, and concatenate the results."""
    if groups == 1:
        return function(a, b)
    pairs = zip(xp.split(a, groups, axis=-1), xp.split(b, groups, axis=-1), strict=True)
    return xp.concatenate([function(xp.ascontiguousarray(x), xp.ascontiguousarray(y)) for x, y in pairs], axis=-1)
