"""Ops that move numbers without changing them; the gradient moves them back."""

from collections.abc import Sequence

from ..backend import Array, xp
from ..errors import ShapeError
from ..tensor import Tensor


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return `x` with the same entries in another `shape`; one length may be -1."""
    before = x.shape
    return Tensor.from_op(x.data.reshape(shape), (x,), lambda g: (g.reshape(before),))


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Return `x` with its axes in the order `axes`, a permutation of all of them."""
    back = [list(axes).index(axis) for axis in range(len(axes))]
    return Tensor.from_op(x.data.transpose(axes), (x,), lambda g: (g.transpose(back),))


def getitem(x: Tensor, index: object) -> Tensor:
    """Return x[index]; an entry that is taken twice receives both gradients."""
    shape, dtype = x.shape, x.data.dtype

    def backward(g: Array) -> Sequence[Array]:
        gx = xp.zeros(shape, dtype=dtype)
        xp.add.at(gx, index, g)
        return (gx,)

    return Tensor.from_op(x.data[index], (x,), backward)


def concatenate(tensors: Sequence[Tensor], *, axis: int = -1) -> Tensor:
    """Return the tensors one after the other along `axis`; ShapeError where the other axes differ."""
    shapes = [list(tensor.shape) for tensor in tensors]
    rest = {tuple(shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]) for shape in shapes}
    if len(rest) != 1:
        raise ShapeError(f"expected shapes that agree except along axis {axis}, got {shapes}")
    ends = [sum(shape[axis] for shape in shapes[: i + 1]) for i in range(len(shapes) - 1)]

    def backward(g: Array) -> Sequence[Array]:
        return xp.split(g, ends, axis=axis)

    return Tensor.from_op(xp.concatenate([tensor.data for tensor in tensors], axis=axis), tensors, backward)
