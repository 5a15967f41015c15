"""Differentiable reductions along axes. Every reduction raises ShapeError for an axis that does not exist."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral

from ..backend import Array, xp
from ..checks import as_array
from ..errors import ShapeError
from .arrays import accurate_sum
from .op import op
from .tensor import Axis, Tensor


@op
def sum(x: Tensor, *, axis: Axis = None) -> Tensor:
    """Return the sum of `x` over `axis`, by default over all axes."""
    shape, axes = x.shape, _normalize_axes(x, axis)

    def backward(grad: Array) -> Sequence[Array]:
        return (xp.broadcast_to(xp.expand_dims(grad, axes), shape),)

    return Tensor.from_op(accurate_sum(as_array(x.data), axes), (x,), backward)


@op
def mean(x: Tensor, *, axis: Axis = None) -> Tensor:
    """Return the mean of `x` over `axis`, by default over all axes. Raises ShapeError if `axis` has length 0."""
    count = math.prod(x.shape[a] for a in _normalize_axes(x, axis))
    if not count:
        raise ShapeError(f"expected at least one number to average: shape {x.shape} is empty along axis {axis}")
    return sum(x, axis=axis) * (1 / count)


@op
def max(x: Tensor, *, axis: int) -> Tensor:
    """Return the largest entry of `x` along one axis. Raises ShapeError if the axis has length 0.

    If several entries are equal to the maximum, the first of these entries receives the gradient.
    """
    axes = _normalize_axes(x, axis)
    if len(axes) != 1 or not x.shape[axes[0]]:
        raise ShapeError(f"expected one axis that is not empty, got axis={axis} for shape {x.shape}")
    (axis,) = axes
    a = x.data

    def backward(grad: Array) -> Sequence[Array]:
        grad_x, argmax = xp.zeros(a.shape, dtype=a.dtype), xp.expand_dims(a.argmax(axis=axis), axis)
        xp.put_along_axis(grad_x, argmax, xp.expand_dims(grad, axis), axis=axis)
        return (grad_x,)

    return Tensor.from_op(a.max(axis=axis), (x,), backward)


def _normalize_axes(x: Tensor, axis: Axis) -> tuple[int, ...]:
    """Return `axis` as a sorted tuple of nonnegative axes. Raises ShapeError if an axis is invalid or repeated."""
    ndim = len(x.shape)
    axes = tuple(range(ndim) if axis is None else axis if isinstance(axis, Iterable) else (axis,))
    nonnegative = {a % ndim for a in axes if isinstance(a, Integral) and -ndim <= a < ndim}
    if len(nonnegative) != len(axes):
        raise ShapeError(f"expected axes from {-ndim} to {ndim - 1} for shape {x.shape}, each once, got axis={axis}")
    return tuple(sorted(nonnegative))
