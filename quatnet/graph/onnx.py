"""Export of a graph to an ONNX file, with dynamic batch size (opset 17)."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..audio import FrontEnd
from ..backend import asnumpy
from ..checks import checked_type
from ..errors import ConfigError, import_optional
from ..files import atomic_write
from . import onnx_frontend
from .fold import fold
from .module import GraphModule, as_graph
from .nodes import Batch, Graph, Node, Ref, Shape, leaves, sizes
from .onnx_ops import ARITHMETIC, EXPORTERS

OPSET, IR_VERSION = 17, 8  # the oldest versions with all operators, which most runtimes read
ACTIVATIONS = {"softmax": "Softmax", "sigmoid": "Sigmoid"}


class Builder:
    """ONNX nodes and constants of a graph.

    A value with an image layout has one or two ONNX names: channels last (`last`), as in quatnet, and channels first
    (`first`), as ONNX convolutions need it. A transposition is added only when a layout is missing.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.nodes, self.constants = graph, list[Any](), dict[str, np.ndarray]()
        self.last, self.first = {name: name for name in graph.inputs}, dict[str, str]()

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add an ONNX node, and return the name of its output, or a list of names."""
        from onnx import helper

        names = [f"value/{len(self.nodes)}/{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """Add a constant, and return its name."""
        name = f"constant/{len(self.constants)}"
        self.constants[name] = np.array(array, dtype=dtype, order="C")
        return name

    def integers(self, *values: int) -> str:
        """Add a constant of integers, and return its name."""
        return self.constant(values, np.int64)

    def array(self, ref: Ref) -> np.ndarray:
        """Return a parameter, buffer or constant of the graph. Raises ConfigError if `ref` is a result."""
        if ref.name not in self.graph.arrays:
            raise ConfigError(f"no ONNX export of an operation whose weight is the result {ref.name}")
        return asnumpy(self.graph.arrays[ref.name])

    def value(self, ref: Any, *, first: bool = False) -> str:
        """Return the ONNX name of an argument, with channels last or channels first."""
        if isinstance(ref, Batch):
            batch = self.node("Gather", self.node("Shape", self.last[next(iter(self.graph.inputs))]), self.integers(0))
            return self.node("Mul", self.node("Cast", batch, to=1), self.constant(ref.factor))  # 1 is float32
        if not isinstance(ref, Ref):
            return self.constant(ref)
        if ref.name in self.graph.arrays:
            array = asnumpy(self.graph.arrays[ref.name])
            return self.constant(np.moveaxis(array, -1, 1) if first and array.ndim > 2 else array)
        names, others = (self.first, self.last) if first else (self.last, self.first)
        if ref.name not in names:
            axes = list(range(len(self.shape(ref))))
            order = [0, axes[-1], *axes[1:-1]] if first else [0, *axes[2:], 1]
            names[ref.name] = self.node("Transpose", others[ref.name], perm=order)
        return names[ref.name]

    def is_first(self, ref: Ref) -> bool:
        """Return whether a value is available with channels first only."""
        return ref.name in self.first and ref.name not in self.last

    def shape(self, ref: Ref) -> Shape:
        """Return the shape of a value of the graph."""
        return self.graph.shape(ref.name)


def to_onnx(
    graph: Graph | GraphModule,
    path: str | os.PathLike,
    *,
    frontend: FrontEnd | None = None,
    classes: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    activation: str | None = None,
) -> None:
    """Write a network for inference to an ONNX file.

    The weights of a quaternion layer are stored once. The block matrix of the four components is built by ONNX nodes,
    which ONNX Runtime evaluates when it loads the file. All numbers are float32.

    Parameters
    ----------
    graph : graph of the network, or a `GraphModule`
    path : file to write. The input is named "input", and several inputs as the arguments of the network. The output is
        named "logits", and several outputs by key, or "output_0", "output_1" and so on
    frontend : front end to include. The input of the file is then a waveform (N, frontend.samples) at the sample rate
        of the front end, and the default of `activation` is "softmax" for a network with one output
    classes : names of the classes, as many as the outputs. The names are stored in the metadata, with the sample rate
        in Hz and the clip length in seconds
    metadata : further values to store in the metadata, as JSON
    activation : "softmax" or "sigmoid" to return probabilities instead of logits, for a network with one output

    Raises
    ------
    ConfigError
        An operation has no ONNX export, dropout is active in evaluation, the front end does not fit the network,
        the number of classes is not that of the outputs, or there are several outputs with an activation.
    MissingPackageError
        The package onnx is not installed.
    """
    onnx = import_optional("onnx", "to_onnx needs the package onnx: pip install quatnet-numpy[onnx]")
    graph = as_graph(graph)
    builder = Builder(fold(graph, expand=False))
    inputs = {name: ("N", *sizes(shape)[1:]) for name, shape in graph.inputs.items()}
    if frontend is not None:
        checked_type("frontend", frontend, FrontEnd)
        inputs = {"waveform": ("N", frontend.samples)}
        for name, shape in graph.inputs.items():
            builder.last[name] = onnx_frontend.add(builder, "waveform", frontend, shape)
    for node in builder.graph.nodes:
        _export_node(builder, node)
    names = [f"output_{name}" if name in inputs else name for name in _output_names(builder.graph.outputs)]
    if len(set(names)) < len(names):
        raise ConfigError(f"expected different names of the outputs, got {', '.join(names)}; rename the keys")
    outputs = list(leaves(builder.graph.outputs))
    if activation and len(outputs) > 1:
        raise ConfigError(f"expected one output for activation={activation!r}, got {', '.join(names)}")
    if frontend is not None and len(outputs) == 1:
        activation = activation or "softmax"
    lengths = [builder.shape(ref)[-1:] for ref in outputs]
    if len(checked_type("classes", classes, Collection)) and (len(classes),) not in lengths:
        raise ConfigError(f"expected as many classes as outputs, {lengths}, got {len(classes)} classes")
    outputs = [_output(builder, ref, name, activation) for ref, name in zip(outputs, names, strict=True)]
    properties = {"classes": json.dumps(list(map(str, classes)))} if len(classes) else {}
    properties |= {key: json.dumps(value) for key, value in (metadata or {}).items()}
    if frontend is not None:
        properties |= {"sample_rate_hz": str(frontend.sample_rate_hz), "clip_seconds": str(frontend.clip_seconds)}
    model = _model(builder, inputs, outputs, properties)
    onnx.checker.check_model(model, full_check=True)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


def _export_node(builder: Builder, node: Node) -> None:
    if node.op not in EXPORTERS or node.arguments.get("train") is True:
        hint = "; add it to EXPORTERS of quatnet/graph/onnx_ops.py, see docs/adding-an-op.md"
        raise ConfigError(f"no ONNX export of the operation {node.op} ({node.name}){hint}")
    if node.op not in (*ARITHMETIC, "reshape") and any(isinstance(item, Batch) for item in leaves(node.arguments)):
        raise ConfigError(f"no ONNX export of {node.op} with the batch size as an argument ({node.name})")
    EXPORTERS[node.op](builder, node)


def _output_names(outputs: Any, name: str = "") -> list[str]:
    """Return a name for each output: keys of dicts and positions, or "logits" for one tensor."""
    if isinstance(outputs, dict):
        pairs = [(f"{name}_{key}" if name else str(key), item) for key, item in outputs.items()]
    elif type(outputs) in (tuple, list):
        pairs = [(f"{name or 'output'}_{n}", item) for n, item in enumerate(outputs)]
    else:
        return [name or "logits"]
    return [found for key, item in pairs for found in _output_names(item, key)]


def _output(builder: Builder, ref: Ref, name: str, activation: str | None) -> tuple[str, list[Any]]:
    """Add an output, and return its name and shape."""
    if activation not in (None, *ACTIVATIONS):
        raise ConfigError(f"expected activation softmax, sigmoid or None, got {activation!r}")
    builder.node(ACTIVATIONS[activation] if activation else "Identity", builder.value(ref))
    builder.nodes[-1].output[0] = name
    lengths = ["N" if n == Batch() else None if isinstance(n, Batch) else n for n in builder.shape(ref)]
    return name, lengths


def _model(builder: Builder, inputs: dict, outputs: list, metadata: dict[str, str]) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    def info(name: str, shape: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    constants = [numpy_helper.from_array(array, name) for name, array in builder.constants.items()]
    sources, results = ([info(*pair) for pair in pairs] for pairs in (inputs.items(), outputs))
    graph = helper.make_graph(builder.nodes, "quatnet", sources, results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, metadata)
    return model
