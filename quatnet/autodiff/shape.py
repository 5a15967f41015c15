"""Ops that move numbers without changing them; the gradient moves them back."""

from collections.abc import Sequence

from ..backend import Array, xp
from ..errors import ShapeError
from .tensor import Tensor


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return `x` with the same entries in another `shape`; one length may be -1. ShapeError where they do not fit."""
    before = x.shape
    try:
        y = x.data.reshape(shape)
    except (TypeError, ValueError):
        raise ShapeError(f"the {x.data.size} entries of shape {before} do not fit into shape {shape}") from None
    return Tensor.from_op(y, (x,), lambda g: (g.reshape(before),))


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return `x` with its axes in the order `axes`: each of them once, else ShapeError."""
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"expected each axis of shape {x.shape} once, 0 to {len(x.shape) - 1}, got {axes}")
    back = [list(axes).index(axis) for axis in range(len(axes))]
    return Tensor.from_op(x.data.transpose(axes), (x,), lambda g: (g.transpose(back),))


def getitem(x: Tensor, index: object) -> Tensor:
    """Return x[index]; an entry that is taken twice receives both gradients. ShapeError outside of `x`."""
    shape, dtype = x.shape, x.data.dtype
    try:
        y = x.data[index]
    except IndexError as error:
        raise ShapeError(f"index {index} does not fit shape {shape}: {error}") from None

    def backward(g: Array) -> Sequence[Array]:
        gx = xp.zeros(shape, dtype=dtype)
        xp.add.at(gx, index, g)
        return (gx,)

    return Tensor.from_op(y, (x,), backward)


def concatenate(tensors: Sequence[Tensor], *, axis: int = -1) -> Tensor:
    """Return the tensors one after the other along `axis`; ShapeError where the other axes differ."""
    shapes = [tensor.shape for tensor in tensors]
    if len({_without(shape, axis) for shape in shapes}) != 1:
        raise ShapeError(f"expected shapes that agree except along axis {axis}, got {shapes}")
    ends = [sum(shape[axis] for shape in shapes[: i + 1]) for i in range(len(shapes) - 1)]

    def backward(g: Array) -> Sequence[Array]:
        return xp.split(g, ends, axis=axis)

    return Tensor.from_op(xp.concatenate([tensor.data for tensor in tensors], axis=axis), tensors, backward)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"expected tensors with an axis {axis}, got shape {shape}")
    return shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]
