"""Quaternion-wise ops: norm, modReLU and dropout of quaternions.

Right multiplication by a unit quaternion u does not change the norm, |q ⊗ u| = |q|. modReLU and dropout of quaternions
commute with right multiplication by a unit quaternion. The componentwise ops of `activations` do not commute with right
multiplication by a quaternion.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff import Tensor, op
from ..autodiff.arrays import accurate_sum
from ..backend import Array, xp
from ..errors import ShapeError
from ..quaternion import norm
from .components import merge_components, quaternion_norm_and_direction, split_components
from .dropout import dropout


@op
def quaternion_norm(x: Tensor) -> Tensor:
    """Return the norm |q| of every quaternion, (..., 4C) in blocks r|i|j|k -> (..., C).

    The derivative with respect to q is q / |q|, and 0 for q = 0. Raises ShapeError unless the number of channels is a
    multiple of 4.
    """
    q = split_components(x.data)

    def backward(grad: Array) -> Sequence[Array]:
        return (merge_components(quaternion_norm_and_direction(q)[1] * grad[..., None, :]),)

    return Tensor.from_op(norm(q, axis=-2), (x,), backward)


@op
def mod_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Return modReLU, relu(|q| + b) q / |q| for each quaternion q, which changes the norm and keeps the direction.

    `x` is (..., 4C) in blocks r|i|j|k. `bias` (C,) contains one b for each quaternion channel. For q = 0, the result
    and the gradient are 0. With the direction d = q / |q|, the result is q + b d if |q| + b > 0. The gradient of q is
    then grad + b / |q| (grad - <d, grad> d).

    For a unit quaternion u, mod_relu(x ⊗ u) = mod_relu(x) ⊗ u. Raises ShapeError if the numbers of channels differ.

    Source: M. Arjovsky, A. Shah, Y. Bengio, Unitary evolution recurrent neural networks, 2016, there for complex
    numbers.
    """
    q, b = split_components(x.data), bias.data
    if b.shape != q.shape[-1:]:
        raise ShapeError(f"expected one bias for each quaternion channel, shape {q.shape[-1:]}, got {b.shape}")

    def backward(grad: Array) -> Sequence[Array]:
        norm_q, direction = quaternion_norm_and_direction(q)
        grad = xp.where(_is_zero(norm_q, b), 0, split_components(grad))
        radial = (direction * grad).sum(axis=-2, keepdims=True)
        tangential = b / xp.where(norm_q == 0, 1, norm_q) * (grad - radial * direction)
        return merge_components(grad + tangential), accurate_sum(radial.reshape(-1, b.size), 0)

    norm_q, direction = quaternion_norm_and_direction(q)
    return Tensor.from_op(merge_components(xp.where(_is_zero(norm_q, b), 0, q + b * direction)), (x, bias), backward)


def _is_zero(norm_q: Array, bias: Array) -> Array:
    """Return whether modReLU is 0. The value for NaN is False, so that NaN propagates."""
    return (norm_q + bias <= 0) | (norm_q == 0)


@op
def quaternion_dropout(x: Tensor, p: float, *, rng: np.random.Generator | None, train: bool) -> Tensor:
    """Return `x` with each quaternion set to 0 with probability `p`, and the other quaternions divided by 1 - p.

    If `train` is false, return `x`. For a fixed mask and a constant quaternion q, f(x ⊗ q) = f(x) ⊗ q. Raises
    ConfigError like `dropout`. Raises ShapeError unless the number of channels is a multiple of 4.
    """
    ones = Tensor(xp.ones_like(split_components(x.data)[..., 0, :]))
    scaled = dropout(ones, p, rng=rng, train=train)
    if scaled is ones:
        return x
    mask = xp.tile(scaled.data, 4)
    return Tensor.from_op(x.data * mask, (x,), lambda grad: (grad * mask,))
