"""Convolution and linear ops, real and quaternion, on the arithmetic of `convolve` and `convolve_rows`."""

from collections.abc import Sequence

from .. import convolve, convolve_eight, convolve_rows
from ..backend import Array
from ..errors import ShapeError
from ..quaternion import left_matrix, left_matrix_adjoint
from ..tensor import Tensor


def conv2d(x: Tensor, w: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Return the correlation of `x` (N, H, W, C) with `w` (KH, KW, C, O): (N, OH, OW, O).

    Raises ShapeError where channels, dtypes or sizes disagree.
    """
    a, b = x.data, w.data
    options = {"stride": stride, "padding": padding}

    def backward(g: Array) -> Sequence[Array | None]:
        gx = convolve_rows.conv2d_input_gradient(g, b, a.shape, **options) if x.requires_grad else None
        return gx, convolve_rows.conv2d_weight_gradient(a, g, b.shape[:2], **options)

    return Tensor.from_op(convolve_rows.conv2d(a, b, **options), (x, w), backward)


def quaternion_conv2d(x: Tensor, w: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Return the quaternion correlation y = Σ_taps w ⊗ x.

    `x` is (N, H, W, 4C), the last axis in four blocks r|i|j|k; `w` is (4, KH, KW, C, O), multiplied from the
    left; the result is (N, OH, OW, 4O). Narrow kernels take the sixteen products of the block matrix, wide ones
    eight (`convolve_eight`). Raises ShapeError where channels, dtypes or sizes disagree.
    """
    if w.data.ndim != 5 or w.shape[0] != 4 or x.data.ndim != 4 or x.shape[-1] != 4 * w.shape[3]:
        raise ShapeError(
            f"expected x (N, H, W, 4C) and w (4, KH, KW, C, O), got {x.shape} and {w.shape}; "
            "real channels are four times the quaternion ones"
        )
    if not convolve_eight.pays(w.data):
        return conv2d(x, block_weight(w), stride=stride, padding=padding)
    a, b = x.data, w.data
    options = {"stride": stride, "padding": padding}

    def backward(g: Array) -> Sequence[Array | None]:
        gx = convolve_eight.input_gradient(g, b, a.shape, **options) if x.requires_grad else None
        return gx, convolve_eight.weight_gradient(a, g, b.shape[1:3], **options)

    return Tensor.from_op(convolve_eight.conv2d(a, b, **options), (x, w), backward)


def block_weight(w: Tensor) -> Tensor:
    """Expand a quaternion kernel to the real kernel (KH, KW, 4C, 4O) that does the same; see `convolve`."""

    def backward(g: Array) -> Sequence[Array]:
        return (left_matrix_adjoint(convolve.blocks_of_weight(g), axis=0),)

    return Tensor.from_op(convolve.block_weight(w.data), (w,), backward)


def linear(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    """Return x @ w + bias for `x` (N, C), `w` (C, O), `bias` (O,)."""
    return x @ w + bias


def quaternion_linear(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    """Return w ⊗ x + bias for `x` (N, 4C) in blocks r|i|j|k, `w` (4, C, O), `bias` (4O,): (N, 4O)."""
    if w.data.ndim != 3 or w.shape[0] != 4 or x.data.ndim != 2 or x.shape[1] != 4 * w.shape[1]:
        raise ShapeError(f"expected x (N, 4C) and w (4, C, O), got {x.shape} and {w.shape}")
    _, channels, outputs = w.shape

    def backward(g: Array) -> Sequence[Array]:
        return (left_matrix_adjoint(g.reshape(4, channels, 4, outputs).transpose(2, 0, 1, 3), axis=0),)

    blocks = left_matrix(w.data, axis=0).transpose(1, 2, 0, 3)  # (4 in, C, 4 out, O)
    matrix = Tensor.from_op(blocks.reshape(4 * channels, 4 * outputs), (w,), backward)
    return linear(x, matrix, bias)
