"""Pooling of images (N, H, W, C) over windows of `size` x `size` as kernels; `quatnet.ops.pooling` has the ops."""

from ..backend import Array, xp
from .load import grid_2d, ints, launch


def average(x: Array, size: int) -> Array:
    """Return the mean of each window: (N, H // size, W // size, C)."""
    return _pool("average", x, size)


def maximum(x: Array, size: int) -> Array:
    """Return the largest entry of each window, nan for a window with a nan."""
    return _pool("maximum", x, size)


def average_gradient(grad: Array, shape: tuple[int, ...], size: int) -> Array:
    """Return the gradient of `average` for images of `shape`: grad / size² for each pixel of a window."""
    grad_x = xp.empty(shape, dtype=grad.dtype)
    grid = grid_2d(shape[0] * shape[1], shape[2] * shape[3])
    launch(("pooling", "average_gradient"), grid, grad, grad_x, *_sizes(grad_x, size))
    return grad_x


def maximum_gradient(grad: Array, x: Array, size: int) -> Array:
    """Return the gradient of `maximum`: grad for the first of the largest entries of each window, 0 for all others."""
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
