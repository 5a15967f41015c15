"""Pooling over square windows without overlap.

Rows and columns at the border that do not fill a window are dropped.
"""

from collections.abc import Iterator, Sequence

from .. import kernels
from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..checks import checked_count
from ..errors import ShapeError
from ..quaternion import norm
from ..threads import chunk_slices, parallel_for
from .activations import masked
from .components import merge_components, split_components


def _window_entries(x: Array, kernel_size: int) -> Iterator[Array]:
    """Yield kernel_size² views of `x`. Each view contains the entries at one position of all windows."""
    kernel_size = checked_count("kernel_size", kernel_size)
    height, width = x.shape[1] // kernel_size * kernel_size, x.shape[2] // kernel_size * kernel_size
    if not height or not width:
        raise ShapeError(f"a {kernel_size} x {kernel_size} window is larger than the {x.shape[1]} x {x.shape[2]} image")
    for i in range(kernel_size):
        for j in range(kernel_size):
            yield x[:, i:height:kernel_size, j:width:kernel_size]


def _images(x: Tensor) -> Array:
    if x.data.ndim != 4:
        raise ShapeError(f"expected images (N, H, W, C), got shape {x.shape}; pass x[None] for a single image")
    return x.data


@op
def avg_pool2d(x: Tensor, *, kernel_size: int = 2) -> Tensor:
    """Return the mean of each window: (N, H, W, C) -> (N, H // kernel_size, W // kernel_size, C).

    For quaternion channels and a constant quaternion q, avg_pool2d(x ⊗ q) = avg_pool2d(x) ⊗ q, because the op is
    linear. Raises ShapeError if the window is larger than the image.
    """
    a = _images(x)
    next(_window_entries(a, kernel_size))  # raises if the window is larger than the image
    if kernels.supports(a):
        y = kernels.pooling.average(a, kernel_size)
        return Tensor.from_op(y, (x,), lambda grad: (kernels.pooling.average_gradient(grad, a.shape, kernel_size),))
    y = xp.empty((len(a), a.shape[1] // kernel_size, a.shape[2] // kernel_size, a.shape[3]), dtype=a.dtype)
    chunks = chunk_slices(len(a), a[:1].nbytes)

    def backward(grad: Array) -> Sequence[Array]:
        grad_x = xp.empty(a.shape, dtype=a.dtype)
        parallel_for(lambda images: average_gradient(grad[images], kernel_size, grad_x[images]), chunks)
        return (grad_x,)

    parallel_for(lambda images: average(a[images], kernel_size, y[images]), chunks)
    return Tensor.from_op(y, (x,), backward)


def average(x: Array, kernel_size: int, out: Array) -> None:
    """Write the means of the windows of images `x` to `out`."""
    entries = _window_entries(x, kernel_size)
    out[...] = next(entries)
    for entry in entries:
        out += entry
    out *= 1 / kernel_size**2


def average_gradient(grad: Array, kernel_size: int, out: Array, mask: Array | None = None) -> None:
    """Write the input gradient of `average`, multiplied by `mask`, to `out`, for the upstream gradient `grad`."""
    rows = xp.repeat(grad * grad.dtype.type(1 / kernel_size**2), kernel_size, axis=2)
    height, width = kernel_size * grad.shape[1], rows.shape[2]
    if mask is not None:
        out[...] = mask  # faster than a product of floats and booleans
    for row in range(kernel_size):
        window_rows = out[:, row:height:kernel_size, :width]
        if mask is None:
            window_rows[...] = rows
        else:
            window_rows *= rows
    out[:, height:] = 0  # rows and columns outside all windows
    out[:, :, width:] = 0


@op
def max_pool2d(x: Tensor, *, kernel_size: int = 2) -> Tensor:
    """Return the maximum of each window: (N, H, W, C) -> (N, H // kernel_size, W // kernel_size, C).

    If several entries are equal to the maximum, the first of these entries receives the gradient. On quaternion
    channels, the op is componentwise, so the four components of a result may be those of four pixels. The op does
    not commute with right multiplication by a quaternion. Raises ShapeError if the window is larger than the image.
    """
    a = _images(x)
    next(_window_entries(a, kernel_size))  # raises if the window is larger than the image
    if kernels.supports(a):
        y = kernels.pooling.maximum(a, kernel_size)
        return Tensor.from_op(y, (x,), lambda grad: (kernels.pooling.maximum_gradient(grad, a, kernel_size),))
    entries = xp.stack(list(_window_entries(a, kernel_size)))
    argmax = entries.argmax(axis=0)

    def backward(grad: Array) -> Sequence[Array]:
        grad_x = xp.zeros(a.shape, dtype=a.dtype)
        for index, entry in enumerate(_window_entries(grad_x, kernel_size)):
            entry[...] = masked(grad, argmax == index)
        return (grad_x,)

    return Tensor.from_op(entries.max(axis=0), (x,), backward)


@op
def norm_max_pool2d(x: Tensor, *, kernel_size: int = 2) -> Tensor:
    """Return the quaternion with the largest norm in each window, the first if norms are equal.

    The result for `x` (N, H, W, 4C) in blocks r|i|j|k is (N, H // kernel_size, W // kernel_size, 4C). Since
    |q ⊗ p| = |q| |p|, the same pixels are selected for x and x ⊗ p with a constant quaternion p. Therefore
    norm_max_pool2d(x ⊗ p) = norm_max_pool2d(x) ⊗ p. Raises ShapeError if the window is larger than the image, or if the
    number of channels is not a multiple of 4.

    Source: G. Altamirano, Geometric methods of perceptual organization for computer vision, 2017.
    """
    q = split_components(_images(x))
    entries = xp.stack(list(_window_entries(q, kernel_size)))  # shape (kernel_size², N, OH, OW, 4, C)
    argmax = norm(entries, axis=-2).argmax(axis=0)[..., None, :]

    def backward(grad: Array) -> Sequence[Array]:
        grad_q = xp.zeros(q.shape, dtype=q.dtype)
        for index, entry in enumerate(_window_entries(grad_q, kernel_size)):
            entry[...] = masked(split_components(grad), argmax == index)
        return (merge_components(grad_q),)

    return Tensor.from_op(merge_components(xp.take_along_axis(entries, argmax[None], axis=0)[0]), (x,), backward)
