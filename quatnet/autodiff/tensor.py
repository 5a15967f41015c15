"""The `Tensor`: an array with a place in the graph, and arithmetic that remembers.

An operation computes its result on plain arrays and hands `Tensor.from_op` two things: its parents, and a
function that turns the gradient of the result into one gradient per parent. How these gradients find their
way back is told in `tape`.
"""

from collections.abc import Sequence

from ..backend import Array, xp
from ..errors import ShapeError
from ..threads import matmul
from .arrays import as_array, check_broadcast, unbroadcast
from .tape import Backward, Node, no_grad, walk

__all__ = ["Tensor", "no_grad", "unbroadcast"]


class Tensor(Node):
    """An array that can take part in a graph.

    Parameters
    ----------
    array : array-like of real numbers; kept without a copy where it is an array already
    requires_grad : collect the gradient in `.grad` (same shape) when `backward` reaches this tensor

    Raises
    ------
    ShapeError
        Not real numbers, or `requires_grad` with a dtype that is not floating point.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).backward(xp.ones(2)); x.grad
    array([2., 4.])
    """

    __array_ufunc__ = None  # array + tensor calls Tensor.__radd__ instead of looping over elements
    __array_priority__ = 1000  # and for CuPy the same
    __slots__ = ()

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        super().__init__(as_array(array), requires_grad)
        if requires_grad and self.data.dtype.kind != "f":
            raise ShapeError(f"a gradient needs a float array, got dtype {self.data.dtype}; convert it first")

    @staticmethod
    def from_op(data: Array, parents: Sequence["Tensor"], backward: Backward) -> "Tensor":
        """Wrap the result of an operation; `backward(g)` returns one gradient (or None) per parent.

        Raises ShapeError where a parent is no tensor.
        """
        result = Tensor(data)
        result._record(parents, backward)
        return result

    def backward(self, grad: Array | None = None) -> None:
        """Add d(self)/d(leaf), contracted with `grad`, to `.grad` of every leaf that requires a gradient.

        `grad` has the shape of `self.data`; it may be left out where that is a single number.
        Memory is freed during the walk, so a second call raises GraphFreedError.
        """
        if not self.requires_grad:
            raise ShapeError("backward from a tensor that depends on nothing with requires_grad=True")
        if grad is None and self.data.size != 1:
            raise ShapeError(f"backward needs grad= for a result of shape {self.shape}; or reduce it to a number")
        g = xp.ones_like(self.data) if grad is None else as_array(grad).astype(self.data.dtype, copy=False)
        if g.shape != self.shape:
            raise ShapeError(f"expected a gradient of shape {self.shape}, got {g.shape}")
        walk(self, g)

    def __repr__(self) -> str:
        return f"Tensor({self.data!r}, requires_grad={self.requires_grad})"

    def __add__(self, other: "Operand") -> "Tensor":
        other = _operand(other, self)

        def backward(g: Array) -> Sequence[Array]:
            return unbroadcast(g, self_shape), unbroadcast(g, other_shape)

        self_shape, other_shape = self.shape, other.shape
        return Tensor.from_op(self.data + other.data, (self, other), backward)

    def __mul__(self, other: "Operand") -> "Tensor":
        other = _operand(other, self)
        a, b = self.data, other.data

        def backward(g: Array) -> Sequence[Array]:
            return unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape)

        return Tensor.from_op(a * b, (self, other), backward)

    def __truediv__(self, other: "Operand") -> "Tensor":
        other = _operand(other, self)
        a, b = self.data, other.data

        def backward(g: Array) -> Sequence[Array]:
            return unbroadcast(g / b, a.shape), unbroadcast(-(g / b) * (a / b), b.shape)

        return Tensor.from_op(a / b, (self, other), backward)

    def __pow__(self, exponent: float) -> "Tensor":
        """aⁿ for one number n; for a tensor as exponent, exp(log(a) * n)."""
        if as_array(exponent).shape:
            raise ShapeError(f"expected one number as exponent, got shape {as_array(exponent).shape}")
        a, n = self.data, float(exponent)

        def backward(g: Array) -> Sequence[Array]:
            return (g * n * a ** (n - 1) if n else xp.zeros_like(a),)

        return Tensor.from_op(a**n, (self,), backward)

    def __matmul__(self, other: "Operand") -> "Tensor":
        """(M, K) @ (K, N). Matrices only: a batch goes into the rows."""
        other = _tensor(other, self)
        a, b = self.data, other.data
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            raise ShapeError(f"expected matrices (M, K) @ (K, N), got {a.shape} @ {b.shape}")

        def backward(g: Array) -> Sequence[Array]:
            return matmul(g, b.T), matmul(a.T, g)

        return Tensor.from_op(matmul(a, b), (self, other), backward)

    def __neg__(self) -> "Tensor":
        return self * -1

    def __sub__(self, other: "Operand") -> "Tensor":
        return self + -_tensor(other, self)

    def __rsub__(self, other: "Operand") -> "Tensor":
        return -self + other

    def __rtruediv__(self, other: "Operand") -> "Tensor":
        return _tensor(other, self) / self

    def __rmatmul__(self, other: "Operand") -> "Tensor":
        return _tensor(other, self) @ self

    __radd__ = __add__
    __rmul__ = __mul__


Operand = Tensor | Array | float


def _tensor(value: Operand, like: Tensor) -> Tensor:
    """A constant takes the dtype of `like`, so that 2.0 * x does not turn float32 into float64."""
    if isinstance(value, Tensor):
        return value
    array = as_array(value)
    return Tensor(array.astype(like.data.dtype) if like.data.dtype.kind == "f" else array)


def _operand(value: Operand, like: Tensor) -> Tensor:
    """The other side of an operator; ShapeError where the two shapes do not fit."""
    other = _tensor(value, like)
    check_broadcast(like.shape, other.shape)
    return other
