"""Folding of a graph for inference: fused layers, and batch norms folded into weights."""

from collections.abc import Mapping
from dataclasses import replace

from ..autodiff import Tensor, op
from ..backend import Array, xp
from ..conv.fast import algorithms, fused
from ..conv.im2col import pair
from ..conv.plain import quaternion_to_real_kernel
from .module import GraphModule, as_graph
from .nodes import DROPOUTS, Graph, Node, Ref, Runtime, free_name, leaves, rename_refs, sizes


@op
def fused_conv2d(x: Tensor, w: Tensor, scale: Tensor, shift: Tensor, *, pool: bool) -> Tensor:
    """Return relu(scale · (w ⊗ x) + shift) without gradient, followed by average pooling 2 x 2 if `pool`.

    `x` is (N, H, W, C), and `w` is a real or quaternion convolution kernel. The padding keeps the size.
    """
    layer = fused.make_layer(w.data, scale.data, shift.data, pool=pool)
    return Tensor(fused.merge_components(fused.fused_conv2d(x.data[:, :, :, None], layer)))


def fold(graph: Graph | GraphModule, *, expand: bool = True) -> Graph:
    """Return a graph for inference, with equal outputs up to rounding.

    Dropout is removed. A convolution with stride 1, followed by a bias, a batch norm, a ReLU and average pooling 2 x 2,
    becomes one node; the ReLU is required, the others are optional. Other batch norms are folded into the weight of the
    real convolution or linear layer before them. If `expand`, a small quaternion linear layer becomes a real one. Other
    nodes do not change.
    """
    return _Folder(_without_dropout(as_graph(graph)), expand).run()


def scale_and_shift(arrays: Mapping[str, Array], norm: Node) -> tuple[Array, Array]:
    """Return the scale and the shift of each channel of a batch norm in evaluation."""
    layer = {key: arrays[ref.name] for key, ref in norm.arguments["self"].items() if isinstance(ref, Ref)}
    variance = layer["running_var"]
    scale = layer["weight"] / xp.sqrt(variance + variance.dtype.type(norm.arguments["self"]["eps"]))
    scale = xp.tile(scale, len(layer["bias"]) // len(scale))
    return scale, layer["bias"] - layer["running_mean"] * scale


def _without_dropout(graph: Graph) -> Graph:
    names, nodes = dict[str, str](), list[Node]()
    for node in (replace(node, arguments=rename_refs(names, node.arguments)) for node in graph.nodes):
        if node.op in DROPOUTS and node.arguments["train"] is not True:
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
            self._affine(node.arguments["x"], node, *scale_and_shift(self.arrays, node))
            return
        operands = [ref for ref in map(node.arguments.get, ("w", "bias")) if ref is not None]
        is_layer = node.op in ("conv2d", "quaternion_conv2d", "linear")
        if not is_layer or not all(ref.name in self.arrays for ref in operands):  # an operand may be a result
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
            refs = [ref for ref in leaves(bias.arguments) if isinstance(ref, Ref) and ref.name in self.arrays]
            refs = [ref for ref in refs if self.arrays[ref.name].shape == (channels,)]
            if refs:
                array = self.arrays[refs[0].name]  # the dtype of an array becomes that of the layer
                shift = shift + (array if refs[0].tensor else array.astype(weight.dtype))
                chain.append(bias)
        norm = self._next(chain[-1], "BatchNorm", "QuaternionBatchNorm")
        if norm is not None and self._is_inference(norm):
            factor, offset = scale_and_shift(self.arrays, norm)
            scale, shift = scale * factor, shift * factor + offset
            chain.append(norm)
        return chain, scale, shift

    def _is_inference(self, norm: Node) -> bool:
        refs = [ref for ref in norm.arguments["self"].values() if isinstance(ref, Ref)]
        is_known = all(ref.name in self.arrays for ref in refs)  # no result of an operation
        return norm.arguments["train"] in (False, Runtime("train")) and is_known

    def _next(self, node: Node, *ops: str) -> Node | None:
        """Return the only consumer of a node if it is one of `ops`."""
        users = self.consumers.get(node.name, [])
        found = self.by_name.get(users[0]) if len(users) == 1 else None
        return found if found is not None and found.op in ops else None

    def _is_same_convolution(self, node: Node) -> bool:
        kernel, groups = self.arrays[node.arguments["w"].name].shape[-4:-2], node.arguments["groups"]
        stride, dilation, padding = (pair(node.arguments[key]) for key in ("stride", "dilation", "padding"))
        is_same = padding == tuple(n // 2 for n in kernel) and all(n % 2 for n in kernel)
        return is_same and stride == dilation == (1, 1) and groups == 1

    def _fuse(self, node: Node, chain: list[Node], scale: Array, shift: Array) -> None:
        pool = self._next(chain[-1], "avg_pool2d")
        if pool is not None and pool.arguments["kernel_size"] == 2:
            chain = [*chain, pool]
        arguments = {key: node.arguments[key] for key in ("x", "w")}
        arguments |= {key: self._constant(node, key, a) for key, a in (("scale", scale), ("shift", shift))}
        arguments |= {"pool": chain[-1].op == "avg_pool2d"}
        self._append(Node(chain[-1].name, "fused_conv2d", arguments, chain[-1].shape), chain)

    def _scale_weight(self, node: Node, chain: list[Node], scale: Array, shift: Array) -> None:
        w = self._constant(node, "scaled", self.arrays[node.arguments["w"].name] * scale)
        bias = {"bias": None} if node.op == "linear" else {}
        product = replace(node, name=self._free(f"{node.name}.product"), arguments=node.arguments | {"w": w} | bias)
        self._append(product, chain)
        last = chain[-1]
        total = replace(last, name=self._free(f"{last.name}.sum")) if last.arguments.get("relu", False) else last
        self._add(Ref(product.name), total, shift)
        if total is not last:
            self.nodes.append(Node(last.name, "relu", {"x": Ref(total.name)}, last.shape))

    def _affine(self, x: Ref, node: Node, scale: Array, shift: Array) -> None:
        product = self._free(f"{node.name}.product")
        operands = {"self": x, "other": self._constant(node, "scale", scale)}
        self.nodes.append(Node(product, "mul", operands, node.shape))
        self._add(Ref(product), node, shift)

    def _add(self, x: Ref, node: Node, shift: Array) -> None:
        operands = {"self": x, "other": self._constant(node, "shift", shift)}
        self.nodes.append(Node(node.name, "add", operands, node.shape))

    def _append(self, node: Node, chain: list[Node]) -> None:
        self.nodes.append(node)
        self.done.update(part.name for part in chain)

    def _free(self, name: str) -> str:
        return free_name(name, {*self.by_name, *self.arrays})

    def _constant(self, node: Node, key: str, array: Array) -> Ref:
        name = self._free(f"{node.name}.{key}.folded")
        self.arrays[name], self.kinds[name] = array, "constant"
        return Ref(name)
