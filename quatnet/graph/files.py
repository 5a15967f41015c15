"""Graphs in `.npz` files: JSON for the nodes, and the arrays. Neither pickle nor an import by name is used."""

import inspect
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..autodiff.op import OPS
from ..backend import asnumpy, xp
from ..checks import checked_number
from ..errors import CheckpointError, ConfigError
from ..nn import BatchNorm, QuaternionBatchNorm, WhiteningBatchNorm
from ..npz import parse_json, read_npz, write_npz
from .module import GraphModule, as_graph
from .nodes import Batch, Graph, Node, Ref, Runtime, leaves

FORMAT = "quatnet graph 1"
MAX_LENGTH = 2**31 - 1  # of one axis
KINDS = ("parameter", "fixed", "buffer", "constant")
NORMS = {norm.__name__: norm for norm in (BatchNorm, QuaternionBatchNorm, WhiteningBatchNorm)}
MARKERS: dict[str, Any] = {
    "ref": lambda value: Ref(*_typed(value, str, bool)),
    "batch": lambda value: Batch(*_typed([value], int)),
    "runtime": lambda value: Runtime(*_typed([value], str)),
    "tuple": lambda value: tuple(map(decode, value)),
    "dict": lambda value: {key: decode(item) for key, item in value.items()},
    "slice": lambda value: slice(*_slice_parts(value)),
    "ellipsis": lambda value: ...,
    "float": float,
}


class UnknownOp(ValueError):
    """Exception for a node whose op no imported module defines."""


def save(graph: Graph | GraphModule, path: str | os.PathLike) -> None:
    """Write a graph, or a `GraphModule` with the present values of its arrays, to a file.

    The file is complete or not written at all. Raises DataError if it cannot be written.
    """
    graph = as_graph(graph)
    text = json.dumps({"format": FORMAT, **to_json(graph)}, allow_nan=False)
    arrays: dict[str, Any] = {f"array/{name}": asnumpy(array) for name, array in graph.arrays.items()}
    write_npz(path, {"graph": np.array(text)} | arrays)


def load(path: str | os.PathLike) -> GraphModule:
    """Return the network of a file as a module, without the class that built the network.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, not the file of a graph, or has an invalid node. The sizes of all arrays are
        checked before memory is allocated.

    >>> import numpy as np; from quatnet import graph, nn
    >>> net = nn.Linear(4, 2, rng=np.random.default_rng(0))
    >>> save(graph.trace(net, np.zeros((1, 4), np.float32)), "/tmp/net.npz")
    >>> load("/tmp/net.npz")(np.zeros((5, 4), np.float32)).shape
    (5, 2)
    """
    arrays = read_npz(path)
    if "header" in arrays:
        raise CheckpointError(f"{path} is a checkpoint of training; use training.load_model")
    try:
        header = parse_json(str(arrays.pop("graph")))
        if header["format"] != FORMAT:
            raise ValueError(f"expected the format {FORMAT!r}, got {header['format']!r:.80}")
        return GraphModule(from_json(header, {name.removeprefix("array/"): a for name, a in arrays.items()}))
    except UnknownOp as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a valid graph file: {type(error).__name__}: {error!s:.500}") from error


def to_json(graph: Graph) -> dict[str, Any]:
    """Return a graph without its arrays as JSON-compatible values."""
    nodes = [{key: encode(value) for key, value in vars(node).items()} for node in graph.nodes]
    parts = {key: encode(getattr(graph, key)) for key in ("inputs", "outputs", "kinds", "notes")}
    return {"nodes": nodes, **parts}


