"""Broadcasting of the operands of an operation."""

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
    if grad.shape == shape:
        return grad
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    repeated = tuple(axis for axis, length in enumerate(shape) if length == 1 and grad.shape[axis] != 1)
    return grad.sum(axis=repeated, keepdims=True) if repeated else grad
