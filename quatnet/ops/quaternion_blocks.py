"""Quaternion kernels as real ones: sixteen real products instead of one of quaternions, and groups of blocks."""

from collections.abc import Callable, Sequence
from typing import Any

from ..autodiff import Tensor
from ..backend import Array
from ..conv import plain
from ..errors import ShapeError
from ..quaternion import left_matrix, left_matrix_adjoint


def check(x: Tensor, w: Tensor, groups: int) -> None:
    """Raise ShapeError unless `x` is (N, H, W, 4C) and `w` (4, KH, KW, C / groups, O), with O in equal groups."""
    if w.data.ndim != 5 or w.shape[0] != 4 or x.data.ndim != 4 or x.shape[-1] != 4 * groups * w.shape[3]:
        raise ShapeError(
            f"expected x (N, H, W, 4C) and w (4, KH, KW, C / groups, O), got {x.shape} and {w.shape} with groups "
            f"{groups}; real channels are four times the quaternion ones"
        )
    if groups < 1 or w.shape[4] % groups:
        raise ShapeError(f"expected filters in {groups} equal groups, got {w.shape[4]} of them: w {w.shape}")


def block_weight(w: Tensor) -> Tensor:
    """Expand a quaternion kernel to the real kernel (KH, KW, 4C, 4O) that does the same; see `convolve`."""

    def backward(g: Array) -> Sequence[Array]:
        return (left_matrix_adjoint(g, axis=0),)

    return close_blocks(Tensor.from_op(left_matrix(w.data, axis=0), (w,), backward))


def close_blocks(blocks: Tensor) -> Tensor:
    """Return 4x4 real blocks (4 out, 4 in, KH, KW, C, O) as one real kernel (KH, KW, 4C, 4O)."""

    def backward(g: Array) -> Sequence[Array]:
        return (plain.split_blocks(g),)

    return Tensor.from_op(plain.merge_blocks(blocks.data), (blocks,), backward)


def by_blocks(op: Callable[..., Tensor], x: Tensor, w: Tensor, groups: int, **options: Any) -> Tensor:
    """Return the real `op` of `x` and the real kernel `w`, whose last axes lie in blocks r|i|j|k.

    A real op takes the channels of a group to be neighbors, so with groups the blocks move inside of them.
    """
    if groups == 1:
        return op(x, w, **options)
    y = op(exchange(x, 4, groups), exchange(w, 4, groups), groups=groups, **options)
    return exchange(y, groups, 4)


def exchange(x: Tensor, outer: int, inner: int) -> Tensor:
    """Let the two outer levels of the last axis change places: (..., outer inner C) -> (..., inner outer C)."""

    def backward(g: Array) -> Sequence[Array]:
        return (_exchanged(g, inner, outer),)

    return Tensor.from_op(_exchanged(x.data, outer, inner), (x,), backward)


def _exchanged(a: Array, outer: int, inner: int) -> Array:
    return a.reshape(*a.shape[:-1], outer, inner, a.shape[-1] // (outer * inner)).swapaxes(-3, -2).reshape(a.shape)
