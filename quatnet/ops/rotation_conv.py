"""Quaternion convolution by kernel: each weight rotates its input instead of multiplying it from the left."""

from collections.abc import Sequence

from ..autodiff import Tensor
from ..autodiff.reduce import sum
from ..backend import Array, xp
from ..conv.im2col import Pair
from ..errors import ShapeError
from ..quaternion import conjugate, left_matrix, left_matrix_adjoint, right_matrix
from .conv import conv2d
from .quaternion_blocks import apply_real_op, check, merge_blocks


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
    """Return y = Σ_taps s (w ⊗ x ⊗ w*) / |w|²: each weight w rotates its input, and s scales it.

    `x` is (N, H, W, 4C), `w` (4, KH, KW, C/G, O), `scale` s (KH, KW, C/G, O). The op is not linear in w, and not
    equivariant to multiplication by a quaternion on the right. It has these properties:

    - The real part of y is the real convolution of the real part of x with s, and does not depend on w.
    - The imaginary parts of y depend on the imaginary parts of x only. For a single tap, |y| = |s| |x|.
    - Norm and sign of w have no effect, so the gradient of w is orthogonal to w.
    - Rotating the input is rotating the weights: p ⊗ x ⊗ p* / |p|² for x equals w ⊗ p for w.

    Without s, all taps would have the same magnitude. Without the division, s would be |w|² and never negative. A
    weight of 0 gives nan. Raises ShapeError if channels, groups, dtypes or sizes do not fit.

    Source: X. Zhu and others, Quaternion convolutional neural networks, 2018 (there s = |w|); T. Parcollet and
    others, SpeechBrain, 2021 (a trained s; there the real part is set to 0, here it is kept).
    """
    check(x, w, groups)
    if scale.shape != w.shape[1:] or scale.data.dtype != w.data.dtype:
        raise ShapeError(
            f"expected a scale of dtype {w.data.dtype} and shape {w.shape[1:]}, got {scale.data.dtype} {scale.shape}"
        )
    kernel = merge_blocks(rotation_matrices(w) * (scale / sum(w * w, axis=0)))
    return apply_real_op(conv2d, x, kernel, groups, stride=stride, padding=padding, dilation=dilation)


def rotation_matrices(w: Tensor) -> Tensor:
    """Return the matrices M = L(w) R(w*) of x -> w ⊗ x ⊗ w*: (4, ...) -> (4 out, 4 in, ...).

    The gradient follows from the product rule. Since (w ⊗ x)* = x* ⊗ w*, R(w*) = K L(w) K with the matrix K of
    conjugation, so the gradient of R is expressed by the adjoint of L.
    """
    a = xp.moveaxis(w.data, 0, -1)
    left, right = left_matrix(a), right_matrix(conjugate(a))

    def backward(grad: Array) -> Sequence[Array]:
        grad = xp.moveaxis(grad, (0, 1), (-2, -1))
        grad_left, grad_right = grad @ right.swapaxes(-2, -1), left.swapaxes(-2, -1) @ grad
        grad_left = grad_left + conjugate(conjugate(grad_right, axis=-2), axis=-1)
        return (xp.moveaxis(left_matrix_adjoint(grad_left), -1, 0),)

    return Tensor.from_op(xp.moveaxis(left @ right, (-2, -1), (0, 1)), (w,), backward)
