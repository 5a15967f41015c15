"""Layer normalization over the last axis."""

from collections.abc import Sequence

from ..autodiff import Tensor, op
from ..autodiff.arrays import accurate_sum
from ..backend import Array, xp
from ..checks import checked_number
from ..errors import ShapeError


@op
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Return weight · (x - mean) / sqrt(variance + eps) + bias, with mean and variance over the last axis.

    `x` is (..., C), `weight` and `bias` are (C,). For quaternion channels, the mean is over the four components of all
    channels, so a multiple of 1 + i + j + k is subtracted from each quaternion. Therefore the op does not commute with
    right multiplication by a quaternion. Raises ShapeError if the numbers of channels differ.

    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, Layer normalization, 2016.
    """
    if not x.shape or not weight.shape == bias.shape == x.shape[-1:]:
        raise ShapeError(f"expected weight and bias of shape {x.shape[-1:]}, got {weight.shape} and {bias.shape}")
    a, scale, eps = x.data, weight.data, checked_number("eps", eps, "[0, inf)")

    def backward(grad: Array) -> Sequence[Array]:
        normalized, inv_std = _normalize(a, eps)
        rows = tuple(range(grad.ndim - 1))
        grad_normal = grad * scale
        grad_x = inv_std * (grad_normal - _mean(grad_normal) - normalized * _mean(grad_normal * normalized))
        return grad_x, accurate_sum(grad * normalized, rows), accurate_sum(grad, rows)

    return Tensor.from_op(_normalize(a, eps)[0] * scale + bias.data, (x, weight, bias), backward)


def _normalize(a: Array, eps: float) -> tuple[Array, Array]:
    """Return `a` with mean 0 and variance 1 along the last axis, and the factor 1 / sqrt(variance + eps)."""
    centered = a - _mean(a)
    inv_std = 1 / xp.sqrt(_mean(centered**2) + a.dtype.type(eps))
    return centered * inv_std, inv_std


def _mean(a: Array) -> Array:
    return a.mean(axis=-1, keepdims=True)
