"""Broadcasting of the operands of an operation, and accurate sums."""

import numpy as np

from ..backend import Array
from ..errors import ShapeError


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise ShapeError unless the shapes `a` and `b` broadcast against each other."""
    if any(m != n and 1 not in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False)):
        raise ShapeError(
            f"shapes {a} and {b} do not broadcast: compared from the last axis, lengths must be equal or 1"
        )


def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """Return `grad` summed over its broadcast axes, which gives the gradient of an array of shape `shape`."""
    padded = (1,) * (grad.ndim - len(shape)) + shape
    axes = tuple(axis for axis, (n, m) in enumerate(zip(padded, grad.shape, strict=True)) if n != m)
    return (accurate_sum(grad, axes) if axes else grad).reshape(shape)


def accurate_sum(a: Array, axis: int | tuple[int, ...]) -> Array:
    """Return the sum of floating-point numbers over `axis` in their dtype.

    NumPy adds rows one by one. In float32, the sum of 10⁵ rows has then only three or four correct digits. The sum is
    therefore accumulated in float64.
    """
    return a.sum(axis=axis, dtype=np.promote_types(a.dtype, np.float64)).astype(a.dtype, copy=False)