def from_json(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Graph:
    """Return the graph of `to_json` with the given arrays. Raises ValueError for an invalid node or array."""
    inputs, outputs, kinds, notes = (decode(header[key]) for key in ("inputs", "outputs", "kinds", "notes"))
    nodes = [Node(**{key: decode(value) for key, value in node.items()}) for node in header["nodes"]]
    if kinds.keys() != arrays.keys() or not set(kinds.values()) <= set(KINDS):
        raise ValueError(f"expected the arrays {', '.join(kinds)}, got {', '.join(arrays)}")
    for name, shape in [*inputs.items(), *((node.name, node.shape) for node in nodes)]:
        _check_shape(name, shape)
    graph = Graph(inputs, nodes, outputs, {name: xp.asarray(array) for name, array in arrays.items()}, kinds, notes)
    known = set(graph.inputs) | set(graph.arrays)
    for node in graph.nodes:
        try:
            _check_node(node, known, graph)
        except ConfigError as error:
            raise ValueError(f"node {node.name}: {error}") from error
        known.add(node.name)
    if unknown := [ref for ref in leaves(outputs) if not isinstance(ref, Ref) or ref.name not in known]:
        raise ValueError(f"outputs: expected results of nodes, got {unknown[0]}")
    return graph


def _check_node(node: Node, known: set[str], graph: Graph) -> None:
    """Raise ValueError unless a node has a new name, a known op, its arguments, and references to earlier values."""
    if node.op not in OPS:
        raise UnknownOp(f"node {node.name}: unknown op; import the module that defines {node.op!r} before load")
    if node.name in known:
        raise ValueError(f"node {node.name}: the name is used twice")
    parameters = inspect.signature(OPS[node.op]).parameters
    if list(node.arguments) != list(parameters):
        raise ValueError(f"node {node.name}: expected the arguments {list(parameters)}, got {list(node.arguments)}")
    if unknown := [name for name in node.refs() if name not in known]:
        raise ValueError(f"node {node.name}: {unknown[0]} is not an input, an array or an earlier node")
    for key, parameter in parameters.items():
        _check_argument(node, key, parameter)
    layer = node.arguments.get("self")
    settings = node.arguments | (layer if isinstance(layer, dict) else {})
    checked_number("eps", settings.get("eps", 1.0), "[0, inf)")
    if isinstance(layer, dict) and node.op in NORMS:
        _check_norm(node, layer, graph)
    variance = settings.get("running_var")
    if isinstance(variance, Ref) and not (graph.arrays[variance.name] >= 0).all():
        raise ValueError(f"node {node.name}: running_var has negative entries or NaN")


def _check_norm(node: Node, layer: dict[str, Any], graph: Graph) -> None:
    """Raise ValueError unless a norm has the settings of a new layer, and arrays of the same shapes."""
    if not isinstance(mean := layer.get("running_mean"), Ref):
        raise ValueError(f"node {node.name}, running_mean: expected a reference to a buffer, got {mean!r:.80}")
    settings = {key: layer.get(key) for key in ("eps", "momentum")}
    new = NORMS[node.op](math.prod(graph.arrays[mean.name].shape), **settings)  # type: ignore[arg-type]
    for key, value in vars(new).items():
        item, buffer = layer.get(key), isinstance(value, xp.ndarray)
        if buffer or isinstance(value, Tensor):
            expected = f"a reference to a {'buffer' if buffer else 'tensor'} of shape {value.shape}"
            ref = item if isinstance(item, Ref) else Ref("", tensor=buffer)
            is_buffer = graph.kinds.get(ref.name) == "buffer"
            valid = ref.tensor != buffer and is_buffer == buffer and graph.shape(ref.name) == value.shape
        else:
            expected, valid = "true or false", key in settings or isinstance(item, bool)
        if not valid:
            raise ValueError(f"node {node.name}, {key}: expected {expected}, got {item!r:.80}")


def _check_shape(name: str, shape: Any) -> None:
    lengths = [n.factor if isinstance(n, Batch) else n for n in shape] if isinstance(shape, tuple) else [None]
    if not all(type(n) is int and 0 <= n <= MAX_LENGTH for n in lengths):
        raise ValueError(f"{name}, shape: expected a tuple of lengths up to {MAX_LENGTH}, got {shape!r:.80}")


def _check_argument(node: Node, key: str, parameter: inspect.Parameter) -> None:
    """Raise ValueError unless a layer is a dict, a tensor a reference or a list of references, and a flag a boolean.

    Integers are also accepted as flags, because a traced network may pass 0 or 1.
    """
    value, kind = node.arguments[key], str(parameter.annotation)
    if unknown := [item for item in leaves(value) if isinstance(item, Runtime) and item.name not in ("train", "rng")]:
        raise ValueError(f"node {node.name}, {key}: expected the runtime argument train or rng, got {unknown[0]!r:.80}")
    if key == "self" and "Tensor" not in kind and OPS[node.op].__module__ != Tensor.__module__:  # a layer
        valid, expected = isinstance(value, dict), "a dict"
    elif key == "self" or "Tensor" in kind:
        items = value if "Sequence" in kind and isinstance(value, list | tuple) else [value]
        is_reference = all(isinstance(item, Ref) and (item.tensor or key != "self") for item in items)
        valid, expected = is_reference or (value is None and "None" in kind), "a reference"
    elif parameter.annotation is bool:
        valid, expected = isinstance(value, int | Runtime), "true or false"
    else:
        return
    if not valid:
        raise ValueError(f"node {node.name}, {key}: expected {expected}, got {value!r:.80}")


def encode(value: Any) -> Any:
    """Return an argument of a node as a JSON-compatible value. A value that JSON does not have is {type: value}."""
    if isinstance(value, Ref):
        return {"ref": list(value)}
    if isinstance(value, Batch | Runtime):
        return {type(value).__name__.lower(): value[0]}
    if isinstance(value, tuple):
        return {"tuple": list(map(encode, value))}
    if isinstance(value, dict):
        return {"dict": {key: encode(item) for key, item in value.items()}}
    if isinstance(value, slice):
        return {"slice": [encode(part) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": str(value)}
    return list(map(encode, value)) if isinstance(value, list) else {"ellipsis": True} if value is ... else value


def decode(value: Any) -> Any:
    """Return the argument of `encode`. Raises ValueError for an unknown type."""
    if isinstance(value, list):
        return list(map(decode, value))
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not value.keys() <= MARKERS.keys():
        raise ValueError(f"expected one type among {', '.join(MARKERS)}, got {value!s:.80}")
    ((kind, content),) = value.items()
    return MARKERS[kind](content)


def _typed(values: list, *types: type) -> list:
    if list(map(type, values)) != list(types):
        raise ValueError(f"expected {[kind.__name__ for kind in types]}, got {values!r:.80}")
    return values


def _slice_parts(values: list) -> list:
    parts = list(map(decode, values))
    if len(parts) != 3 or not all(part is None or isinstance(part, int | Batch) for part in parts):
        raise ValueError(f"expected three integers in a slice, got {values!r:.80}")
    return parts
