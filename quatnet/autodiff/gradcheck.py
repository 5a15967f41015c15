"""Is a gradient right? Compare it, along a random direction, with a difference quotient."""

from collections.abc import Callable, Sequence

import numpy as np

from ..backend import Array, asnumpy, xp
from ..errors import QuatnetError, ShapeError
from .tensor import Tensor


class GradientError(QuatnetError, ArithmeticError):
    """A gradient disagrees with the difference quotient."""


def gradcheck(
    function: Callable[..., Tensor],
    arrays: Sequence[Array],
    *,
    rng: np.random.Generator,
    step: float = 1e-6,
    tolerance: float = 1e-6,
    directions: int = 3,
) -> None:
    """Raise GradientError unless the gradients of `function(*tensors)` agree with central differences.

    With a random cotangent c and a random direction u per argument, the directional derivative
    <c, (f(x + h u) - f(x - h u)) / 2h> must equal <gradient, u>. Random numbers on both sides, because ones
    and plain sums let wrong gradients pass (a transposed one, for instance).

    Parameters
    ----------
    arrays : float64 arrays, the arguments of `function`; ShapeError for another dtype
    step : h, in units of the arguments
    tolerance : largest allowed difference, relative to the larger of 1 and both values
    """
    arrays = [xp.asarray(array) for array in arrays]
    if any(array.dtype != np.float64 for array in arrays):
        raise ShapeError(f"gradcheck needs float64, got {[str(array.dtype) for array in arrays]}")
    cotangent, gradients = _backward(function, arrays, rng)
    for position, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        for _ in range(directions):
            direction = xp.asarray(rng.standard_normal(array.shape))
            expected = _difference(function, arrays, position, direction, cotangent, step)
            _compare(f"argument {position}", gradient, direction, expected, tolerance)


def _backward(
    function: Callable[..., Tensor], arrays: Sequence[Array], rng: np.random.Generator
) -> tuple[Array, list[Array]]:
    """A random cotangent, and the gradients that `function` makes of it; an argument it leaves out has gradient 0."""
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    result = function(*tensors)
    if not isinstance(result, Tensor):
        raise ShapeError(f"gradcheck needs a function that returns a Tensor, got {type(result).__name__}")
    cotangent = xp.asarray(rng.standard_normal(result.shape))
    incoming = cotangent.copy()
    result.backward(incoming)
    if (incoming != cotangent).any():
        raise GradientError("backward wrote into the gradient it was given, which other tensors may share")
    return cotangent, [xp.zeros_like(t.data) if t.grad is None else t.grad for t in tensors]


def _difference(
    function: Callable[..., Tensor],
    arrays: Sequence[Array],
    position: int,
    direction: Array,
    cotangent: Array,
    step: float,
) -> float:
    """<cotangent, (f(x + h u) - f(x - h u)) / 2h>, where only the argument at `position` moves."""
    moved = [list(arrays), list(arrays)]
    moved[0][position] = arrays[position] + step * direction
    moved[1][position] = arrays[position] - step * direction
    ahead, behind = (function(*(Tensor(array) for array in side)).data for side in moved)
    return float(asnumpy((cotangent * (ahead - behind)).sum())) / (2 * step)


def _compare(name: str, gradient: Array, direction: Array, expected: float, tolerance: float) -> None:
    if gradient.shape != direction.shape or gradient.dtype != direction.dtype:
        raise GradientError(
            f"{name} is {direction.shape} {direction.dtype}, its gradient {gradient.shape} {gradient.dtype}"
        )
    found = float(asnumpy((gradient * direction).sum()))
    if not abs(found - expected) <= tolerance * max(1.0, abs(found), abs(expected)):
        raise GradientError(f"{name}: gradient gives {found:.10g}, differences {expected:.10g}")
