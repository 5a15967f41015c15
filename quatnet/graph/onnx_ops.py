"""ONNX nodes of each operation. `b` is a `graph.onnx.Builder`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..errors import ConfigError
from .labels import expand_index
from .nodes import Batch, Node, Ref, sizes
from .onnx_layers import batch_norm, conv, layer_norm, left_matrix, linear, set_output, whitening


def _elementwise(onnx_op: str, b: Any, node: Node) -> None:
    """Add an elementwise operation of all arguments, or a matrix product. Operands of one shape keep their layout."""
    operands = node.arguments.values()
    same = all(isinstance(ref, Ref) and b.shape(ref) == node.shape and b.is_first(ref) for ref in operands)
    first = same and onnx_op != "MatMul"
    set_output(b, node, b.node(onnx_op, *(b.value(ref, first=first) for ref in operands)), first=first)


def _pool(onnx_op: str, b: Any, node: Node) -> None:
    size = [node.arguments["kernel_size"]] * 2
    x = b.value(node.arguments["x"], first=True)
    set_output(b, node, b.node(onnx_op, x, kernel_shape=size, strides=size), first=True)


def _quaternion_norm(b: Any, x: str) -> str:
    """Add the norm of each quaternion along the last axis."""
    parts = b.node("Split", x, outputs=4, axis=-1)
    return b.node("Sqrt", b.node("Sum", *(b.node("Mul", part, part) for part in parts)))


def _norm_max_pool(b: Any, node: Node) -> None:
    x, size = b.value(node.arguments["x"]), node.arguments["kernel_size"]
    height, width = (n * size for n in sizes(node.shape)[1:3])
    best = best_norm = ""
    for i, j in np.ndindex(size, size):
        bounds = b.integers(i, j), b.integers(height, width), b.integers(1, 2), b.integers(size, size)
        entry = b.node("Slice", x, *bounds)
        norm = b.node("Concat", *[_quaternion_norm(b, entry)] * 4, axis=-1)
        if best:
            larger = b.node("Greater", norm, best_norm)
            entry, norm = (b.node("Where", larger, *pair) for pair in ((entry, best), (norm, best_norm)))
        best, best_norm = entry, norm
    set_output(b, node, best)


def _mod_relu(b: Any, node: Node) -> None:
    x, bias = b.value(node.arguments["x"]), b.constant(b.array(node.arguments["bias"]))
    norm, zero, one = _quaternion_norm(b, x), b.constant(0), b.constant(1)
    divisor = b.node("Where", b.node("Equal", norm, zero), one, norm)
    factor = b.node("Div", b.node("Relu", b.node("Add", norm, bias)), divisor)
    set_output(b, node, b.node("Mul", x, b.node("Concat", *[factor] * 4, axis=-1)))


def _reduce(onnx_op: str, b: Any, node: Node) -> None:
    x, axis, ndim = b.value(node.arguments["x"]), node.arguments["axis"], len(b.shape(node.arguments["x"]))
    axes = list(range(ndim) if axis is None else normalize_axis_tuple(axis, ndim))
    if not axes:
        set_output(b, node, b.node("Identity", x))
    elif onnx_op == "ReduceSum":
        set_output(b, node, b.node(onnx_op, x, b.integers(*axes), keepdims=0))
    else:
        set_output(b, node, b.node(onnx_op, x, axes=axes, keepdims=0))


def _reshape(b: Any, node: Node) -> None:
    old = b.shape(node.arguments["x"])
    lengths = [-1 if isinstance(n, Batch) else n for n in node.shape]
    if lengths[:1] == [-1] and old[:1] == node.shape[:1]:
        lengths[0] = 0  # the batch size of the input
    if lengths.count(-1) > 1:
        raise ConfigError(f"no ONNX export of a reshape with several multiples of the batch size ({node.name})")
    set_output(b, node, b.node("Reshape", b.value(node.arguments["x"]), b.integers(*lengths)))


def _transpose(b: Any, node: Node) -> None:
    set_output(b, node, b.node("Transpose", b.value(node.arguments["x"]), perm=list(node.arguments["axes"])))


def _concatenate(b: Any, node: Node) -> None:
    parts = [b.value(ref) for ref in node.arguments["tensors"]]
    set_output(b, node, b.node("Concat", *parts, axis=node.arguments["axis"]))


def _getitem(b: Any, node: Node) -> None:
    """Slices, then integers and lists from the last axis to the first, then new axes."""
    y, shape = b.value(node.arguments["x"]), b.shape(node.arguments["x"])
    items = expand_index(node.arguments["index"], len(shape))
    new_axes = [position for position, item in enumerate(i for i in items if not isinstance(i, int)) if item is None]
    items = [_positions(item) for item in items if item is not None]
    kinds = [type(item) for item in items]
    nested = any(isinstance(item, list) and np.ndim(item) > 1 for item in items)
    if nested or kinds.count(list) + (int in kinds) > 1 or not {*kinds} <= {int, list, slice}:
        raise ConfigError(f"no ONNX export of this index ({node.name})")
    for axis in reversed(range(len(items))):
        item, length = items[axis], shape[axis]
        if isinstance(item, slice) and item != slice(None):
            if isinstance(length, Batch):
                raise ConfigError(f"no ONNX export of a slice of the batch ({node.name})")
            start, stop, step = item.indices(length)
            stop = -(2**31) if stop < 0 else stop
            y = b.node("Slice", y, *(b.integers(n) for n in (start, stop, axis, step)))
        elif not isinstance(item, slice):
            y = b.node("Gather", y, b.constant(item, np.int64), axis=axis)
    set_output(b, node, b.node("Unsqueeze", y, b.integers(*new_axes)) if new_axes else y)


def _positions(item: Any) -> Any:
    """Return a list of booleans as the list of the selected positions, and any other item of an index as it is."""
    return np.flatnonzero(item).tolist() if isinstance(item, list) and item and isinstance(item[0], bool) else item


def _repeat(b: Any, node: Node) -> None:
    set_output(b, node, b.node("Concat", *[b.value(node.arguments["x"])] * 4, axis=-1))


def _zero_pad(b: Any, node: Node) -> None:
    ndim, channels = len(node.shape), sizes(node.shape)[-1] * 3 // 4
    pads = [0] * (2 * ndim - 1) + [channels]
    set_output(b, node, b.node("Pad", b.value(node.arguments["x"]), b.integers(*pads)))


def _hamilton_product(b: Any, node: Node) -> None:
    axis = node.arguments["axis"]
    matrix = left_matrix(b, b.value(node.arguments["p"]), axis)
    q = b.node("Split", b.value(node.arguments["q"]), outputs=4, axis=axis)
    rows = [b.node("Sum", *(b.node("Mul", *pair) for pair in zip(row, q, strict=True))) for row in matrix]
    set_output(b, node, b.node("Concat", *rows, axis=axis))


ARITHMETIC = {"add": "Add", "mul": "Mul", "truediv": "Div", "pow": "Pow", "matmul": "MatMul"}
EXPORTERS: dict[str, Callable[[Any, Node], None]] = {
    "fused_conv2d": conv,
    **{f"{q}conv{kind}": conv for q in ("", "quaternion_") for kind in ("1d", "2d", "_transpose2d")},
    "quaternion_rotation_conv2d": conv,
    "linear": linear,
    "quaternion_linear": linear,
    "BatchNorm": batch_norm,
    "QuaternionBatchNorm": batch_norm,
    "WhiteningBatchNorm": whitening,
    "layer_norm": layer_norm,
    **{name: partial(_elementwise, name.capitalize()) for name in ("relu", "exp", "log", "sigmoid", "tanh")},
    **{name: partial(_elementwise, op) for name, op in (ARITHMETIC | {"detach": "Identity"}).items()},
    "avg_pool2d": partial(_pool, "AveragePool"),
    "max_pool2d": partial(_pool, "MaxPool"),
    "norm_max_pool2d": _norm_max_pool,
    "mod_relu": _mod_relu,
    "quaternion_norm": lambda b, node: set_output(b, node, _quaternion_norm(b, b.value(node.arguments["x"]))),
    **{name: partial(_reduce, f"Reduce{name.capitalize()}") for name in ("mean", "sum", "max")},
    "reshape": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "getitem": _getitem,
    "repeat_encoder": _repeat,
    "zero_pad_encoder": _zero_pad,
    "hamilton_product": _hamilton_product,
}
