"""Compilation for inference: folded batch norms, prepared weights and fused layers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from operator import is_
from typing import Any

from ..autodiff import Tensor, no_grad, op
from ..backend import Array, xp
from ..conv.fast import algorithms, fused
from ..conv.im2col import pair
from ..conv.plain import quaternion_to_real_kernel
from ..nn import Module
from ..threads import single_threaded_blas
from .module import GraphModule, as_graph
from .nodes import Graph, Node, Ref, Runtime, map_leaves, rename_refs, sizes
from .trace import owner_entries, trace


@op
def fused_conv2d(x: Tensor, w: Tensor, scale: Tensor, shift: Tensor, *, pool: bool) -> Tensor:
    """Return relu(scale · (w ⊗ x) + shift) without gradient, followed by average pooling 2 x 2 if `pool`.

    `x` is (N, H, W, C), and `w` is a real or quaternion convolution kernel. The padding keeps the size.
    """
    kernel = w.data if w.ndim == 5 else w.data[None]
    layer = fused.make_layer(kernel, scale.data, shift.data, pool=pool)
    return Tensor(fused.merge_components(fused.fused_conv2d(x.data[:, :, :, None], layer)))


def fold(graph: Graph | GraphModule, *, expand: bool = True) -> Graph:
    """Return a graph for inference, with equal outputs up to rounding.

    Dropout is removed. A convolution with stride 1, followed by a bias, a batch norm, a ReLU and average pooling 2 x 2,
    becomes one node; the ReLU is required, the others are optional. Other batch norms are folded into the weight of the
    real convolution or linear layer before them. If `expand`, a small quaternion linear layer becomes a real one. Other
    nodes do not change.
    """
    return _Folder(_without_dropout(as_graph(graph)), expand).run()


def _without_dropout(graph: Graph) -> Graph:
    names, nodes = dict[str, str](), list[Node]()
    for node in (replace(node, arguments=rename_refs(names, node.arguments)) for node in graph.nodes):
        if node.op.endswith("dropout") and node.arguments["train"] is not True:
            names[node.name] = node.arguments["x"].name
        else:
            nodes.append(node)
    return replace(graph, nodes=nodes, outputs=rename_refs(names, graph.outputs))


class _Folder:
    """State of `fold`: the new nodes and constants."""

    def __init__(self, graph: Graph, expand: bool) -> None:
        self.graph, self.arrays, self.kinds, self.expand = graph, dict(graph.arrays), dict(graph.kinds), expand
        self.consumers, self.by_name = graph.consumers(), {node.name: node for node in graph.nodes}
        self.nodes, self.done = list[Node](), set[str]()

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node.name not in self.done:
                self._fold_node(node)
        return replace(self.graph, nodes=self.nodes, arrays=self.arrays, kinds=self.kinds)

    def _fold_node(self, node: Node) -> None:
        weight = self.arrays.get(node.arguments["w"].name) if node.op == "quaternion_linear" and self.expand else None
        if weight is not None and algorithms.is_small(weight.shape):
            matrix = quaternion_to_real_kernel(weight[:, None, None])[0, 0]
            node = replace(node, op="linear", arguments=node.arguments | {"w": self._constant(node, "matrix", matrix)})
        if node.op == "BatchNorm" and len(node.shape) < 4 and self._is_inference(node) and not node.arguments["relu"]:
            scale, shift = self._scale_and_shift(node)
            self._affine(node.arguments["x"], node, scale, shift)
            return
        if node.op not in ("conv2d", "quaternion_conv2d", "linear") or node.arguments["w"].name not in self.arrays:
            self.nodes.append(node)
            return
        chain, scale, shift = self._epilogue(node)
        activation = self._next(chain[-1], "relu")
        relu = activation is not None or chain[-1].arguments.get("relu", False)
        if relu and node.op != "linear" and self._is_same_convolution(node):
            self._fuse(node, [*chain, activation] if activation else chain, scale, shift)
        elif len(chain) > 1 and "BatchNorm" in chain[-1].op and not node.op.startswith("quaternion"):
            self._scale_weight(node, chain, scale, shift)
        else:
            self.nodes.append(node)

    def _epilogue(self, node: Node) -> tuple[list[Node], Array, Array]:
        """Return a layer with the following bias and batch norm, and the scale and the shift of its channels."""
        weight, channels = self.arrays[node.arguments["w"].name], sizes(node.shape)[-1]
        chain, scale, shift = [node], xp.ones(channels, dtype=weight.dtype), xp.zeros(channels, dtype=weight.dtype)
        if node.arguments.get("bias") is not None:
            shift = self.arrays[node.arguments["bias"].name]
        bias = self._next(node, "add")
        if bias is not None:
            operands = [name for name in bias.refs() if name in self.arrays and self.arrays[name].shape == (channels,)]
            if operands:
                shift = shift + self.arrays[operands[0]]
                chain.append(bias)
        norm = self._next(chain[-1], "BatchNorm", "QuaternionBatchNorm")
        if norm is not None and self._is_inference(norm):
            factor, offset = self._scale_and_shift(norm)
            scale, shift = scale * factor, shift * factor + offset
            chain.append(norm)
        return chain, scale, shift

    def _is_inference(self, norm: Node) -> bool:
        return norm.arguments["train"] in (False, Runtime("train"))

    def _scale_and_shift(self, norm: Node) -> tuple[Array, Array]:
        """Return the scale and the shift of each channel of a batch norm in evaluation."""
        layer = {key: self.arrays[ref.name] for key, ref in norm.arguments["self"].items() if isinstance(ref, Ref)}
        variance = layer["running_var"]
        scale = layer["weight"] / xp.sqrt(variance + variance.dtype.type(norm.arguments["self"]["eps"]))
        scale = xp.tile(scale, len(layer["bias"]) // len(scale))
        return scale, layer["bias"] - layer["running_mean"] * scale

    def _next(self, node: Node, *ops: str) -> Node | None:
        """Return the only consumer of a node if it is one of `ops`."""
        users = self.consumers.get(node.name, [])
        found = self.by_name.get(users[0]) if len(users) == 1 else None
        return found if found is not None and found.op in ops else None

    def _is_same_convolution(self, node: Node) -> bool:
        kernel = self.graph.shape(node.arguments["w"].name)[-4:-2]
        options = {key: pair(node.arguments[key]) for key in ("stride", "dilation", "padding")}
        padding = tuple(int(n) // 2 for n in kernel if isinstance(n, int) and n % 2)
        unit = (1, 1)
        return options == {"stride": unit, "dilation": unit, "padding": padding} and node.arguments["groups"] == 1

    def _fuse(self, node: Node, chain: list[Node], scale: Array, shift: Array) -> None:
        pool = self._next(chain[-1], "avg_pool2d")
        if pool is not None and pool.arguments["kernel_size"] == 2:
            chain = [*chain, pool]
        arguments = {key: node.arguments[key] for key in ("x", "w")} | {"pool": chain[-1].op == "avg_pool2d"}
        arguments |= {key: self._constant(node, key, a) for key, a in (("scale", scale), ("shift", shift))}
        self._append(Node(chain[-1].name, "fused_conv2d", arguments, chain[-1].shape), chain)

    def _scale_weight(self, node: Node, chain: list[Node], scale: Array, shift: Array) -> None:
        arguments = node.arguments | {
            "w": self._constant(node, "scaled", self.arrays[node.arguments["w"].name] * scale)
        }
        if node.op == "linear":
            arguments["bias"] = None
        product = replace(node, name=f"{node.name}.product", arguments=arguments)
        self._append(product, chain)
        last = chain[-1]
        total = replace(last, name=f"{last.name}.sum") if last.arguments.get("relu", False) else last
        self._add(Ref(product.name), total, shift)
        if total is not last:
            self.nodes.append(Node(last.name, "relu", {"x": Ref(total.name)}, last.shape))

    def _affine(self, x: Ref, node: Node, scale: Array, shift: Array) -> None:
        product = f"{node.name}.product"
        operands = {"self": x, "other": self._constant(node, "scale", scale)}
        self.nodes.append(Node(product, "mul", operands, node.shape))
        self._add(Ref(product), node, shift)

    def _add(self, x: Ref, node: Node, shift: Array) -> None:
        operands = {"self": x, "other": self._constant(node, "shift", shift)}
        self.nodes.append(Node(node.name, "add", operands, node.shape))

    def _append(self, node: Node, chain: list[Node]) -> None:
        self.nodes.append(node)
        self.done.update(part.name for part in chain)

    def _constant(self, node: Node, key: str, array: Array) -> Ref:
        name = f"{node.name}.{key}.folded"
        self.arrays[name], self.kinds[name] = array, "constant"
        return Ref(name)


class _Split(Tensor):
    """Result of a fused convolution with an axis for the components, (N, H, W, P, C)."""

    __slots__ = ()


class _Runner(GraphModule):
    """Folded graph whose convolution kernels are prepared once, and whose fused nodes exchange split components."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._prepared = dict[str, fused.FusedConv2d]()
        split = {node.name for node in self.graph.nodes if node.op == "fused_conv2d"}
        self._merging = {node.name for node in self.graph.nodes if not split.isdisjoint(node.refs())}

    def _run(self, node: Node, arguments: dict[str, Any]) -> Tensor:
        if node.op != "fused_conv2d":
            arguments = map_leaves(_merged, arguments) if node.name in self._merging else arguments
            return super()._run(node, arguments)
        x, w, scale, shift = (arguments[key].data for key in ("x", "w", "scale", "shift"))
        if node.name not in self._prepared:
            kernel = w if w.ndim == 5 else w[None]
            self._prepared[node.name] = fused.make_layer(kernel, scale, shift, pool=arguments["pool"])
        x = x if isinstance(arguments["x"], _Split) else x[:, :, :, None]
        return _Split(fused.fused_conv2d(x, self._prepared[node.name]))


