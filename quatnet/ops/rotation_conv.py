"""Quaternion rotation convolution, in which each weight rotates its input."""

from collections.abc import Sequence

from ..autodiff import Tensor, op
from ..autodiff.reduce import sum
from ..backend import Array, xp
from ..conv.im2col import Pair
from ..errors import ShapeError
from ..quaternion import conjugate, left_matrix, left_matrix_adjoint, right_matrix
from .conv import conv2d
from .quaternion_blocks import apply_real_op, check_conv_shapes, merge_blocks


@op
def quaternion_rotation_conv2d(
    x: Tensor, w: Tensor, scale: Tensor, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    """Return y = Σ s (w ⊗ x ⊗ w*) / |w|², summed over kernel taps and input channels.

    Each weight w rotates its input x, and the real factor s scales the result. `x` is (N, H, W, 4C), `w` is
    (4, KH, KW, C/G, O), and `scale` contains s, (KH, KW, C/G, O). The op is not linear in w. The op does not
    commute with right multiplication by a quaternion. The op has these properties:

    - The real part of y is the real convolution of the real part of x with s. The real part does not depend on w.
    - The imaginary parts of y depend only on the imaginary parts of x. If the sum has one term, |y| = |s| |x|.
    - Norm and sign of w have no effect, so the gradient of w is orthogonal to w.
    - For a constant quaternion p, the input p ⊗ x ⊗ p* / |p|² with the weights w gives the same result as the input x
      with the weights w ⊗ p.

    The factors s allow terms of different magnitude and sign. A weight of 0 gives NaN. Raises ShapeError if channels,
    groups, dtypes or sizes do not match.

    Source: X. Zhu and others, Quaternion convolutional neural networks, 2018, with s = |w|. T. Parcollet and others,
    SpeechBrain, 2021, with trained s and a real part of 0. Here the real part is kept.
    """
    check_conv_shapes(x, w, groups)
    if scale.shape != w.shape[1:] or scale.data.dtype != w.data.dtype:
        raise ShapeError(
            f"expected scale of dtype {w.data.dtype} and shape {w.shape[1:]}, got {scale.data.dtype} {scale.shape}"
        )
    _, exponent = xp.frexp(xp.abs(w.data).max(axis=0))
    w = w / xp.ldexp(xp.full_like(scale.data, 0.5), exponent)  # so that w * w neither overflows nor underflows
    kernel = merge_blocks(rotation_matrices(w) * (scale / sum(w * w, axis=0)))
    return apply_real_op(conv2d, x, kernel, groups, stride=stride, padding=padding, dilation=dilation)


def rotation_matrices(w: Tensor) -> Tensor:
    """Return the 4x4 matrices of x -> w ⊗ x ⊗ w*, (4, ...) -> (4, 4, ...). The first axis is the output component.

    The matrix is L(w) R(w*) with the matrices L of left multiplication and R of right multiplication. The gradient is
    computed by the product rule. Since (w ⊗ x)* = x* ⊗ w*, R(w*) = D L(w) D with the diagonal matrix D of conjugation.
    The gradient of R is therefore computed with the adjoint of L.
    """
    a = xp.moveaxis(w.data, 0, -1)
    left, right = left_matrix(a), right_matrix(conjugate(a))

    def backward(grad: Array) -> Sequence[Array]:
        grad = xp.moveaxis(grad, (0, 1), (-2, -1))
        grad_left, grad_right = grad @ right.swapaxes(-2, -1), left.swapaxes(-2, -1) @ grad
        grad_left = grad_left + conjugate(conjugate(grad_right, axis=-2), axis=-1)
        return (xp.moveaxis(left_matrix_adjoint(grad_left), -1, 0),)

    return Tensor.from_op(xp.moveaxis(left @ right, (-2, -1), (0, 1)), (w,), backward)
