"""Quaternion kernels expanded to real kernels (16 real products for one quaternion product), and groups of blocks."""

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
            f"{groups}; the number of real channels is four times the number of quaternion channels"
        )
    if groups < 1 or w.shape[4] % groups:
        raise ShapeError(f"expected a number of filters divisible by groups={groups}, got {w.shape[4]} in w {w.shape}")


def block_weight(w: Tensor) -> Tensor:
    """Return the real kernel (KH, KW, 4C, 4O) equivalent to the quaternion kernel `w` (4, KH, KW, C, O)."""

    def backward(grad: Array) -> Sequence[Array]:
        return (left_matrix_adjoint(grad, axis=0),)

    return merge_blocks(Tensor.from_op(left_matrix(w.data, axis=0), (w,), backward))


def merge_blocks(blocks: Tensor) -> Tensor:
    """Return 4x4 real blocks (4 out, 4 in, KH, KW, C, O) as one real kernel (KH, KW, 4C, 4O)."""

    def backward(grad: Array) -> Sequence[Array]:
        return (plain.split_blocks(grad),)

    return Tensor.from_op(plain.merge_blocks(blocks.data), (blocks,), backward)


def apply_real_op(op: Callable[..., Tensor], x: Tensor, w: Tensor, groups: int, **options: Any) -> Tensor:
    """Return the real `op` of `x` and a real kernel `w` whose last axes are in blocks r|i|j|k.

    A real op expects the channels of a group to be contiguous. With groups, the blocks are therefore moved inside the
    groups, and back in the result.
    """
    if groups == 1:
        return op(x, w, **options)
    y = op(swap_levels(x, 4, groups), swap_levels(w, 4, groups), groups=groups, **options)
    return swap_levels(y, groups, 4)


def swap_levels(x: Tensor, outer: int, inner: int) -> Tensor:
    """Swap the two outer levels of the last axis: (..., outer inner C) -> (..., inner outer C)."""

    def backward(grad: Array) -> Sequence[Array]:
        return (_swap(grad, inner, outer),)

    return Tensor.from_op(_swap(x.data, outer, inner), (x,), backward)


def _swap(a: Array, outer: int, inner: int) -> Array:
    return a.reshape(*a.shape[:-1], outer, inner, a.shape[-1] // (outer * inner)).swapaxes(-3, -2).reshape(a.shape)
