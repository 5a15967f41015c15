"""Computation graph and backpropagation.

The parents of a `Node` are the inputs of its operation. The backward function of a node maps the gradient of the node
to one gradient per parent. `backpropagate` calls each backward function once, children before parents. Each node is
freed after its backward function was called.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from threading import Event
from typing import Any

from ..backend import Array, xp
from ..errors import GraphFreedError, ShapeError
from ..threads import fork_safe_lock, single_threaded_blas

Backward = Callable[[Array], Sequence[Array | None]]
# One event for each `with` statement of no_grad, set when the statement ends. Generators may end their statements in
# any order and in other threads.
_no_grad_ends: ContextVar[tuple[Event, ...]] = ContextVar("no_grad_ends", default=())
_grad_lock = fork_safe_lock()


@contextmanager
def no_grad() -> Iterator[None]:
    """Disable the recording of graphs within a `with` statement, to save memory during evaluation.

    Recording is disabled in the thread that executes the `with` statement. If a generator yields inside of the `with`
    statement, recording remains disabled in its caller until the generator leaves the statement, as for `np.errstate`.
    """
    end = Event()
    _no_grad_ends.set((*open_statements(), end))
    try:
        yield
    finally:
        end.set()


def open_statements() -> list[Event]:
    """Return one event for each open `with` statement of no_grad."""
    return [end for end in _no_grad_ends.get() if not end.is_set()]


class Node:
    """A node of the computation graph: a leaf with a gradient in `.grad`, or the result of an operation."""

    __slots__ = ("__weakref__", "_backward", "_parents", "data", "grad", "requires_grad")

    def __init__(self, data: Array, requires_grad: bool) -> None:
        self.data = data
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self._parents: tuple[Node, ...] = ()
        self._backward: Backward | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array: the length of each axis."""
        return self.data.shape

    def __deepcopy__(self, memo: dict[int, Any]) -> "Node":
        """Return a leaf with copies of the array and of the gradient. The copy of a result has no gradient."""
        copy = memo[id(self)] = type(self).__new__(type(self))
        Node.__init__(copy, deepcopy(self.data, memo), self.requires_grad and self._backward is None)
        copy.grad = deepcopy(self.grad, memo)
        if attributes := getattr(self, "__dict__", None):  # of a subclass
            vars(copy).update(deepcopy(attributes, memo))
        return copy

    def _record(self, parents: Sequence["Node"], backward: Backward | None) -> None:
        """Store `parents` and `backward` if recording is enabled and a parent requires a gradient."""
        for parent in parents:
            if not isinstance(parent, Node):
                raise ShapeError(f"expected a Tensor, got {type(parent).__name__}; convert it with Tensor(array)")
        if any(parent.requires_grad for parent in parents) and not open_statements():
            self.requires_grad = True
            self._parents, self._backward = tuple(parents), backward


@single_threaded_blas()
def backpropagate(root: Node, grad: Array) -> None:
    """Add the gradient of the inner product <root, grad> to `.grad` of every leaf, and free the graph.

    If a backward function raises an error, no `.grad` changes.
    """
    grads, leaves = {id(root): grad}, []
    order = _children_before_parents(root)
    while order:
        node = order.pop()
        if node._backward is None:
            leaves.append(node)
            continue
        for parent, parent_grad in apply_backward(node, node._backward, grads.pop(id(node), None)):
            key = id(parent)
            grads[key] = grads[key] + parent_grad if key in grads else parent_grad
    with _grad_lock:  # several threads may use the same parameters
        for leaf in leaves:
            if id(leaf) in grads:  # copy the gradient, because the caller or another leaf may use the same array
                grad = grads.pop(id(leaf))
                leaf.grad = xp.array(grad if leaf.grad is None else leaf.grad + grad)


def apply_backward(node: Node, backward: Backward, grad: Array | None) -> list[tuple[Node, Array]]:
    """Return (parent, gradient) for each parent that requires a gradient, and free `node`."""
    parents = node._parents
    node._parents, node._backward = (), _freed
    grads = [None] * len(parents) if grad is None else backward(grad)
    if not isinstance(grads, tuple | list) or len(grads) != len(parents):
        found = len(grads) if isinstance(grads, tuple | list) else type(grads).__name__
        expected = f"expected a tuple of {len(parents)} gradients from backward, one per parent"
        raise ShapeError(f"{expected}, such as return (grad,); got {found}")
    pairs = [(p, g) for p, g in zip(parents, grads, strict=True) if p.requires_grad and g is not None]
    for n, (parent, g) in enumerate(zip(parents, grads, strict=True)):
        if parent.requires_grad and g is not None and g.shape != parent.data.shape:
            expected = f"argument {n} of an op: expected a gradient of shape {parent.data.shape}"
            raise ShapeError(f"{expected}, got {g.shape}; check backward")
    for parent, _ in pairs:
        check_float_parameter(parent)
    # The result of float32 and float64 operands is float64. The gradient of the float32 operand is cast to float32.
    return [(p, g if p.data.dtype == node.data.dtype else g.astype(p.data.dtype)) for p, g in pairs]


def check_float_parameter(node: Node) -> None:
    """Raise ShapeError for a node that requires a gradient, but does not consist of floats."""
    if node.requires_grad and node.data.dtype.kind != "f":
        raise ShapeError(f"expected a parameter of floats, got {node.data.dtype}; assign floats to .data")


def _freed(_grad: Array) -> Sequence[Array | None]:
    raise GraphFreedError(
        "backward was already called on this graph, which freed it; compute the loss again, then call backward"
    )


def _children_before_parents(root: Node) -> list[Node]:
    """Return `root` and its ancestors in depth-first postorder. Raises GraphFreedError if a node was freed.

    The traversal is iterative, because deep graphs exceed the recursion limit of Python.
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
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