def _merged(value: Any) -> Any:
    return Tensor(fused.merge_components(value.data)) if isinstance(value, _Split) else value


class Compiled:
    """Network compiled for inference, called as the network and without gradients. See `compile`."""

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model, self.frontend_settings = model, getattr(model, "frontend_settings", None)
        self._places, self._modules = dict[str, tuple[Any, Any]](), list[Module]()
        self._contents = list[tuple[Any, list]]()  # containers of the model, and their items when they were read
        # shapes of the inputs -> graph with the arrays of the last fold, and the folded network
        self._compiled = dict[Any, tuple[Graph, _Runner]]()

    def __call__(self, *inputs: Any) -> Any:
        arrays = tuple(Tensor(item).data for item in inputs)
        runner = self.prepare(arrays)
        with no_grad(), single_threaded_blas():
            return map_leaves(_merged, runner(*arrays))

    def prepare(self, inputs: tuple[Array, ...]) -> _Runner:
        """Return the folded network for inputs of these shapes, with the present arrays of the model."""
        self._find_arrays()
        key = tuple((array.shape[1:], array.dtype) for array in inputs)
        if key not in self._compiled:
            example = tuple(a if len(a) else xp.zeros((1, *a.shape[1:]), a.dtype) for a in inputs)
            graph = as_graph(self.model) if type(self.model) is GraphModule else trace(self.model, example)
            self._compiled[key] = graph, _Runner(fold(graph))
        graph, runner = self._compiled[key]
        if any(self._present(name, array) is not array for name, array in graph.arrays.items()):
            graph = replace(graph, arrays={name: self._present(name, array) for name, array in graph.arrays.items()})
            runner = _Runner(fold(graph))
            self._compiled[key] = graph, runner
        return runner

    def _find_arrays(self) -> None:
        """Find the arrays of the model, and delete the traces if its modules or containers have changed."""
        if self._contents and all(_has_items(container, items) for container, items in self._contents):
            return
        owner = getattr(self.model, "__self__", self.model)
        self._contents = [(container, list(_items(container))) for container in _containers(owner, set())]
        modules = list(owner.modules()) if isinstance(owner, Module) else []
        places = {name: (container, key) for name, container, key, _ in owner_entries(self.model)}

        def identities(places: dict, modules: list) -> Any:
            return [(name, id(container)) for name, (container, _) in places.items()], list(map(id, modules))

        if identities(places, modules) != identities(self._places, self._modules):
            self._compiled.clear()
        self._places, self._modules = places, modules

    def _present(self, name: str, array: Array) -> Array:
        if name not in self._places:
            return array
        container, key = self._places[name]
        return container[key].data if isinstance(container[key], Tensor) else container[key]


