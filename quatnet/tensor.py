"""The tape: a `Tensor` remembers which tensors it came from and how to send a gradient back to them.

An operation computes its result on plain arrays and hands `Tensor.from_op` two things: its parents, and a
function that turns the gradient of the result into one gradient per parent. `Tensor.backward` walks the
graph once, children before parents, and frees it on the way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from .backend import Array, xp
from .errors import GraphFreedError, ShapeError

Backward = Callable[[Array], Sequence[Array | None]]
_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside this block nothing is recorded: for evaluation, where it saves the memory of the graph."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def _freed(_g: Array) -> Sequence[Array | None]:
    raise GraphFreedError(
        "backward went through this graph already and freed it; compute the loss again, then call backward"
    )


class Tensor:
    """An array that can take part in a graph.

    Parameters
    ----------
    array : array-like; kept without a copy where it is an array already
    requires_grad : collect the gradient in `.grad` (same shape) when `backward` reaches this tensor

    Raises
    ------
    ShapeError
        `requires_grad` with a dtype that is not floating point.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).backward(xp.ones(2)); x.grad
    array([2., 4.])
    """

    __array_ufunc__ = None  # array + tensor calls Tensor.__radd__ instead of looping over elements
    __slots__ = ("__weakref__", "_backward", "_parents", "data", "grad", "requires_grad")

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        self.data: Array = xp.asarray(array)
        if requires_grad and self.data.dtype.kind != "f":
            raise ShapeError(f"a gradient needs a float array, got dtype {self.data.dtype}; convert it first")
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self._parents: tuple[Tensor, ...] = ()
        self._backward: Backward | None = None

    @staticmethod
    def from_op(data: Array, parents: Sequence["Tensor"], backward: Backward) -> "Tensor":
        """Wrap the result of an operation; `backward(g)` returns one gradient (or None) per parent."""
        result = Tensor(data)
        if _recording.get() and any(parent.requires_grad for parent in parents):
            result.requires_grad = True
            result._parents, result._backward = tuple(parents), backward
        return result

    def backward(self, grad: Array | None = None) -> None:
        """Add d(self)/d(leaf), contracted with `grad`, to `.grad` of every leaf that requires a gradient.

        `grad` has the shape of `self.data`; it may be left out where that is a single number.
        Memory is freed during the walk, so a second call raises GraphFreedError.
        """
        pending = {id(self): self._starting_gradient(grad)}
        order = _children_before_parents(self)
        while order:
            node = order.pop()
            g = pending.pop(id(node), None)
            if node._backward is None:
                if g is not None:
                    node.grad = g if node.grad is None else node.grad + g
                continue
            parents, back = node._parents, node._backward
            node._parents, node._backward = (), _freed
            gradients = back(g) if g is not None else [None] * len(parents)
            for parent, gradient in zip(parents, gradients, strict=True):
                if parent.requires_grad and gradient is not None:
                    key = id(parent)
                    pending[key] = pending[key] + gradient if key in pending else gradient

    def _starting_gradient(self, grad: Array | None) -> Array:
        if not self.requires_grad:
            raise ShapeError("backward from a tensor that depends on nothing with requires_grad=True")
        if grad is None and self.data.size != 1:
            raise ShapeError(f"backward needs grad= for a result of shape {self.shape}; or reduce it to a number")
        g = xp.ones_like(self.data) if grad is None else xp.asarray(grad, dtype=self.data.dtype)
        if g.shape != self.shape:
            raise ShapeError(f"expected a gradient of shape {self.shape}, got {g.shape}")
        return g

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __repr__(self) -> str:
        return f"Tensor({self.data!r}, requires_grad={self.requires_grad})"

    def __add__(self, other: "Operand") -> "Tensor":
        other = _tensor(other, self)

        def backward(g: Array) -> Sequence[Array]:
            return sum_to(g, self_shape), sum_to(g, other_shape)

        self_shape, other_shape = self.shape, other.shape
        return Tensor.from_op(self.data + other.data, (self, other), backward)

    def __mul__(self, other: "Operand") -> "Tensor":
        other = _tensor(other, self)
        a, b = self.data, other.data

        def backward(g: Array) -> Sequence[Array]:
            return sum_to(g * b, a.shape), sum_to(g * a, b.shape)

        return Tensor.from_op(a * b, (self, other), backward)

    def __pow__(self, exponent: float) -> "Tensor":
        a, exponent = self.data, float(exponent)

        def backward(g: Array) -> Sequence[Array]:
            return (g * exponent * a ** (exponent - 1) if exponent else xp.zeros_like(a),)

        return Tensor.from_op(a**exponent, (self,), backward)

    def __matmul__(self, other: "Tensor") -> "Tensor":
        """(M, K) @ (K, N). Matrices only: a batch goes into the rows."""
        a, b = self.data, other.data
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            raise ShapeError(f"expected matrices (M, K) @ (K, N), got {a.shape} @ {b.shape}")

        def backward(g: Array) -> Sequence[Array]:
            return g @ b.T, a.T @ g

        return Tensor.from_op(a @ b, (self, other), backward)

    def __neg__(self) -> "Tensor":
        return self * -1.0

    def __sub__(self, other: "Operand") -> "Tensor":
        return self + -_tensor(other, self)

    def __rsub__(self, other: "Operand") -> "Tensor":
        return _tensor(other, self) + -self

    def __truediv__(self, other: "Operand") -> "Tensor":
        return self * _tensor(other, self) ** -1.0

    def __rtruediv__(self, other: "Operand") -> "Tensor":
        return _tensor(other, self) * self**-1.0

    __radd__ = __add__
    __rmul__ = __mul__


Operand = Tensor | Array | float


def _tensor(value: Operand, like: Tensor) -> Tensor:
    """A constant in the dtype of `like`, so that 2.0 * x does not turn float32 into float64."""
    return value if isinstance(value, Tensor) else Tensor(xp.asarray(value, dtype=like.data.dtype))


def sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: an entry that was used several times receives the sum of its gradients."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1 and g.shape[axis] != 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g


def _children_before_parents(root: Tensor) -> list[Tensor]:
    """Depth first, without recursion; to be popped from the end. Raises if a part was freed already."""
    order: list[Tensor] = []
    seen: set[int] = set()
    stack: list[tuple[Tensor, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif id(node) not in seen:
            if node._backward is _freed:
                _freed(None)
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in node._parents if parent.requires_grad)
    return order
