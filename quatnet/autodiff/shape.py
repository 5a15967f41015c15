"""Differentiable reshaping, transposition, indexing and concatenation."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ..backend import Array, on_gpu, xp
from ..errors import ShapeError
from .op import op
from .tensor import Tensor


@op
def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return `x` reshaped to `shape`, where one length may be -1. Raises ShapeError if the sizes differ."""
    x_shape = x.shape
    try:
        y = x.data.reshape(shape)
    except (OverflowError, TypeError, ValueError):
        raise ShapeError(
            f"expected a shape of {x.data.size} entries for a tensor of shape {x_shape}, got shape {shape}"
        ) from None
    return Tensor.from_op(y, (x,), lambda grad: (grad.reshape(x_shape),))


@op
def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return `x` with its axes in the order `axes`. Raises ShapeError unless `axes` contains each axis once."""
    axes = axes if isinstance(axes, Sequence) else (axes,)
    if not all(_is_axis(axis) for axis in axes) or sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"expected each axis of shape {x.shape} once, from 0 to {len(x.shape) - 1}, got {axes}")
    inverse = [list(axes).index(axis) for axis in range(len(axes))]
    return Tensor.from_op(x.data.transpose(axes), (x,), lambda grad: (grad.transpose(inverse),))


@op
def getitem(x: Tensor, index: Any) -> Tensor:
    """Return x[index]. Raises ShapeError if `index` is invalid or out of bounds.

    The index may be a tensor of booleans, as in x[x > 0]. If `index` selects an entry several times, the gradient of
    this entry is the sum over the selections.
    """
    shape, dtype = x.shape, x.data.dtype
    index = index.data if isinstance(index, Tensor) else index
    try:
        if on_gpu() and not _is_on_device(index):  # CuPy does not raise for an array index that is out of bounds
            np.broadcast_to(np.empty((), dtype=bool), shape)[index]
        y = x.data[index]
    except (IndexError, OverflowError, TypeError, ValueError) as error:
        raise ShapeError(f"expected an index within shape {shape}: {str(error).splitlines()[0]}") from None

    def backward(grad: Array) -> Sequence[Array]:
        grad_x = xp.zeros(shape, dtype=dtype)
        xp.add.at(grad_x, index, grad)
        return (grad_x,)

    return Tensor.from_op(y, (x,), backward)


def _is_on_device(index: Any) -> bool:
    return any(isinstance(part, xp.ndarray) for part in (index if isinstance(index, tuple) else (index,)))


@op
def concatenate(tensors: Sequence[Tensor], *, axis: int = -1) -> Tensor:
    """Return the tensors concatenated along `axis`. Raises ShapeError if the lengths of other axes differ."""
    shapes = [tensor.shape for tensor in tensors]
    if len({_without_axis(shape, axis) for shape in shapes}) != 1:
        raise ShapeError(f"expected shapes that agree except along axis {axis}, got {shapes}")
    ends = [sum(shape[axis] for shape in shapes[: i + 1]) for i in range(len(shapes) - 1)]

    def backward(grad: Array) -> Sequence[Array]:
        return xp.split(grad, ends, axis=axis)

    return Tensor.from_op(xp.concatenate([tensor.data for tensor in tensors], axis=axis), tensors, backward)


def _is_axis(axis: Any) -> bool:
    return isinstance(axis, Integral) and not isinstance(axis, bool)


def _without_axis(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    if not _is_axis(axis) or not -len(shape) <= axis < len(shape):
        raise ShapeError(f"expected tensors with an axis {axis}, got shape {shape}")
    return shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]
