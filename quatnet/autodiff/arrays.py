"""What an operation asks of its arrays: real numbers, of shapes that fit; and how broadcasting is undone."""

from ..backend import Array, xp
from ..errors import ShapeError


def as_array(value: object) -> Array:
    """Return `value` as an array. Raises ShapeError for what is not real numbers in a rectangle."""
    if type(value) in (bool, int, float):
        return xp.full((), value)  # written by the device itself, where an array would be copied to it
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"expected real numbers in a rectangle: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ShapeError(f"expected an array of real numbers, got {type(value).__name__} of dtype {array.dtype}")
    return array


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise ShapeError unless the shapes `a` and `b`, aligned at their ends, agree or have length 1."""
    if any(m != n and 1 not in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False)):
        raise ShapeError(f"shapes {a} and {b} do not fit together: from the end, lengths must be equal or 1")


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: an entry that was used several times receives the sum of its gradients."""
    if g.shape == shape:
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1 and g.shape[axis] != 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g
