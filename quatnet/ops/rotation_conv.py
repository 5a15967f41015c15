"""Convolution by rotations (spinors): each weight turns its input in space instead of multiplying it from the left."""

from collections.abc import Sequence

from ..autodiff import Tensor
from ..autodiff.reduce import sum
from ..backend import Array, xp
from ..conv.im2col import Pair
from ..errors import ShapeError
from ..quaternion import conjugate, left_matrix, left_matrix_adjoint, right_matrix
from .conv import conv2d
from .quaternion_blocks import by_blocks, check, close_blocks


def quaternion_rotation_conv2d(
    x: Tensor,
    w: Tensor,
    scale: Tensor,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return y = Σ_taps s (w ⊗ x ⊗ w*) / |w|²: every weight turns its input in space and scales it by s.

    `x` is (N, H, W, 4C), `w` (4, KH, KW, C/G, O), `scale` s (KH, KW, C/G, O). Rotations are not linear in w, and
    a quaternion on the right does not go through. Instead:

    - the real part of y is the real convolution of the real part of x with s, whatever w is;
    - the imaginary parts of y come from those of x alone, and one tap alone keeps lengths: |y| = |s| |x|;
    - only the direction of w counts, not its length or sign, so the gradient for w is orthogonal to w;
    - turning the input is turning the weights: a constant p with p ⊗ x ⊗ p* / |p|² for x is w ⊗ p for w.

    Without s every tap would weigh the same; without the division s would be |w|², never negative. A weight of 0
    has no direction: nan. Raises ShapeError where channels, groups, dtypes or sizes disagree.

    Source: X. Zhu and others, Quaternion convolutional neural networks, 2018 (there s = |w|); T. Parcollet and
    others, SpeechBrain, 2021 (a trained s; there the real part is set to 0, here it is kept).
    """
    check(x, w, groups)
    if scale.shape != w.shape[1:] or scale.data.dtype != w.data.dtype:
        raise ShapeError(
            f"expected one {w.data.dtype} scale for each weight, {w.shape[1:]}, got {scale.data.dtype} {scale.shape}"
        )
    rotations = close_blocks(rotation_blocks(w) * (scale / sum(w * w, axis=0)))
    return by_blocks(conv2d, x, rotations, groups, stride=stride, padding=padding, dilation=dilation)


def rotation_blocks(w: Tensor) -> Tensor:
    """Return the matrices M of x -> w ⊗ x ⊗ w*, M = L(w) R(w*): (4, ...) -> (4 out, 4 in, ...).

    The gradient is that of a product, and R comes back to L: conjugation K turns factors around,
    (w ⊗ x)* = x* ⊗ w*, so that R(w*) = K L(w) K.
    """
    a = xp.moveaxis(w.data, 0, -1)
    left, right = left_matrix(a), right_matrix(conjugate(a))

    def backward(g: Array) -> Sequence[Array]:
        g = xp.moveaxis(g, (0, 1), (-2, -1))
        g_left, g_right = g @ right.swapaxes(-2, -1), left.swapaxes(-2, -1) @ g
        g_left = g_left + conjugate(conjugate(g_right, axis=-2), axis=-1)
        return (xp.moveaxis(left_matrix_adjoint(g_left), -1, 0),)

    return Tensor.from_op(xp.moveaxis(left @ right, (-2, -1), (0, 1)), (w,), backward)
