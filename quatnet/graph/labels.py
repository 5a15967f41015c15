"""Channels of all arrays and results of a graph that must be removed together.

Every position along every axis has a label. Labels are united where an operation combines positions: an output channel
of a convolution, the entries of its batch norm and an input channel of the next convolution have one label. The label 0
marks positions that cannot be removed. In the docstrings, Q(n) are the positions n, q + n, 2q + n and 3q + n of
quaternion channel n of q.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .nodes import Batch, Graph, Node, Ref, leaves, sizes

Axes = list[np.ndarray]  # labels of each axis of an array or result


class Labels:
    """Labels of a graph.

    `of` maps each name to the labels of its axes. `reasons` maps each label that cannot be removed to the reason.
    `producers` and `consumers` are the weights whose last and last but one axis are output and input channels, with the
    name of a node; for `producers`, of the first node.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.count = graph, 1  # number of labels
        self._united, self._fixed = list[np.ndarray](), list[tuple[np.ndarray, str]]()
        self.producers, self.consumers = dict[str, str](), dict[str, str]()
        self.of = {name: [self._new(n) for n in array.shape] for name, array in graph.arrays.items()}
        self.of |= {name: _zeros(sizes(shape)) for name, shape in graph.inputs.items()}
        for node in graph.nodes:
            axes = RULES.get(node.op, _fixed)(self, node)
            with_lengths = zip(axes, sizes(node.shape), strict=True)
            self.of[node.name] = [labels if labels.size == n else np.zeros(n, int) for labels, n in with_lengths]
        for ref in leaves(graph.outputs):
            self.fix(self.of[ref.name], "output of the network")
        common = connected(self.count, self._united)
        self.of = {name: [common[labels] for labels in axes] for name, axes in self.of.items()}
        self.reasons = {0: "input of the network"}
        for labels, reason in self._fixed:
            for label in common[labels].tolist():
                self.reasons.setdefault(label, reason)

    def _new(self, length: int) -> np.ndarray:
        self.count += length
        return np.arange(self.count - length, self.count)

    def unite(self, first: np.ndarray, *others: np.ndarray) -> np.ndarray:
        """Unite labels position by position, and return the labels of `first`."""
        self._united += [np.stack([first, labels]) for labels in others]
        return first

    def fix(self, axes: Axes, reason: str) -> None:
        """Mark all positions of `axes` as not removable."""
        self._fixed += [(labels, reason) for labels in axes]

    def quaternions(self, channels: np.ndarray) -> np.ndarray:
        """Unite the four positions Q(n) of each quaternion channel, and return one label per quaternion channel."""
        return self.unite(*channels.reshape(4, -1))

    def args(self, node: Node, *names: str) -> list[Axes]:
        """Return the labels of the arguments `names` of a node."""
        return [self.of[node.arguments[name].name] for name in names]


def connected(count: int, pairs: list[np.ndarray]) -> np.ndarray:
    """Return the labels of the numbers below `count`, equal for numbers connected by `pairs` (2, n), in their order."""
    from scipy.sparse import coo_array  # this import takes longer than the classification of a recording
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.concatenate([np.zeros((2, 0), int), *pairs], axis=1)
    return connected_components(coo_array((np.ones(len(rows)), (rows, columns)), (count, count)), directed=False)[1]


def _zeros(shape: tuple[int, ...]) -> Axes:
    return [np.zeros(n, int) for n in shape]


def _fixed(t: Labels, node: Node, reason: str = "") -> Axes:
    """Fix arguments and result, because pruning does not support the way in which the operation combines channels."""
    result = _zeros(sizes(node.shape))
    result[-1:] = [t._new(len(channels)) for channels in result[-1:]]  # new labels, which have the reason
    for axes in (*(t.of[name] for name in node.refs()), result[-1:]):
        t.fix(axes, reason or f"{node.op} ({node.name})")
    return result


def _same(t: Labels, node: Node) -> Axes:
    """The result has the channels of the only tensor of the arguments."""
    name, *others = node.refs()
    return _fixed(t, node, f"{node.op} of several tensors ({node.name})") if others else t.of[name]


def _same_quaternions(t: Labels, node: Node) -> Axes:
    t.quaternions(_same(t, node)[-1])
    return _pool(t, node) if "pool" in node.op else _same(t, node)


def _pool(t: Labels, node: Node) -> Axes:
    t.fix(_same(t, node)[:-1], f"position in an image ({node.name})")
    return _same(t, node)


