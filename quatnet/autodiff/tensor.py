"""Tensors: arrays that are nodes of the computation graph.

An operation computes its result with plain arrays. The operation passes the result, its parents (the input tensors)
and a backward function to `Tensor.from_op`. The backward function maps the gradient of the result to one gradient per
parent.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy

from ..backend import Array, asnumpy, xp
from ..checks import as_array
from ..errors import ConfigError, ShapeError
from ..threads import matmul, single_threaded_blas
from .arrays import check_broadcast, unbroadcast
from .op import current_tracer, op
from .tape import Backward, Node, backpropagate


class Tensor(Node):
    """An array with differentiable arithmetic, methods and operations.

    Backward passes use the arrays of the forward pass, which are not copied. Between forward and backward pass, do not
    change an array in place, as in `x.data[0] = 1`: the change is not detected, and the gradient is that of the changed
    array. Assign a new array instead, as in `x.data = x.data + 1`. All functions of quatnet do so.

    Parameters
    ----------
    array : array-like of real numbers, or a tensor without gradient. Integers and booleans are converted to float64,
        float16 to float32. Other arrays are not copied
    requires_grad : whether `backward` accumulates the gradient of this tensor in `.grad`

    Raises
    ------
    ShapeError
        `array` does not consist of real numbers.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward(); x.grad
    array([2., 4.])
    """

    __array_ufunc__ = None  # for array + tensor, NumPy calls Tensor.__radd__ instead of a loop over the elements
    __array_priority__ = 1000  # for array + tensor, CuPy calls Tensor.__radd__
    __hash__ = object.__hash__  # tensors are hashed by identity, although == compares elements
    __slots__ = ()

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        if isinstance(array, Node) and array.requires_grad:
            raise ShapeError(
                "expected an array of real numbers, got a Tensor with gradient; use the tensor, or detach()"
            )
        super().__init__(array.data if isinstance(array, Node) else as_array(array), requires_grad)

    @staticmethod
    def from_op(data: Array, parents: Sequence["Tensor"] = (), backward: Backward | None = None) -> "Tensor":
        """Return a tensor with `data`, the result of an operation on `parents`. The dtype does not change.

        `backward(grad)` returns one gradient or None per parent. Raises ShapeError if a parent is not a tensor.
        """
        result = Tensor.__new__(Tensor)
        Node.__init__(result, xp.asarray(data), requires_grad=False)
        result._record(parents, backward)
        if backward and (tracer := current_tracer.get()):
            tracer.result_of(backward)
        return result

    def backward(self, grad: Array | None = None) -> None:
        """Add the gradient of the inner product <self, grad> to `.grad` of every leaf that requires a gradient.

        `grad` has the shape of this tensor. The default for a tensor of one entry is 1. `backward` frees the graph. A
        second call therefore raises GraphFreedError.
        """
        if not self.requires_grad:
            raise ShapeError(
                "backward needs a tensor that depends on a tensor with requires_grad=True, computed outside of no_grad"
            )
        if grad is None and self.data.size != 1:
            raise ShapeError(
                f"backward needs grad= for a tensor of shape {self.shape}; pass grad, or reduce the tensor first"
            )
        grad = xp.ones_like(self.data) if grad is None else as_array(grad).astype(self.data.dtype, copy=False)
        if grad.shape != self.shape:
            raise ShapeError(f"expected a gradient of shape {self.shape}, got {grad.shape}")
        backpropagate(self, grad)

    # Arithmetic

    @op
    def __add__(self, other: "Operand") -> "Tensor":
        other = _operand(other, self)

        def backward(grad: Array) -> Sequence[Array]:
            return unbroadcast(grad, self_shape), unbroadcast(grad, other_shape)

        self_shape, other_shape = self.shape, other.shape
        return Tensor.from_op(self.data + other.data, (self, other), backward)

    @op
    def __mul__(self, other: "Operand") -> "Tensor":
        other = _operand(other, self)
        a, b = self.data, other.data

        def backward(grad: Array) -> Sequence[Array]:
            return unbroadcast(grad * b, a.shape), unbroadcast(grad * a, b.shape)

        return Tensor.from_op(a * b, (self, other), backward)

    @op
    def __truediv__(self, other: "Operand") -> "Tensor":
        other = _operand(other, self)
        a, b = self.data, other.data

        def backward(grad: Array) -> Sequence[Array]:
            return unbroadcast(grad / b, a.shape), unbroadcast(-(grad / b) * (a / b), b.shape)

        return Tensor.from_op(a / b, (self, other), backward)

    @op
    def __pow__(self, exponent: float) -> "Tensor":
        """Return self to the power of one number. For a tensor exponent n, use exp(log(self) * n)."""
        if as_array(exponent).shape:
            raise ShapeError(f"expected one number as exponent, got an array of shape {as_array(exponent).shape}")
        a, n = self.data, float(exponent)

        def backward(grad: Array) -> Sequence[Array]:
            return (grad * n * a ** (n - 1) if n else xp.zeros_like(a),)

        return Tensor.from_op(a**n, (self,), backward)

    @op
    def __matmul__(self, other: "Operand") -> "Tensor":
        """Return the matrix product, (..., rows, inner) @ (..., inner, columns). The leading axes broadcast."""
        other = _tensor(other, self)
        a, b = self.data, other.data
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ShapeError(f"expected matrices (..., rows, inner) @ (..., inner, columns), got {a.shape} @ {b.shape}")
        check_broadcast(a.shape[:-2], b.shape[:-2])

        def backward(grad: Array) -> Sequence[Array]:
            grad_a, grad_b = _matmul(grad, b.swapaxes(-2, -1)), _matmul(a.swapaxes(-2, -1), grad)
            return unbroadcast(grad_a, a.shape), unbroadcast(grad_b, b.shape)

        return Tensor.from_op(_matmul(a, b), (self, other), backward)

    def __neg__(self) -> "Tensor":
        return self * -1

    def __sub__(self, other: "Operand") -> "Tensor":
        # a tracer records an array or a tensor of booleans itself, not its conversion
        converted = isinstance(other, xp.ndarray) or (isinstance(other, Tensor) and other.dtype.kind != "f")
        return -(-self + other) if converted and current_tracer.get() else self + -_tensor(other, self)

    def __rsub__(self, other: "Operand") -> "Tensor":
        return -self + other

    def __rtruediv__(self, other: "Operand") -> "Tensor":
        return _tensor(other, self) / self

    def __rmatmul__(self, other: "Operand") -> "Tensor":
        return _tensor(other, self) @ self

    __radd__ = __add__
    __rmul__ = __mul__

    def __iadd__(self, other: "Operand") -> "Tensor":
        return self._updated(self + other)

    def __isub__(self, other: "Operand") -> "Tensor":
        return self._updated(self - other)

    def __imul__(self, other: "Operand") -> "Tensor":
        return self._updated(self * other)

    def __itruediv__(self, other: "Operand") -> "Tensor":
        return self._updated(self / other)

    def __ipow__(self, exponent: float) -> "Tensor":
        return self._updated(self**exponent)

    def _updated(self, result: "Tensor") -> "Tensor":
        """Return this tensor with the entries of `result` if it is trained, as in PyTorch, and otherwise `result`."""
        if not self.requires_grad or self._backward is not None:
            return result
        if current_tracer.get():
            raise ConfigError("a network that changes a parameter in its call has no graph; change it after the call")
        if result.requires_grad:
            raise ShapeError("a parameter is updated in place within no_grad() only; write y = x + a instead of x += a")
        if result.shape != self.shape:
            raise ShapeError(f"expected an update of a parameter of shape {self.shape}, got {result.shape}")
        self.data = result.data.astype(self.data.dtype, copy=False)
        return self

    # Comparison: each operator returns a tensor of booleans without gradient

    @op
    def __eq__(self, other: object) -> "Tensor":  # type: ignore[override]
        return self._compare(other, "__eq__")

    @op
    def __ne__(self, other: object) -> "Tensor":  # type: ignore[override]
        return self._compare(other, "__ne__")

    @op
    def __lt__(self, other: "Operand") -> "Tensor":
        return self._compare(other, "__lt__")

    @op
    def __le__(self, other: "Operand") -> "Tensor":
        return self._compare(other, "__le__")

    @op
    def __gt__(self, other: "Operand") -> "Tensor":
        return self._compare(other, "__gt__")

    @op
    def __ge__(self, other: "Operand") -> "Tensor":
        return self._compare(other, "__ge__")

    def _compare(self, other: Any, name: str) -> "Tensor":
        array = other.data if isinstance(other, Tensor) else as_array(other)
        if type(other) in (int, float) and self.data.dtype.kind == "f":  # x == 0.1 is true for float32 entries 0.1
            with numpy.errstate(over="ignore"):
                array = array.astype(self.data.dtype)
        check_broadcast(self.shape, array.shape)
        return Tensor.from_op(getattr(self.data, name)(array))

    # Shape and reduction: each method calls the function of the same name in `quatnet.ops`

    def __getitem__(self, index: object) -> "Tensor":
        return shape_ops.getitem(self, index)

    def reshape(self, *shape: int) -> "Tensor":
        """Return the tensor reshaped to `shape`, separate numbers or one tuple. See `ops.reshape`."""
        return shape_ops.reshape(self, _unpack(shape))

    def transpose(self, *axes: int) -> "Tensor":
        """Return the tensor with its axes in the order `axes`, by default reversed. See `ops.transpose`."""
        return shape_ops.transpose(self, _unpack(axes) or tuple(reversed(range(self.ndim))))

    def sum(self, axis: "Axis" = None) -> "Tensor":
        """Return the sum over `axis`, by default over all axes. See `ops.sum`."""
        return reduce_ops.sum(self, axis=axis)

    def mean(self, axis: "Axis" = None) -> "Tensor":
        """Return the mean over `axis`, by default over all axes. See `ops.mean`."""
        return reduce_ops.mean(self, axis=axis)

    def max(self, axis: int) -> "Tensor":
        """Return the largest entry along `axis`. See `ops.max`."""
        return reduce_ops.max(self, axis=axis)

    # Attributes and conversion

    @property
    def T(self) -> "Tensor":
        """Transpose of the tensor: all axes in reverse order."""
        return self.transpose()

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.data.size

    @property
    def dtype(self) -> numpy.dtype:
        """Data type of the entries."""
        return self.data.dtype

    @op
    def detach(self) -> "Tensor":
        """Return a tensor with the same array and without gradient."""
        return Tensor.from_op(self.data)

    def numpy(self) -> numpy.ndarray:
        """Return the entries as a NumPy array. With the NumPy backend, the array shares memory with the tensor."""
        if tracer := current_tracer.get():
            tracer.read(self)
        return asnumpy(self.data)

    def item(self) -> float:
        """Return the entry of a tensor of size 1 as a Python number. Raises ShapeError for any other size."""
        if self.size != 1:
            raise ShapeError(f"item() needs a tensor of one entry, got shape {self.shape}")
        return self.numpy().item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("a tensor without axes has no length; use item() for its value")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Tensor({self.data!r}, requires_grad={self.requires_grad})"

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise ShapeError("expected an array of real numbers, got a Tensor: use .numpy(), or a function of quatnet.ops")

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> NoReturn:
        raise ShapeError(
            f"NumPy's {function.__name__} does not accept a Tensor: use quatnet.ops, or call .numpy() first"
        )


Operand = Tensor | Array | float
Axis = int | tuple[int, ...] | None


def _tensor(value: Operand, like: Tensor) -> Tensor:
    """Return `value` as a tensor. Constants and booleans have the dtype of `like`, so that 2.0 * x keeps float32."""
    if isinstance(value, Tensor) and value.data.dtype.kind == "f":
        return value
    array = as_array(value.data if isinstance(value, Tensor) else value)
    converted = array.astype(like.data.dtype, copy=False) if like.data.dtype.kind == "f" else array
    if converted is not value and (tracer := current_tracer.get()):
        tracer.converted_operand(value, like)
    return Tensor.from_op(converted)


def _operand(value: Operand, like: Tensor) -> Tensor:
    """Return `value` as a tensor. Raises ShapeError unless `value` and `like` have shapes that broadcast."""
    other = _tensor(value, like)
    check_broadcast(like.shape, other.shape)
    return other


def _unpack(lengths: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(lengths[0]) if len(lengths) == 1 and isinstance(lengths[0], tuple | list) else lengths


def _matmul(a: Array, b: Array) -> Array:
    """Return a @ b. The product of two matrices is computed on all cores."""
    if a.ndim == b.ndim == 2:
        return matmul(a, b)
    with single_threaded_blas():
        return xp.matmul(a, b)


from . import reduce as reduce_ops  # noqa: E402 these modules import Tensor
from . import shape as shape_ops  # noqa: E402
