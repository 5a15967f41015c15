"""Cost of a graph for one clip, computed from the shapes of its nodes.

The multiplications of a quaternion layer are counted with the 16 real products of its block matrix, for comparison with
published numbers, and with the 8 real products of `quaternion.eight_products`. The multiplications of batch norms,
pooling, activations, sums and of the transforms of weights are not counted.
"""

import math
from dataclasses import dataclass, fields

from ..autodiff.op import OPS
from .module import GraphModule, as_graph, format_shape
from .nodes import Graph, Node, sizes

QUATERNION_LAYERS = ("quaternion_conv1d", "quaternion_conv2d", "quaternion_conv_transpose2d", "quaternion_linear")
LAYERS = (
    *("conv1d", "conv2d", "conv_transpose2d", "linear", "matmul", "fused_conv2d"),
    *QUATERNION_LAYERS,
    "quaternion_rotation_conv2d",
)
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Cost of one node for one clip.

    Parameters
    ----------
    name
        Name of the node.
    parameters
        Number of trained parameters, without tensors with requires_grad=False. A parameter of several nodes belongs to
        the first node.
    multiplications_16, multiplications_8
        Real multiplications with 16 and with 8 real products for each quaternion product. The numbers are equal for a
        real layer.
    additions_16, additions_8
        Real additions with 16 and with 8 real products for each quaternion product.
    activation_bytes
        Size of the float32 result of a convolution or linear node in bytes.
    """

    name: str
    parameters: int = 0
    multiplications_16: int = 0
    multiplications_8: int = 0
    additions_16: int = 0
    additions_8: int = 0
    activation_bytes: int = 0


@dataclass(frozen=True)
class GraphCost(Cost):
    """Sum of the costs of all `nodes`."""

    nodes: tuple[Cost, ...] = ()


def count(graph: Graph | GraphModule) -> GraphCost:
    """Return the cost of a graph for one clip.

    >>> import numpy as np; from quatnet import graph, nn
    >>> layer = nn.QuaternionLinear(8, 4, rng=np.random.default_rng(0))  # 2 products of quaternions, and 4 biases
    >>> cost = count(graph.trace(layer, np.zeros((1, 8), np.float32)))
    >>> cost.parameters, cost.multiplications_16, cost.multiplications_8
    (12, 32, 16)
    """
    graph, seen = as_graph(graph), set[str]()
    costs = tuple(_cost(graph, node, seen) for node in graph.nodes)
    totals = {key: sum(getattr(cost, key) for cost in costs) for key in [field.name for field in fields(Cost)[1:]]}
    return GraphCost("network", **totals, nodes=costs)


def _cost(graph: Graph, node: Node, seen: set[str]) -> Cost:
    names = [name for name in dict.fromkeys(node.refs()) if graph.kinds.get(name) == "parameter" and name not in seen]
    seen.update(names)
    parameters = sum(graph.arrays[name].size for name in names)
    if node.op == "hamilton_product":
        products = 4 * math.prod(sizes(node.shape))
        return Cost(node.name, parameters, products, products // 2)
    if node.op not in LAYERS:
        return Cost(node.name, parameters)
    operands = ("self", "other") if node.op == "matmul" else ("x", "w")
    x, w = (sizes(graph.shape(node.arguments[key].name)) for key in operands)
    op, result, has_bias = node.op, sizes(node.shape), node.arguments.get("bias") is not None
    if op == "fused_conv2d":  # of a folded graph; the result may be pooled
        op, result = "quaternion_conv2d" if len(w) == 5 else "conv2d", (*x[:-1], result[-1])
    return Cost(node.name, parameters, *layer_operations(op, x, w, result, has_bias=has_bias))


Sizes = tuple[int, ...]


def layer_operations(op: str, x: Sizes, w: Sizes, result: Sizes, *, has_bias: bool) -> tuple[int, int, int, int, int]:
    """Return the costs of a convolution or linear layer, in the order of the fields of `Cost`, without parameters.

    The arguments are the shapes of the input for one clip, the weight and the result. With 8 products, a quaternion
    layer needs 8 additions for each input quaternion, the additions of the 8 products between the transformed
    components, and 12 additions for each output quaternion.
    """
    results = math.prod(result)
    places = math.prod(x) // x[-1] if "transpose" in op else results // result[-1]
    products = results * x[-1] if op in ("linear", "matmul") else places * math.prod(w)
    products *= 4 if op.startswith("quaternion") else 1  # 4 components, with 4 real products for each entry of `w`
    additions = products - results * (not has_bias)
    if op not in QUATERNION_LAYERS:
        return products, products, additions, additions, FLOAT_BYTES * results
    additions_8 = 2 * x[-1] + 8 * w[-1] * (math.prod(w[1:-1]) - 1) + 12 * w[-1] + 4 * w[-1] * has_bias
    return products, products // 2, additions, places * additions_8, FLOAT_BYTES * results


def table(graph: Graph) -> str:
    """Return the nodes of a graph as text: name, op, shape, trained parameters and multiplications."""
    rows: list[tuple[str, ...]] = [("node", "op", "shape", "trained parameters", "mult. 16", "mult. 8")]
    cost = count(graph)
    for node, part in zip(graph.nodes, cost.nodes, strict=True):
        rows.append((node.name, node.op, format_shape(node.shape), *_numbers(part)))
    rows.append(("sum", "", "", *_numbers(cost)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    formats = [f"{side}{width + 2}" for side, width in zip("<<<>>>", widths, strict=True)]
    lines = ["".join(map(format, row, formats)).rstrip() for row in rows]
    uncounted = {node.op for node in graph.nodes if not OPS[node.op].__module__.startswith("quatnet.")} - set(LAYERS)
    notes = (
        *graph.notes,
        *(f"the multiplications of {op} are not counted; add it to LAYERS" for op in sorted(uncounted)),
    )
    return "\n".join([*lines, *(f"note: {note}" for note in notes)])


def _numbers(cost: Cost) -> list[str]:
    numbers = cost.parameters, cost.multiplications_16, cost.multiplications_8
    return [f"{number:,}" if number else "" for number in numbers]
