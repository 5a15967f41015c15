"""Real convolution and its two gradients by the fastest algorithm, with the interface of `quatnet.conv.plain`.

On a GPU, the functions use `conv.gpu`. On a CPU, they use `fast.algorithms` for one group after the other. CuPy arrays
that the CUDA kernels do not support are computed by `plain`, and so are groups on a CPU whose products would be small.
"""

import math
from collections.abc import Callable
from typing import Any

from .. import kernels
from ..backend import Array, on_gpu, xp
from ..threads import parallel_map
from . import gpu, plain
from .fast import algorithms
from .im2col import Pair, Shape, Size, pair

MAX_GROUP_PATCHES = 1 << 16  # largest number of entries of the patches of a group for `plain`, docs/decisions/0031


def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1) -> Array:
    """Return the result of `plain.conv2d`, and raise the errors of `plain.conv2d`."""
    size = plain.check_shapes(x, w, stride, padding, dilation, groups)
    options = pair(stride), pair(padding), pair(dilation)
    if kernels.supports(x, w):
        return gpu.convolve(x, w[None], *options, groups)
    if on_gpu() or _has_small_products((len(x), *size), w.shape[:3], groups):
        named: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return xp.concatenate(_for_each_image(lambda images: plain.conv2d(x[images], w, **named), len(x)))
    return _for_each_group(lambda x, w: algorithms.convolve(x, w[None], *options), x, w, groups)


def conv2d_input_gradient(
    grad: Array, w: Array, shape: Shape, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the result of `plain.conv2d_input_gradient`."""
    options, part = (pair(stride), pair(padding), pair(dilation)), (*shape[:3], shape[3] // groups)
    if kernels.supports(grad, w):
        return gpu.input_gradient(grad, w[None], shape, *options, groups)
    if on_gpu() or _has_small_products(grad.shape[:3], w.shape[:3], groups):
        named: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

        def gradient(images: slice) -> Array:
            return plain.conv2d_input_gradient(grad[images], w, (len(grad[images]), *shape[1:]), **named)

        return xp.concatenate(_for_each_image(gradient, len(grad)))
    return _for_each_group(lambda grad, w: algorithms.input_gradient(grad, w[None], part, *options), grad, w, groups)


def conv2d_weight_gradient(
    x: Array, grad: Array, kernel: Size, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Return the result of `plain.conv2d_weight_gradient`. The images are summed in a fixed order."""
    options, shape = (pair(stride), pair(padding), pair(dilation)), (1, *kernel, x.shape[-1] // groups, grad.shape[-1])
    if kernels.supports(x, grad):
        return gpu.weight_gradient(x, grad, shape, *options, groups)[0]
    if on_gpu() or _has_small_products(grad.shape[:3], shape[1:4], groups):
        named: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

        def gradient(images: slice) -> Array:
            return plain.conv2d_weight_gradient(x[images], grad[images], kernel, **named)

        return sum(_for_each_image(gradient, len(x)))
    part = (*shape[:4], shape[4] // groups)
    return _for_each_group(lambda x, grad: algorithms.weight_gradient(x, grad, part, *options)[0], x, grad, groups)


def _has_small_products(outputs: Shape, kernel: Shape, groups: int) -> bool:
    """Return whether groups are faster together, for `outputs` (N, OH, OW) and a `kernel` (KH, KW, C/G)."""
    return groups > 1 and (kernel[2] == 1 or math.prod((*outputs, *kernel)) <= MAX_GROUP_PATCHES)


def _for_each_image(function: Callable[[slice], Array], batch: int) -> list[Array]:
    """Return the results for slices of the batch: one image, because patches need much memory, or all on a GPU."""
    size = max(1, batch) if on_gpu() else 1
    return list(parallel_map(function, [slice(n, n + size) for n in range(0, max(1, batch), size)]))


def _for_each_group(function: Callable[[Array, Array], Array], a: Array, b: Array, groups: int) -> Array:
    """Split the last axes of `a` and `b` into groups, apply `function` to each group, and concatenate the results."""
    if groups == 1:
        return function(a, b)
    pairs = zip(xp.split(a, groups, axis=-1), xp.split(b, groups, axis=-1), strict=True)
    return xp.concatenate([function(xp.ascontiguousarray(x), xp.ascontiguousarray(y)) for x, y in pairs], axis=-1)