def _weighted(t: Labels, node: Node) -> Axes:
    """Convolution or linear layer from the channels `w`[-2] to `w`[-1], with groups, bias and rotation scales."""
    x, w = t.args(node, "x", "w")
    weights = [ref for ref in map(node.arguments.get, ("w", "scale")) if ref is not None]
    if not all(ref.name in t.graph.arrays for ref in weights):
        for name in t.graph.arrays.keys() & {ref.name for ref in weights}:
            t.producers.setdefault(name, node.name)  # with a reason in `ChannelGroups.fixed`
        return _fixed(t, node, f"weight that is a result ({node.name})")
    if "linear" not in node.op:
        t.fix(x[:-1], f"position in an image ({node.name})")
    groups, inputs, outputs = node.arguments.get("groups", 1), w[-2], w[-1]
    is_quaternion, name = node.op.startswith("quaternion"), node.arguments["w"].name
    channels = t.quaternions(x[-1]) if is_quaternion else x[-1]
    scale = weights[-1].name  # a rotation by 0 is NaN, and has no magnitude
    t.producers.setdefault(scale, node.name)
    if is_depthwise(t.graph, node):  # one filter or several filters for each input channel
        t.unite(outputs, np.repeat(channels, len(outputs) // groups))
    else:
        t.unite(inputs, *channels.reshape(groups, -1))
        t.unite(*outputs.reshape(groups, -1))
        t.consumers[scale] = node.name
    if scale != name:
        t.unite(inputs, t.of[scale][-2])
        t.unite(outputs, t.of[scale][-1])
    result = np.tile(outputs, 4) if is_quaternion else outputs
    if isinstance(node.arguments.get("bias"), Ref):
        t.unite(result, t.of[node.arguments["bias"].name][0])
    return [*x[:-1], result]


def is_depthwise(graph: Graph, node: Node) -> bool:
    """Return whether a node is a convolution with several groups of one input channel each."""
    weighted = RULES.get(node.op) is _weighted and node.arguments.get("groups", 1) > 1
    return weighted and graph.shape(node.arguments["w"].name)[-2] == 1


def is_norm(node: Node) -> bool:
    """Return whether a node is a batch norm."""
    return RULES.get(node.op) is _norm


def _matmul(t: Labels, node: Node) -> Axes:
    name = node.arguments["other"].name
    if name not in t.graph.arrays or len(t.of[name]) != 2:
        return _fixed(t, node, f"matrix product of two results ({node.name})")
    x, w = t.args(node, "self", "other")
    t.unite(w[0], x[-1])
    t.consumers[name] = t.producers.setdefault(name, node.name)
    return [*x[:-1], w[1]]


def _norm(t: Labels, node: Node) -> Axes:
    """Batch norm: the arrays (C,), (q,), (10, q) and (q, 4, 4) belong to the channels of x."""
    x = t.args(node, "x")[0]
    t.fix(x[:-1], f"statistics over channels ({node.name})")
    quaternions = t.quaternions(x[-1]) if node.op in QUATERNION_NORMS else x[-1]
    for name in (name for name in node.refs() if name != node.arguments["x"].name):
        labels = t.of[name][1 if len(t.of[name]) == 2 else 0]
        t.unite(x[-1] if len(labels) == len(x[-1]) else quaternions, labels)
    return x


def _mod_relu(t: Labels, node: Node) -> Axes:
    x, bias = t.args(node, "x", "bias")
    t.unite(t.quaternions(x[-1]), bias[0])
    return x


def _quaternion_norm(t: Labels, node: Node) -> Axes:
    *others, channels = _same(t, node)
    return [*others, t.quaternions(channels)]


def _arithmetic(t: Labels, node: Node) -> Axes:
    """Broadcast two operands, aligned at the last axis. An axis of length 1 is not united."""
    a, b = (t.of[item.name] if isinstance(item, Ref) else [] for item in node.arguments.values())
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    result = list(longer)
    for axis in range(-len(shorter), 0):
        if len(longer[axis]) == len(shorter[axis]):
            t.unite(longer[axis], shorter[axis])
        else:
            t.fix([min(longer[axis], shorter[axis], key=len)], f"broadcast channel ({node.name})")
            result[axis] = max(longer[axis], shorter[axis], key=len)
    return result


def _reduce(t: Labels, node: Node) -> Axes:
    x, axis = t.args(node, "x")[0], node.arguments["axis"]
    removed = range(len(x)) if axis is None else normalize_axis_tuple(axis, len(x))
    t.fix([x[a] for a in removed], f"{node.op} over channels ({node.name})")
    return [labels for a, labels in enumerate(x) if a not in removed]


def _transpose(t: Labels, node: Node) -> Axes:
    x = _same(t, node)
    return [x[axis] for axis in node.arguments["axes"]]


def _concatenate(t: Labels, node: Node) -> Axes:
    parts, axis = [t.of[name] for name in node.refs()], node.arguments["axis"]
    result = list(parts[0])
    for a in range(len(result)):
        if a == axis % len(result):
            result[a] = np.concatenate([part[a] for part in parts])
        else:
            t.unite(*(part[a] for part in parts))
    return result


def _repeat_channels(t: Labels, node: Node) -> Axes:
    *others, channels = _same(t, node)
    return [*others, np.tile(channels, 4)]


def expand_index(index: Any, ndim: int) -> list[Any]:
    """Return an index of a tensor with one item for each axis and for each new axis."""
    items = list(index) if isinstance(index, tuple) else [index]
    missing = ndim - sum(item is not None and item is not ... for item in items)
    position = items.index(...) if ... in items else len(items)
    return items[:position] + [slice(None)] * missing + [item for item in items[position:] if item is not ...]


def _getitem(t: Labels, node: Node) -> Axes:
    x = t.args(node, "x")[0]
    index = expand_index(node.arguments["index"], len(x))
    items = [item for item in index if item is not None]
    numbers = [item for item in items if not isinstance(item, slice)]
    is_list = len(numbers) == 1 and isinstance(numbers[0], list) and items[0] is not numbers[0]
    if not all(type(n) is int for n in (numbers[0] if is_list else numbers)):
        return _fixed(t, node, f"index array ({node.name})")
    axes, result = iter(x), []
    for item in index:
        labels = np.zeros(1, int) if item is None else next(axes)
        if isinstance(item, int):
            t.fix([labels], f"selected channel ({node.name})")
        else:
            whole = item is None or any(isinstance(part, Batch) for part in leaves(item))
            result.append(labels if whole else labels[item])
    return result


def _reshape(t: Labels, node: Node) -> Axes:
    """Match groups of axes with equal products of lengths."""
    x, result = t.args(node, "x")[0], list[np.ndarray]()
    shape_x = sizes(t.graph.shape(node.arguments["x"].name), PRIME)
    shape_y = sizes(node.shape, PRIME)
    for inputs, outputs in _segments(shape_x, shape_y):
        axes, lengths = [x[a] for a in inputs], [shape_y[a] for a in outputs]
        free = [n for n, labels in enumerate(axes) if labels.any()]
        merges_batch = len(inputs) > 1 and any(shape_x[a] % PRIME == 0 for a in inputs)
        if len(outputs) == 1 and len(free) == 1 and not merges_batch:
            before, after = (math.prod(map(len, part)) for part in (axes[: free[0]], axes[free[0] + 1 :]))
            result.append(np.tile(np.repeat(axes[free[0]], after), before))
        elif len(inputs) == 1 and outputs and free and axes[0].size % lengths[-1] == 0:
            result += _zeros(tuple(lengths[:-1]))
            result.append(t.unite(*axes[0].reshape(-1, lengths[-1])))
        else:
            t.fix(axes, f"reshape that mixes channels ({node.name})")
            result += _zeros(tuple(1 if n % PRIME == 0 else n for n in lengths))
    return result


PRIME = 1_000_003  # batch size that is no product of other lengths


def _segments(a: tuple[int, ...], b: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the smallest groups of neighboring axes of the shapes `a` and `b` with equal products."""
    if 0 in (*a, *b):  # an array without entries
        yield list(range(len(a))), list(range(len(b)))
        return
    i = j = 0
    while i < len(a) or j < len(b):
        start_a, start_b = i, j
        product_a, product_b = (a[i] if i < len(a) else 1), (b[j] if j < len(b) else 1)
        i, j = i + (i < len(a)), j + (j < len(b))
        while product_a != product_b:
            if product_a < product_b:
                product_a, i = product_a * a[i], i + 1
            else:
                product_b, j = product_b * b[j], j + 1
        yield list(range(start_a, i)), list(range(start_b, j))


QUATERNION_NORMS = ("QuaternionBatchNorm", "WhiteningBatchNorm", "quaternion_batch_norm", "whitening_batch_norm")
_TABLE: dict[Callable[[Labels, Node], Axes], str] = {
    _same: "relu exp log sigmoid tanh pow dropout detach",
    _pool: "avg_pool2d max_pool2d",
    _same_quaternions: "quaternion_dropout norm_max_pool2d",
    _weighted: "conv1d conv2d conv_transpose2d linear quaternion_conv1d quaternion_conv2d quaternion_conv_transpose2d "
    "quaternion_linear quaternion_rotation_conv2d",
    _matmul: "matmul",
    _norm: "BatchNorm batch_norm " + " ".join(QUATERNION_NORMS),
    _mod_relu: "mod_relu",
    _quaternion_norm: "quaternion_norm",
    _arithmetic: "add mul truediv eq ne lt le gt ge",
    _reduce: "mean sum max",
    _transpose: "transpose",
    _concatenate: "concatenate",
    _repeat_channels: "repeat_encoder zero_pad_encoder",
    _getitem: "getitem",
    _reshape: "reshape",
}
RULES = {op: rule for rule, ops in _TABLE.items() for op in ops.split()}
