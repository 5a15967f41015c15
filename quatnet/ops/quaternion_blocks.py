"""Expansion of quaternion convolution kernels to real convolution kernels, and channel order for groups.

A real convolution with an expanded kernel computes 16 real products for each quaternion product.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..autodiff import Tensor
from ..autodiff.shape import reshape, transpose
from ..backend import Array
from ..checks import checked_count
from ..conv import plain
from ..errors import ShapeError
from ..quaternion import left_matrix, left_matrix_adjoint


def check_conv_shapes(x: Tensor, w: Tensor, groups: int) -> None:
    """Raise ShapeError unless `x` is (N, H, W, 4C), `w` is (4, KH, KW, C / groups, O), and `groups` divides O.

    Raises ShapeError also for different dtypes.
    """
    has_axes = x.data.ndim == 4 and w.data.ndim == 5 and w.shape[0] == 4
    if not has_axes or x.shape[-1] != 4 * checked_count("groups", groups) * w.shape[3]:
        raise ShapeError(
            f"expected x (N, H, W, 4C) and w (4, KH, KW, C / groups, O), got {x.shape} and {w.shape} with groups "
            f"{groups}; the number of real channels is four times the number of quaternion channels"
        )
    plain.check_filters(w.data, groups)
    plain.check_dtypes(x.data, w.data)


def block_weight(w: Tensor) -> Tensor:
    """Return the real convolution kernel (KH, KW, 4C, 4O) equivalent to the quaternion kernel `w` (4, KH, KW, C, O)."""

    def backward(grad: Array) -> Sequence[Array]:
        return (left_matrix_adjoint(grad, axis=0),)

    return merge_blocks(Tensor.from_op(left_matrix(w.data, axis=0), (w,), backward))


def merge_blocks(blocks: Tensor) -> Tensor:
    """Return a real convolution kernel (KH, KW, 4C, 4O) that consists of 4x4 `blocks` (4, 4, KH, KW, C, O).

    The first two axes of `blocks` are the output component and the input component.
    """

    def backward(grad: Array) -> Sequence[Array]:
        return (plain.split_blocks(grad),)

    return Tensor.from_op(plain.merge_blocks(blocks.data), (blocks,), backward)


def apply_real_op(op: Callable[..., Tensor], x: Tensor, w: Tensor, groups: int, **options: Any) -> Tensor:
    """Return the real convolution `op` of `x` and a real convolution kernel `w`, with channels in blocks r|i|j|k.

    A real op needs contiguous channels in each group. With groups, the channels are therefore reordered from components
    of groups to groups of components. The channels of the result are reordered back.
    """
    if groups == 1:
        return op(x, w, **options)
    y = op(transpose_channel_blocks(x, 4, groups), transpose_channel_blocks(w, 4, groups), groups=groups, **options)
    return transpose_channel_blocks(y, groups, 4)


def transpose_channel_blocks(x: Tensor, outer: int, inner: int) -> Tensor:
    """Return `x` with the last axis reordered from (outer, inner, C) to (inner, outer, C), flattened."""
    *axes, n = range(x.ndim + 2)
    split = reshape(x, (*x.shape[:-1], outer, inner, x.shape[-1] // (outer * inner)))
    return reshape(transpose(split, (*axes[:-2], axes[-1], axes[-2], n)), x.shape)