def _containers(item: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the attributes of a module and of its submodules, and their nested lists, tuples and dicts."""
    container = vars(item) if isinstance(item, Module) else item
    if isinstance(container, dict | list | tuple) and id(container) not in seen:
        seen.add(id(container))
        yield container
        for each in _items(container):
            yield from _containers(each, seen)


def _items(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _has_items(container: Any, items: list) -> bool:
    """Return whether a container contains the same objects as `items`."""
    return len(container) == len(items) and all(map(is_, _items(container), items))


def compile(model: Callable[..., Any], example: Any = None) -> Compiled:
    """Return a network for inference whose outputs are equal to the outputs of `model` up to rounding.

    Parameters
    ----------
    model : any network or function of tensors, see `trace`
    example : an input (N, ...), or a tuple of inputs. Without example, the network is compiled at the first call for
        each size of the inputs

    The weights are prepared again after an array has been replaced by an optimizer, by `load_state_dict` or by a batch
    norm in training mode. In-place changes of an array are not detected. The network is traced again after a layer has
    been replaced. Other attributes, such as numbers, and variables of functions are read at compile time.

    Raises ConfigError and ShapeError as `trace` does.

    >>> import numpy as np; import quatnet as qn
    >>> net = qn.nn.Sequential(qn.nn.Conv2d(1, 4, rng=np.random.default_rng(0)), qn.nn.BatchNorm(4), qn.nn.ReLU())
    >>> compile(net, np.zeros((1, 8, 8, 1), np.float32))(np.zeros((2, 8, 8, 1), np.float32)).shape
    (2, 8, 8, 4)
    """
    compiled = Compiled(model)
    if example is not None:
        compiled.prepare(tuple(Tensor(item).data for item in (example if isinstance(example, tuple) else (example,))))
    return compiled
