"""Pooling over square windows that do not overlap; rows and columns left over at the end are dropped."""

from collections.abc import Iterator, Sequence

from .. import kernels
from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ShapeError
from ..quaternion import norm
from ..threads import chunk_slices, parallel_for
from .components import merge_components, split_components


def _corners(x: Array, kernel_size: int) -> Iterator[Array]:
    """The size² views of `x` that hold one entry of every window."""
    if kernel_size < 1:
        raise ShapeError(f"expected a window of at least 1 x 1, got kernel_size {kernel_size}")
    height, width = x.shape[1] // kernel_size * kernel_size, x.shape[2] // kernel_size * kernel_size
    if not height or not width:
        raise ShapeError(
            f"a window of {kernel_size} x {kernel_size} does not fit an image of {x.shape[1]} x {x.shape[2]}"
        )
    for i in range(kernel_size):
        for j in range(kernel_size):
            yield x[:, i:height:kernel_size, j:width:kernel_size]


def _image(x: Tensor) -> Array:
    if x.data.ndim != 4:
        raise ShapeError(f"expected images (N, H, W, C), got shape {x.shape}; a single one is x[None]")
    return x.data


def avg_pool2d(x: Tensor, *, kernel_size: int = 2) -> Tensor:
    """Return the mean over each window: (N, H, W, C) -> (N, H // kernel_size, W // kernel_size, C).

    Linear, so avg_pool2d(x ⊗ q) = avg_pool2d(x) ⊗ q for quaternion channels. Raises ShapeError where no
    window fits.
    """
    a = _image(x)
    next(_corners(a, kernel_size))  # raises where the window does not fit
    if kernels.supports(a):
        y = kernels.pooling.average(a, kernel_size)
        return Tensor.from_op(y, (x,), lambda g: (kernels.pooling.average_gradient(g, a.shape, kernel_size),))
    y = xp.empty((len(a), a.shape[1] // kernel_size, a.shape[2] // kernel_size, a.shape[3]), dtype=a.dtype)

    def forward(clips: slice) -> None:
        corners = _corners(a[clips], kernel_size)
        total = y[clips]
        total[...] = next(corners)
        for corner in corners:
            total += corner
        total *= 1 / kernel_size**2

    def backward(g: Array) -> Sequence[Array]:
        gx = xp.empty(a.shape, dtype=a.dtype)

        def work(clips: slice) -> None:
            share = g[clips] * a.dtype.type(1 / kernel_size**2)
            for corner in _corners(gx[clips], kernel_size):
                corner[...] = share
            gx[clips, kernel_size * y.shape[1] :] = 0  # what is left over
            gx[clips, :, kernel_size * y.shape[2] :] = 0

        parallel_for(work, chunk_slices(len(a), a[:1].nbytes))
        return (gx,)

    parallel_for(forward, chunk_slices(len(a), a[:1].nbytes))
    return Tensor.from_op(y, (x,), backward)


def max_pool2d(x: Tensor, *, kernel_size: int = 2) -> Tensor:
    """Return the largest entry of each window; the first of equals receives the gradient.

    On quaternions this is split: the four components of a result may come from four pixels, and nothing is said
    of max_pool2d(x ⊗ q). Raises ShapeError where no window fits.
    """
    a = _image(x)
    next(_corners(a, kernel_size))  # raises where the window does not fit
    if kernels.supports(a):
        y = kernels.pooling.maximum(a, kernel_size)
        return Tensor.from_op(y, (x,), lambda g: (kernels.pooling.maximum_gradient(g, a, kernel_size),))
    corners = xp.stack(list(_corners(a, kernel_size)))
    winner = corners.argmax(axis=0)

    def backward(g: Array) -> Sequence[Array]:
        gx = xp.zeros(a.shape, dtype=a.dtype)
        for number, corner in enumerate(_corners(gx, kernel_size)):
            corner[...] = g * (winner == number)
        return (gx,)

    return Tensor.from_op(corners.max(axis=0), (x,), backward)


def norm_max_pool2d(x: Tensor, *, kernel_size: int = 2) -> Tensor:
    """Return the quaternion of the largest norm of each window, whole; the first of equals.

    (N, H, W, 4C) in blocks r|i|j|k -> (N, H // kernel_size, W // kernel_size, 4C). Equivariant: |q ⊗ p| = |q| |p|, so
    the same pixel wins and norm_max_pool2d(x ⊗ p) = norm_max_pool2d(x) ⊗ p for every p. Raises ShapeError where no window fits,
    or unless there are 4C channels.

    Source: G. Altamirano, Geometric methods of perceptual organization for computer vision, 2017.
    """
    q = split_components(_image(x))
    corners = xp.stack(list(_corners(q, kernel_size)))  # (size², N, OH, OW, 4, C)
    winner = norm(corners, axis=-2).argmax(axis=0)[..., None, :]

    def backward(g: Array) -> Sequence[Array]:
        gq = xp.zeros(q.shape, dtype=q.dtype)
        for number, corner in enumerate(_corners(gq, kernel_size)):
            corner[...] = split_components(g) * (winner == number)
        return (merge_components(gq),)

    return Tensor.from_op(merge_components(xp.take_along_axis(corners, winner[None], axis=0)[0]), (x,), backward)
