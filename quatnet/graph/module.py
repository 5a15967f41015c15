"""Execution of a graph as a module."""

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..autodiff.op import OPS
from ..backend import Array
from ..errors import ConfigError, ShapeError
from ..nn import Module
from ..nn.module import array_of
from .nodes import Batch, Graph, Node, Ref, Runtime, leaves, map_leaves, sizes
from .record import input_array


class GraphModule(Module):
    """Network that runs the nodes of a graph, in training or evaluation, without the class that built the network.

    The module has copies of the arrays of the graph, under the same names as in the traced network. Arrays that the
    network does not use, and further names of shared arrays, are not part of the module. Results and
    gradients are equal to those of the traced network bit for bit. A call returns the outputs of the graph. Raises
    ShapeError unless the inputs have the shapes of the graph, with any batch size.

    >>> import numpy as np; from quatnet import graph, nn
    >>> net = nn.Linear(4, 2, rng=np.random.default_rng(0))
    >>> copy = GraphModule(graph.trace(net, np.zeros((1, 4), np.float32)))
    >>> copy(np.zeros((5, 4), np.float32)).shape, list(copy.state_dict())
    ((5, 2), ['weight', 'bias'])
    """

    def __init__(self, graph: "Graph | GraphModule") -> None:
        # front end of the training clips, see FrontEnd.settings
        self.frontend_settings: dict[str, Any] | None = getattr(graph, "frontend_settings", None)
        self.graph = graph = as_graph(graph)
        self.values = {name: _value(array.copy(), graph.kinds[name]) for name, array in graph.arrays.items()}
        # layer, or "" for `values`, and key of each array; names instead of objects, so that a copy is independent
        self._places: dict[str, tuple[str, str]] = {name: ("", name) for name in self.values}
        self._layers = dict[str, SimpleNamespace]()
        self._unused = _unused_after(graph)
        # arguments without references to inputs and results are the same in every call
        self._constant = {node.name: self._constant_arguments(node) for node in graph.nodes}
        self._changing = {
            node.name: [(key, item) for key, item in node.arguments.items() if key not in self._constant[node.name]]
            for node in graph.nodes
        }

    def __call__(self, *inputs: Any, train: bool = False, rng: np.random.Generator | None = None) -> Any:
        values, batch = self._inputs(inputs)
        runtime = {"train": train, "rng": rng}

        def decode(item: Any) -> Any:
            if isinstance(item, Ref) and item.name in values:
                return values[item.name]
            if isinstance(item, Batch):
                return item.factor * batch
            return runtime[item.name] if isinstance(item, Runtime) else self._decode(item)

        for node in self.graph.nodes:
            changing = {
                key: decode(x) if type(x) is Ref else map_leaves(decode, x) for key, x in self._changing[node.name]
            }
            values[node.name] = self._run(node, self._constant[node.name] | changing)
            for name in self._unused[node.name]:
                del values[name]
        return map_leaves(decode, self.graph.outputs)

    def _decode(self, item: Any) -> Any:
        """Return a tensor or array in place of a reference to an array of the graph."""
        if not isinstance(item, Ref):
            return item
        container, key = self._place(item.name)
        value = container[key]
        return Tensor(value) if item.tensor and not isinstance(value, Tensor) else value

    def _place(self, name: str) -> tuple[dict, str]:
        layer, key = self._places[name]
        return (vars(self._layers[layer]) if layer else self.values), key

    def _constant_arguments(self, node: Node) -> dict[str, Any]:
        """Return the arguments of a node that are the same in every call. A layer becomes an object with its state."""
        arguments = {key: value for key, value in node.arguments.items() if all(map(self._is_constant, leaves(value)))}
        result = {key: map_leaves(self._decode, value) for key, value in arguments.items()}
        layer = node.arguments.get("self")
        if isinstance(layer, dict):  # several nodes of one layer have one state
            for item in layer.values():
                if isinstance(item, Ref) and item.name not in self._places:
                    advice = "call the op of `quatnet.ops` instead of the layer"
                    raise ConfigError(f"the layer {node.name} has the result {item.name} as a parameter; {advice}")
            buffers = {item.name: key for key, item in layer.items() if isinstance(item, Ref) and not item.tensor}
            new = SimpleNamespace(**{key: self._decode(item) for key, item in layer.items()})
            name = "/".join(item.name for item in layer.values() if isinstance(item, Ref)) if buffers else node.name
            result["self"] = self._layers.setdefault(name, new)
            self._places |= {buffer: (name, key) for buffer, key in buffers.items()}
        return result

    def _is_constant(self, item: Any) -> bool:
        known = not isinstance(item, Ref) or self.graph.kinds.get(item.name, "buffer") != "buffer"
        return known and not isinstance(item, Batch | Runtime)

    @property
    def graph_layers(self) -> list[SimpleNamespace]:
        """Layers with a state of their own, such as batch norms, in the order of the graph."""
        return list(self._layers.values())

    def with_features(self, node: str) -> "GraphModule":
        """Return a module with the same parameters that returns (outputs, result of `node`).

        Raises ConfigError if the graph has no such node.
        """
        module = copy.copy(self)
        module.graph = replace(self.graph, outputs=(self.graph.outputs, Ref(self.graph.node(node).name)))
        module._unused = _unused_after(module.graph)
        return module

    def current_graph(self) -> Graph:
        """Return the graph with the present values of all arrays."""
        places = {name: self._place(name) for name in self._places}
        present = {name: container[key] for name, (container, key) in places.items()}
        arrays = {name: array_of(value) for name, value in present.items()}
        trained = {name: value.requires_grad for name, value in present.items() if isinstance(value, Tensor)}
        kinds = {name: "parameter" if requires_grad else "fixed" for name, requires_grad in trained.items()}
        return replace(self.graph, arrays=arrays, kinds=self.graph.kinds | kinds)

    def _run(self, node: Node, arguments: dict[str, Any]) -> Tensor:
        if node.op not in OPS:
            raise ConfigError(f"the op {node.op!r} is not known; import the module that defines it")
        return OPS[node.op](**arguments)

    def _inputs(self, inputs: tuple[Any, ...]) -> tuple[dict[str, Tensor], int]:
        """Return the inputs as tensors, and the batch size."""
        weights = [] if all(isinstance(item, Tensor) for item in inputs) else [item for *_, item in self._entries()]
        tensors = [item if isinstance(item, Tensor) else Tensor(input_array(item, weights)) for item in inputs]
        shapes = self.graph.inputs
        batch = len(tensors[0]) if tensors and tensors[0].shape else 1
        if [tensor.shape for tensor in tensors] != [sizes(shape, batch) for shape in shapes.values()]:
            expected = ", ".join(format_shape(shape) for shape in shapes.values())
            raise ShapeError(f"expected inputs of shape {expected}, got {[tensor.shape for tensor in tensors]}")
        return dict(zip(shapes, tensors, strict=True)), batch

    def _entries(self, prefix: str = "", parents: tuple[int, ...] = ()) -> Any:
        for name in self._places:
            if self.graph.kinds[name] != "constant":
                container, key = self._place(name)
                yield f"{prefix}{name}", container, key, container[key]


def as_graph(network: Graph | GraphModule) -> Graph:
    """Return a graph, or the graph of a `GraphModule` with its present arrays. Raises ConfigError for other types."""
    if isinstance(network, GraphModule):
        return network.current_graph()
    if not isinstance(network, Graph):
        name = type(network).__name__
        raise ConfigError(f"expected a Graph or GraphModule, got {name}; call graph.trace(model, example) first")
    return network


def _value(array: Array, kind: str) -> Any:
    return Tensor(array, requires_grad=kind == "parameter") if kind in ("parameter", "fixed") else array


def _unused_after(graph: Graph) -> dict[str, list[str]]:
    """Return the inputs and results that no later node needs, for each node."""
    kept = {*graph.arrays, *(ref.name for ref in leaves(graph.outputs))}
    last = {name: node.name for node in graph.nodes for name in (node.name, *node.refs())}
    unused: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for name in last.keys() - kept:
        unused[last[name]].append(name)
    return unused


def format_shape(shape: Any) -> str:
    """Return a shape as text, with N for the batch size."""
    lengths = [("" if n.factor == 1 else str(n.factor)) + "N" if isinstance(n, Batch) else str(n) for n in shape]
    return f"({', '.join(lengths)})"
