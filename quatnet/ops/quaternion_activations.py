"""Quaternion-wise ops: norm, modReLU and dropout of quaternions.

Multiplication by a unit quaternion on the right keeps |q| and commutes with these ops. It does not commute with the
componentwise ops of `activations`.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor
from ..backend import Array, xp
from ..errors import ShapeError
from ..quaternion import norm
from .batchnorm import dropout
from .components import merge_components, norm_and_direction, split_components


def quaternion_norm(x: Tensor) -> Tensor:
    """Return the norm |q| of every quaternion: (..., 4C) in blocks r|i|j|k -> (..., C) real.

    The gradient is q / |q|, and 0 where q = 0. |q ⊗ u| = |q| for a unit quaternion u. Raises ShapeError unless the
    channels are a multiple of 4.
    """
    q = split_components(x.data)

    def backward(grad: Array) -> Sequence[Array]:
        return (merge_components(norm_and_direction(q)[1] * grad[..., None, :]),)

    return Tensor.from_op(norm(q, axis=-2), (x,), backward)


def mod_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Return relu(|q| + b) q / |q|, which changes the norm and keeps the direction.

    `x` is (..., 4C) in blocks r|i|j|k, and `bias` (C,) has one b for each quaternion channel. Result and gradient are 0
    at q = 0. With the direction u = q / |q|, the result is q + b u if |q| + b > 0, and the gradient of q is
    grad + b / |q| (grad - <u, grad> u). mod_relu(x ⊗ u) = mod_relu(x) ⊗ u for a unit quaternion u. Raises ShapeError
    if the channels differ.

    Source: M. Arjovsky, A. Shah, Y. Bengio, Unitary evolution recurrent neural networks, 2016, for complex numbers.
    """
    q, b = split_components(x.data), bias.data
    if b.shape != q.shape[-1:]:
        raise ShapeError(f"expected one bias for each quaternion channel, shape {q.shape[-1:]}, got {b.shape}")

    def backward(grad: Array) -> Sequence[Array]:
        norm_q, direction = norm_and_direction(q)
        grad = xp.where(_is_zero(norm_q, b), 0, split_components(grad))
        radial = (direction * grad).sum(axis=-2, keepdims=True)
        tangential = b / xp.where(norm_q == 0, 1, norm_q) * (grad - radial * direction)
        return merge_components(grad + tangential), radial.reshape(-1, b.size).sum(axis=0)

    norm_q, direction = norm_and_direction(q)
    return Tensor.from_op(merge_components(xp.where(_is_zero(norm_q, b), 0, q + b * direction)), (x, bias), backward)


def _is_zero(norm_q: Array, bias: Array) -> Array:
    """Return whether the result is 0. A nan is not, so that it remains visible."""
    return (norm_q + bias <= 0) | (norm_q == 0)


def quaternion_dropout(x: Tensor, p: float, *, rng: np.random.Generator | None, train: bool) -> Tensor:
    """Set each quaternion to 0 with probability `p` and divide the others by 1 - p. Return `x` if `train` is false.

    The four components of a quaternion share one entry of the mask. For a fixed mask, f(x ⊗ q) = f(x) ⊗ q for every q.
    Raises ConfigError like `dropout`, ShapeError unless the channels are a multiple of 4.
    """
    ones = Tensor(xp.ones_like(split_components(x.data)[..., 0, :]))
    scaled = dropout(ones, p, rng=rng, train=train)
    if scaled is ones:
        return x
    mask = xp.tile(scaled.data, 4)
    return Tensor.from_op(x.data * mask, (x,), lambda grad: (grad * mask,))
