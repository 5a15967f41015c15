"""Average and maximum pooling of images (N, H, W, C) as CUDA kernels, for the ops of `quatnet.ops.pooling`.

The windows have `size` x `size` pixels and do not overlap.
"""

from ..backend import Array, xp
from .load import Size, grid_2d, ints, launch


def average(x: Array, size: int) -> Array:
    """Return the mean of each window, (N, H // size, W // size, C)."""
    return _pool("average", x, size)


def maximum(x: Array, size: int) -> Array:
    """Return the maximum of each window, (N, H // size, W // size, C). A NaN propagates."""
    return _pool("maximum", x, size)


def average_gradient(grad: Array, shape: tuple[int, ...], size: int) -> Array:
    """Return the gradient of `average` for images of shape `shape`: grad / size² at each pixel of a window."""
    grad_x = _empty_gradient(shape, grad, size)
    launch(("pooling", "average_gradient"), _windows(shape, size), grad, grad_x, *_sizes(grad_x, size))
    return grad_x


def maximum_gradient(grad: Array, x: Array, size: int) -> Array:
    """Return the gradient of `maximum`: grad at the first maximum of each window, and 0 at the other entries."""
    grad_x = _empty_gradient(x.shape, x, size)
    launch(("pooling", "maximum_gradient"), _windows(x.shape, size), grad, x, grad_x, *_sizes(x, size))
    return grad_x


def _empty_gradient(shape: tuple[int, ...], like: Array, size: int) -> Array:
    """Return an array for a gradient, initialized with 0 if the windows do not cover the images."""
    covered = shape[1] % size == 0 and shape[2] % size == 0
    return (xp.empty if covered else xp.zeros)(shape, dtype=like.dtype)


def _windows(shape: tuple[int, ...], size: int) -> tuple[Size, Size]:
    """Return grid and block size for one thread per window and channel."""
    return grid_2d(shape[0] * (shape[1] // size), shape[2] // size * shape[3])


def _pool(name: str, x: Array, size: int) -> Array:
    images, height, width, channels = x.shape
    y = xp.empty((images, height // size, width // size, channels), dtype=x.dtype)
    launch(("pooling", name), _windows(x.shape, size), x, y, *_sizes(x, size))
    return y


def _sizes(x: Array, size: int) -> tuple:
    return ints(*x.shape, x.shape[1] // size, x.shape[2] // size, size)
