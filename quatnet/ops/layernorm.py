"""Layer normalization: each row by itself, so that nothing depends on the rest of the batch."""

from collections.abc import Sequence

from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ShapeError


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Return weight · (x - mean) / sqrt(variance + epsilon) + bias, with mean and variance of each row.

    `x` is (..., C); mean and variance are over its last axis, `weight` and `bias` are (C,). On quaternions the
    row is all four components of all channels: their common mean points along 1 + i + j + k, so there is no
    equivariance to a quaternion on the right. Raises ShapeError where the channels disagree.

    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, Layer normalization, 2016.
    """
    if not x.shape or not weight.shape == bias.shape == x.shape[-1:]:
        raise ShapeError(f"expected weight and bias of shape {x.shape[-1:]}, got {weight.shape} and {bias.shape}")
    a = x.data

    def backward(g: Array) -> Sequence[Array]:
        normal, inverse = _normal(a, eps)
        rows = tuple(range(g.ndim - 1))
        wanted = g * weight.data
        gx = inverse * (wanted - _mean(wanted) - normal * _mean(wanted * normal))
        return gx, (g * normal).sum(axis=rows), g.sum(axis=rows)

    return Tensor.from_op(_normal(a, eps)[0] * weight.data + bias.data, (x, weight, bias), backward)


def _normal(a: Array, eps: float) -> tuple[Array, Array]:
    """Rows of mean 0 and variance 1, and the factor 1 / sqrt(variance + epsilon) of each."""
    centered = a - _mean(a)
    inverse = 1 / xp.sqrt(_mean(centered**2) + a.dtype.type(eps))
    return centered * inverse, inverse


def _mean(a: Array) -> Array:
    return a.mean(axis=-1, keepdims=True)
