"""The traced graph: operations of a network as data.

The arguments of a node are plain values, tuples, lists, dicts and slices of them, and the markers `Ref`, `Batch` and
`Runtime`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..backend import Array
from ..errors import ConfigError


class Ref(NamedTuple):
    """Reference to an input, an array of the graph or the result of a node, passed as a tensor or as an array."""

    name: str
    tensor: bool = True


class Batch(NamedTuple):
    """An integer that is `factor` times the batch size."""

    factor: int = 1


class Runtime(NamedTuple):
    """The argument `train` or `rng` of the call of a `GraphModule`."""

    name: str


Shape = tuple[int | Batch, ...]
DROPOUTS = ("dropout", "quaternion_dropout")  # operations that return their argument in evaluation


@dataclass(frozen=True)
class Node:
    """One call of an operation. `op` is a name in `autodiff.op.OPS`, and `shape` is the shape of the result."""

    name: str
    op: str
    arguments: dict[str, Any]
    shape: Shape

    def refs(self) -> list[str]:
        """Return the names of all referenced inputs, arrays and nodes, in the order of the arguments."""
        return [ref.name for ref in leaves(self.arguments) if isinstance(ref, Ref)]


@dataclass(repr=False)
class Graph:
    """The operations of a network, in the order of execution.

    Parameters
    ----------
    inputs : shape of each input by name
    nodes : the operations
    outputs : a reference to the result, or nested tuples, lists and dicts of references
    arrays : every parameter, buffer and constant by name
    kinds : "parameter" (trained), "fixed" (a tensor that is not trained), "buffer" or "constant" for each array
    notes : warnings about the trace, such as a branch that depends on values
    """

    inputs: dict[str, Shape]
    nodes: list[Node]
    outputs: Any
    arrays: dict[str, Array]
    kinds: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def shape(self, name: str) -> Shape:
        """Return the shape of an input, an array or the result of a node."""
        if name in self.arrays:
            return self.arrays[name].shape
        return self.inputs[name] if name in self.inputs else self.node(name).shape

    def node(self, name: str) -> Node:
        """Return the node with the given name. Raises ConfigError if there is no such node."""
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            raise ConfigError(f"expected a node among {', '.join(node.name for node in self.nodes)}, got {name!r}")
        return found

    def consumers(self) -> dict[str, list[str]]:
        """Return the names of the nodes that use each value. An output of the network has the consumer ""."""
        users: dict[str, list[str]] = {}
        for node in self.nodes:
            for name in node.refs():
                users.setdefault(name, []).append(node.name)
        for ref in leaves(self.outputs):
            users.setdefault(ref.name, []).append("")
        return users

    def __repr__(self) -> str:
        from .count import table

        return table(self)


def sizes(shape: Shape, batch: int = 1) -> tuple[int, ...]:
    """Return `shape` for a batch of the given size."""
    return tuple(length.factor * batch if isinstance(length, Batch) else length for length in shape)


def free_name(name: str, taken: Collection[str]) -> str:
    """Return `name`, with underscores at its end if the name is taken."""
    while name in taken:
        name += "_"
    return name


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Return `value` with `function` applied to every item of nested tuples, lists, dicts and slices."""
    if isinstance(value, slice):
        return slice(*(map_leaves(function, part) for part in (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        return {key: map_leaves(function, item) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(map_leaves(function, item) for item in value)
    return function(value)


def leaves(value: Any) -> Iterator[Any]:
    """Yield every item of nested tuples, lists, dicts and slices."""
    found: list[Any] = []
    map_leaves(found.append, value)
    yield from found


def rename_refs(names: Mapping[str, str], value: Any) -> Any:
    """Return `value` with the names of all references in `names` replaced."""
    return map_leaves(lambda x: Ref(names.get(x.name, x.name), x.tensor) if isinstance(x, Ref) else x, value)
