"""The tape: which results came from which, and the walk back through them.

A `Node` remembers its parents, and a function that turns the gradient of its result into one gradient per
parent. `walk` applies the chain rule once, children before parents, and frees the graph on the way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from ..backend import Array, xp
from ..errors import GraphFreedError, ShapeError

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


class Node:
    """An array with a place in the graph: a leaf, which collects `.grad`, or the result of an operation."""

    __slots__ = ("__weakref__", "_backward", "_parents", "data", "grad", "requires_grad")

    def __init__(self, data: Array, requires_grad: bool) -> None:
        self.data = data
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self._parents: tuple[Node, ...] = ()
        self._backward: Backward | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def _record(self, parents: Sequence["Node"], backward: Backward) -> None:
        """Remember where this result came from, if anybody will ask."""
        for parent in parents:
            data_of(parent)
        if _recording.get() and any(parent.requires_grad for parent in parents):
            self.requires_grad = True
            self._parents, self._backward = tuple(parents), backward


def data_of(node: Node) -> Array:
    """Return the array of a tensor. Raises ShapeError for what is none."""
    if not isinstance(node, Node):
        raise ShapeError(f"expected a Tensor, got {type(node).__name__}; wrap it: Tensor(array)")
    return node.data


def walk(root: Node, g: Array) -> None:
    """Add d(root)/d(leaf), contracted with `g`, to `.grad` of every leaf, and free the graph."""
    pending = {id(root): g}
    order = _children_before_parents(root)
    while order:
        node = order.pop()
        for parent, part in _send(node, pending.pop(id(node), None)):
            key = id(parent)
            pending[key] = pending[key] + part if key in pending else part


def _send(node: Node, g: Array | None) -> list[tuple[Node, Array]]:
    """A leaf keeps `g`; a result turns it into the gradients of its parents, and then forgets them."""
    parents, backward = node._parents, node._backward
    if backward is None:
        if g is not None:  # copied, because g may be the caller's array or shared with another leaf
            node.grad = xp.array(g if node.grad is None else node.grad + g)
        return []
    node._parents, node._backward = (), _freed
    parts = [None] * len(parents) if g is None else backward(g)
    if len(parts) != len(parents):
        raise ShapeError(f"expected one gradient per parent, {len(parents)}, from backward; got {len(parts)}")
    wanted = [(p, part) for p, part in zip(parents, parts, strict=True) if p.requires_grad and part is not None]
    # where float32 and float64 met, the result was float64; the gradient of a float32 tensor is float32 again
    return [(p, part if p.data.dtype == node.data.dtype else part.astype(p.data.dtype)) for p, part in wanted]


def _freed(_g: Array) -> Sequence[Array | None]:
    raise GraphFreedError(
        "backward went through this graph already and freed it; compute the loss again, then call backward"
    )


def _children_before_parents(root: Node) -> list[Node]:
    """Depth first, without recursion; to be popped from the end. Raises if a part was freed already."""
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
