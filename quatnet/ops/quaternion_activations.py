"""Ops that see a quaternion whole: its length |q|, or that it is there at all.

A unit quaternion on the right turns q without changing |q|, so these ops commute with it. The activations of
`activations` act on each component by itself, "split", and do not.
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
    """Return |q| for every quaternion: (..., 4C) in blocks r|i|j|k -> (..., C), from quaternion to real.

    The gradient is q / |q|, and 0 where q = 0. Invariant: |q ⊗ u| = |q| for a unit quaternion u.
    Raises ShapeError unless the channels are a multiple of 4.
    """
    q = split_components(x.data)

    def backward(g: Array) -> Sequence[Array]:
        return (merge_components(norm_and_direction(q)[1] * g[..., None, :]),)

    return Tensor.from_op(norm(q, axis=-2), (x,), backward)


def mod_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Return relu(|q| + b) q / |q|, the length changed and the direction kept.

    `x` is (..., 4C) in blocks r|i|j|k, `bias` (C,) has one b for each quaternion channel. At q = 0 result and
    gradient are 0. With the direction u = q / |q|, a quaternion that passes becomes q + b u, and a gradient g
    becomes g + b / |q| (g - <u, g> u). Equivariant: mod_relu(x ⊗ u) = mod_relu(x) ⊗ u for a unit quaternion u.
    Raises ShapeError where the channels disagree.

    Source: M. Arjovsky, A. Shah, Y. Bengio, Unitary evolution recurrent neural networks, 2016, for complex numbers.
    """
    q, b = split_components(x.data), bias.data
    if b.shape != q.shape[-1:]:
        raise ShapeError(f"expected a bias for each quaternion, shape {q.shape[-1:]}, got {b.shape}")

    def backward(g: Array) -> Sequence[Array]:
        length, unit = norm_and_direction(q)
        g = xp.where(_stopped(length, b), 0, split_components(g))
        along = (unit * g).sum(axis=-2, keepdims=True)
        across = b / xp.where(length == 0, 1, length) * (g - along * unit)
        return merge_components(g + across), along.reshape(-1, b.size).sum(axis=0)

    length, unit = norm_and_direction(q)
    return Tensor.from_op(merge_components(xp.where(_stopped(length, b), 0, q + b * unit)), (x, bias), backward)


def _stopped(length: Array, bias: Array) -> Array:
    """Which quaternions become 0; written so that nan is not among them and stays visible."""
    return (length + bias <= 0) | (length == 0)


def quaternion_dropout(x: Tensor, p: float, *, rng: np.random.Generator | None, train: bool) -> Tensor:
    """Set a share `p` of the quaternions to 0 and divide the others by 1 - p; the identity without `train`.

    The four components of (..., 4C) stay or go together. Equivariant for one draw of the mask:
    f(x ⊗ q) = f(x) ⊗ q for every q. Raises ConfigError like `dropout`, ShapeError unless there are 4C channels.
    """
    everywhere = Tensor(xp.ones_like(split_components(x.data)[..., 0, :]))
    kept = dropout(everywhere, p, rng=rng, train=train)
    if kept is everywhere:
        return x
    mask = xp.tile(kept.data, 4)
    return Tensor.from_op(x.data * mask, (x,), lambda g: (g * mask,))
