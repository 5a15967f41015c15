"""Average and maximum pooling of images (N, H, W, C) as CUDA kernels, for the ops of `quatnet.ops.pooling`.

The windows have `size` x `size` pixels and do not overlap.
"""

from ..backend import Array, xp
from .load import grid_2d, ints, launch


def average(x: Array, size: int) -> Array:
    """Return the mean of each window, (N, H // size, W // size, C)."""
    return _pool("average", x, size)


def maximum(x: Array, size: int) -> Array:
    """Return the maximum of each window, (N, H // size, W // size, C). A nan propagates."""
    return _pool("maximum", x, size)


def average_gradient(grad: Array, shape: tuple[int, ...], size: int) -> Array:
    """Return the gradient of `average` for images of shape `shape`: grad / size² at each pixel of a window."""
    grad_x = xp.empty(shape, dtype=grad.dtype)
    grid = grid_2d(shape[0] * shape[1], shape[2] * shape[3])
    launch(("pooling", "average_gradient"), grid, grad, grad_x, *_sizes(grad_x, size))
    return grad_x


def maximum_gradient(grad: Array, x: Array, size: int) -> Array:
    """Return the gradient of `maximum`: grad at the first maximum of each window, and 0 at the other entries."""
    images, height, width, channels = x.shape
    covered = height % size == 0 and width % size == 0
    grad_x = (xp.empty if covered else xp.zeros)(x.shape, dtype=x.dtype)
    grid = grid_2d(images * (height // size), width // size * channels)
    launch(("pooling", "maximum_gradient"), grid, grad, x, grad_x, *_sizes(x, size))
    return grad_x


def _pool(name: str, x: Array, size: int) -> Array:
    images, height, width, channels = x.shape
    y = xp.empty((images, height // size, width // size, channels), dtype=x.dtype)
    launch(("pooling", name), grid_2d(images * y.shape[1], y.shape[2] * channels), x, y, *_sizes(x, size))
    return y


def _sizes(x: Array, size: int) -> tuple:
    return ints(*x.shape, x.shape[1] // size, x.shape[2] // size, size)
