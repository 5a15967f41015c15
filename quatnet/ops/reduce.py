"""Ops that reduce along axes; the gradient spreads out again."""

from collections.abc import Sequence

from ..backend import Array, xp
from ..tensor import Tensor

Axis = int | tuple[int, ...] | None


def sum(x: Tensor, *, axis: Axis = None) -> Tensor:
    """Return the sum over `axis` (all of them by default); every entry receives the gradient of its sum."""
    shape = x.shape

    def backward(g: Array) -> Sequence[Array]:
        return (xp.broadcast_to(_reopen(g, shape, axis), shape),)

    return Tensor.from_op(x.data.sum(axis=axis), (x,), backward)


def mean(x: Tensor, *, axis: Axis = None) -> Tensor:
    """Return the mean over `axis` (all of them by default)."""
    total = sum(x, axis=axis)
    return total * (total.data.size / x.data.size)


def max(x: Tensor, *, axis: int) -> Tensor:
    """Return the largest entry along `axis`; the first of equals receives the gradient."""
    winner = xp.expand_dims(x.data.argmax(axis=axis), axis)
    shape, dtype = x.shape, x.data.dtype

    def backward(g: Array) -> Sequence[Array]:
        gx = xp.zeros(shape, dtype=dtype)
        xp.put_along_axis(gx, winner, xp.expand_dims(g, axis), axis=axis)
        return (gx,)

    return Tensor.from_op(xp.take_along_axis(x.data, winner, axis=axis).squeeze(axis), (x,), backward)


def _reopen(g: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """Put back, with length 1, the axes that the reduction removed."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = {a % len(shape) for a in axes}
    return g.reshape([1 if a in gone else length for a, length in enumerate(shape)])
