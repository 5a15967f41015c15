"""Comparison of gradients with finite differences along random directions."""

from collections.abc import Callable, Sequence

import numpy as np

from ..backend import Array, asnumpy, xp
from ..checks import checked_count, checked_number, checked_rng
from ..errors import QuatnetError, ShapeError
from .tensor import Tensor


class GradientError(QuatnetError, ArithmeticError):
    """Exception for a gradient that differs from the finite difference."""


def gradcheck(
    function: Callable[..., Tensor],
    arrays: Sequence[Array],
    *,
    rng: np.random.Generator,
    eps: float = 1e-6,
    tolerance: float = 1e-6,
    num_directions: int = 3,
) -> None:
    """Raise GradientError unless the gradients of `function(*tensors)` agree with central differences.

    Let f be the function, x one argument, c a random cotangent and u a random direction. The directional derivative
    <c, (f(x + eps u) - f(x - eps u)) / (2 eps)> must equal <gradient, u>. Constant c and u would not detect some wrong
    gradients, such as a transposed gradient.

    Parameters
    ----------
    function : function of tensors that returns one tensor
    arrays : arguments of `function`, float64 arrays
    rng : generator of the cotangent and the directions
    eps : step of the finite difference
    tolerance : largest allowed difference, relative to the maximum of 1 and the absolute values of both derivatives
    num_directions : number of random directions per argument

    Raises ShapeError if an array is not float64, and ConfigError if another argument is out of range.
    """
    if not isinstance(arrays, list | tuple):
        raise ShapeError(f"expected a list of arrays, one for each argument, got {type(arrays).__name__}")
    arrays, rng, eps = [xp.asarray(array) for array in arrays], checked_rng(rng), checked_number("eps", eps, "(0, inf)")
    if any(array.dtype != np.float64 for array in arrays):
        raise ShapeError(f"gradcheck needs float64 arrays, got {[str(array.dtype) for array in arrays]}")
    cotangent, gradients = _backward(function, arrays, rng)

    def result(position: int, array: Array) -> Array:
        return function(*(Tensor(a) for a in [*arrays[:position], array, *arrays[position + 1 :]])).data

    for position, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        for _ in range(checked_count("num_directions", num_directions)):
            direction = xp.asarray(rng.standard_normal(array.shape))
            difference = result(position, array + eps * direction) - result(position, array - eps * direction)
            numerical = float(asnumpy((cotangent * difference).sum())) / (2 * eps)
            _compare(f"argument {position}", gradient, direction, numerical, tolerance)


def _backward(
    function: Callable[..., Tensor], arrays: Sequence[Array], rng: np.random.Generator
) -> tuple[Array, list[Array]]:
    """Return a random cotangent and the gradient of every argument. The gradient of an unused argument is 0."""
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    result = function(*tensors)
    if not isinstance(result, Tensor):
        raise ShapeError(f"gradcheck needs a function that returns a Tensor, got {type(result).__name__}")
    cotangent = xp.asarray(rng.standard_normal(result.shape))
    grad = cotangent.copy()
    result.backward(grad)
    if (grad != cotangent).any():
        raise GradientError("backward modified its argument in place; modify a copy, since tensors may share gradients")
    return cotangent, [xp.zeros_like(t.data) if t.grad is None else t.grad for t in tensors]


def _compare(name: str, gradient: Array, direction: Array, numerical: float, tolerance: float) -> None:
    if gradient.dtype != direction.dtype:
        raise GradientError(
            f"{name} is {direction.dtype}, its gradient {gradient.dtype}; backward must return the same dtype"
        )
    analytical = float(asnumpy((gradient * direction).sum()))
    if not abs(analytical - numerical) <= tolerance * max(1.0, abs(analytical), abs(numerical)):
        raise GradientError(
            f"{name}: gradient gives {analytical:.10g}, differences give {numerical:.10g}; check backward"
        )
