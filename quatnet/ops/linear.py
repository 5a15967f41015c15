"""Linear ops, real and quaternion: a matrix product and, where wanted, a bias."""

from collections.abc import Sequence

from ..backend import Array
from ..errors import ShapeError
from ..quaternion import left_matrix, left_matrix_adjoint
from ..tensor import Tensor


def linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ w + bias for `x` (N, C), `w` (C, O), `bias` (O,) or None."""
    return x @ w if bias is None else x @ w + bias


def quaternion_linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return w ⊗ x + bias for `x` (N, 4C) in blocks r|i|j|k, `w` (4, C, O), `bias` (4O,) or None: (N, 4O).

    Without bias (x ⊗ q) goes to (w ⊗ x) ⊗ q, for any constant quaternion q. Raises ShapeError for other shapes.
    """
    if w.data.ndim != 3 or w.shape[0] != 4 or x.data.ndim != 2 or x.shape[1] != 4 * w.shape[1]:
        raise ShapeError(f"expected x (N, 4C) and w (4, C, O), got {x.shape} and {w.shape}")
    _, channels, outputs = w.shape

    def backward(g: Array) -> Sequence[Array]:
        return (left_matrix_adjoint(g.reshape(4, channels, 4, outputs).transpose(2, 0, 1, 3), axis=0),)

    blocks = left_matrix(w.data, axis=0).transpose(1, 2, 0, 3)  # (4 in, C, 4 out, O)
    matrix = Tensor.from_op(blocks.reshape(4 * channels, 4 * outputs), (w,), backward)
    return linear(x, matrix, bias)
