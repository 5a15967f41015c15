"""Ops that act on every entry by itself.

On a quaternion layer they are "split": one component at a time. Turning the quaternion first, x ⊗ q, gives another
result, not the turned one; `quaternion_activations` has activations that commute.
"""

from collections.abc import Sequence

from ..autodiff import Tensor
from ..autodiff.tape import data_of
from ..backend import Array, xp


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0); on a quaternion layer this is the split relu, one component at a time."""
    y = xp.maximum(data_of(x), 0)

    def backward(g: Array) -> Sequence[Array]:
        return (g * (y > 0),)

    return Tensor.from_op(y, (x,), backward)


def exp(x: Tensor) -> Tensor:
    """Return eˣ."""
    y = xp.exp(data_of(x))
    return Tensor.from_op(y, (x,), lambda g: (g * y,))


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm; -inf at 0 and nan below, as in NumPy."""
    a = data_of(x)
    return Tensor.from_op(xp.log(a), (x,), lambda g: (g / a,))


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + e⁻ˣ), computed from e^-|x| so that nothing overflows."""
    a = data_of(x)
    y = xp.exp(xp.minimum(a, 0)) / (1 + xp.exp(-xp.abs(a)))
    return Tensor.from_op(y, (x,), lambda g: (g * y * (1 - y),))


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent, (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)."""
    y = xp.tanh(data_of(x))
    return Tensor.from_op(y, (x,), lambda g: (g * (1 - y * y),))
