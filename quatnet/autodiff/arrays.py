"""Validation, conversion and broadcasting of the operands of an operation."""

from ..backend import Array, xp
from ..errors import ShapeError


def as_array(value: object) -> Array:
    """Return `value` as an array. Raises ShapeError unless `value` is a regular array of real numbers."""
    if type(value) in (bool, int, float):
        return xp.full((), value)  # `xp.asarray` would copy the number from the host to the GPU
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"expected an array of real numbers, with rows of equal length: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ShapeError(f"expected an array of real numbers, got {type(value).__name__} of dtype {array.dtype}")
    return array


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
