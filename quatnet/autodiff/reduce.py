"""Ops that reduce along axes; the gradient spreads out again. ShapeError for an axis that does not exist."""

import math
from collections.abc import Iterable, Sequence

from ..backend import Array, xp
from ..errors import ShapeError
from .tensor import Tensor

Axis = int | tuple[int, ...] | None


def sum(x: Tensor, *, axis: Axis = None) -> Tensor:
    """Return the sum over `axis` (all of them by default); every entry receives the gradient of its sum."""
    shape, axes = x.shape, _axes(x, axis)

    def backward(g: Array) -> Sequence[Array]:
        return (xp.broadcast_to(xp.expand_dims(g, axes), shape),)

    return Tensor.from_op(x.data.sum(axis=axes), (x,), backward)


def mean(x: Tensor, *, axis: Axis = None) -> Tensor:
    """Return the mean over `axis` (all of them by default); ShapeError where there is nothing to average."""
    count = math.prod(x.shape[a] for a in _axes(x, axis))
    if not count:
        raise ShapeError(f"the mean of no numbers: shape {x.shape} is empty along axis {axis}")
    return sum(x, axis=axis) * (1 / count)


def max(x: Tensor, *, axis: int) -> Tensor:
    """Return the largest entry along `axis`; the first of equals receives the gradient. ShapeError if it is empty."""
    axes = _axes(x, axis)
    if len(axes) != 1 or not x.shape[axes[0]]:
        raise ShapeError(f"expected one axis that is not empty, got axis={axis} of shape {x.shape}")
    winner = xp.expand_dims(x.data.argmax(axis=axis), axis)
    shape, dtype = x.shape, x.data.dtype

    def backward(g: Array) -> Sequence[Array]:
        gx = xp.zeros(shape, dtype=dtype)
        xp.put_along_axis(gx, winner, xp.expand_dims(g, axis), axis=axis)
        return (gx,)

    return Tensor.from_op(xp.take_along_axis(x.data, winner, axis=axis).squeeze(axis), (x,), backward)


def _axes(x: Tensor, axis: Axis) -> tuple[int, ...]:
    """The axes that `axis` means, each counted from the front."""
    ndim = len(x.shape)
    axes = tuple(range(ndim) if axis is None else axis if isinstance(axis, Iterable) else (axis,))
    front = {a % ndim for a in axes if -ndim <= a < ndim}
    if len(front) != len(axes):
        raise ShapeError(f"expected axes from {-ndim} to {ndim - 1} of shape {x.shape}, each once, got axis={axis}")
    return tuple(sorted(front))
