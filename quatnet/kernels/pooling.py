"""Pooling of images (N, H, W, C) over windows of `size` x `size` as kernels; `quatnet.ops.pooling` has the layers."""

from ..backend import Array, xp
from .load import ints, launch, over


def average(x: Array, size: int) -> Array:
    """Return the mean of each window: (N, H // size, W // size, C)."""
    return _pooled("average", x, size)


def maximum(x: Array, size: int) -> Array:
    """Return the largest entry of each window, nan where there is one."""
    return _pooled("maximum", x, size)


def average_gradient(g: Array, shape: tuple[int, ...], size: int) -> Array:
    """Return the gradient of `average` for images of `shape`: an equal share of g for each pixel of a window."""
    gx = xp.empty(shape, dtype=g.dtype)
    launch(("pooling", "average_gradient"), over(shape[0] * shape[1], shape[2] * shape[3]), g, gx, *_sizes(gx, size))
    return gx


def maximum_gradient(g: Array, x: Array, size: int) -> Array:
    """Return the gradient of `maximum`: g for the first of the largest entries of each window, 0 for all others."""
    images, height, width, channels = x.shape
    whole = height % size == 0 and width % size == 0
    gx = (xp.empty if whole else xp.zeros)(x.shape, dtype=x.dtype)
    place = over(images * (height // size), width // size * channels)
    launch(("pooling", "maximum_gradient"), place, g, x, gx, *_sizes(x, size))
    return gx


def _pooled(name: str, x: Array, size: int) -> Array:
    images, height, width, channels = x.shape
    y = xp.empty((images, height // size, width // size, channels), dtype=x.dtype)
    launch(("pooling", name), over(images * y.shape[1], y.shape[2] * channels), x, y, *_sizes(x, size))
    return y


def _sizes(x: Array, size: int) -> tuple:
    return ints(*x.shape, x.shape[1] // size, x.shape[2] // size, size)
