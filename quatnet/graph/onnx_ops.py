"""ONNX nodes of each operation. `b` is a `graph.onnx.Builder`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..autodiff import Tensor
from ..backend import asnumpy
from ..conv.im2col import pair, single
from ..conv.plain import merge_blocks, quaternion_to_real_kernel
from ..errors import ConfigError
from ..ops.rotation_conv import rotation_matrices
from ..ops.whitening import _ENTRIES
from ..quaternion.real_matrices import matrix_entries
from .labels import expand_index
from .nodes import Batch, Node, Ref, sizes


def component_and_sign(row: int, column: int) -> tuple[int, int]:
    """Return the component of w that multiplies component `column` of x in component `row` of w ⊗ x, and its sign."""
    component, sign = matrix_entries(0)
    return int(component[row, column]), int(sign[row, column])


def quaternion_matrix(b: Any, weight: np.ndarray, *, transposed: bool) -> str:
    """Add the block matrix of a quaternion weight (4, O, C, ...), or (4, C, O, ...) if `transposed`.

    The result is (4O, 4C, ...), or (4C, 4O, ...) if `transposed`. The four components are stored once.
    """
    name = b.constant(weight.reshape(-1, *weight.shape[2:]))
    parts = b.node("Split", name, outputs=4, axis=0)
    signed = {(n, 1): part for n, part in enumerate(parts)}
    signed |= {(n, -1): b.node("Neg", parts[n]) for n in (1, 2, 3)}

    def block(row: int, column: int) -> str:
        return signed[component_and_sign(column, row) if transposed else component_and_sign(row, column)]

    rows = [b.node("Concat", *(block(row, column) for column in range(4)), axis=1) for row in range(4)]
    return b.node("Concat", *rows, axis=0)


def _set(b: Any, node: Node, name: str, *, first: bool = False) -> None:
    (b.first if first else b.last)[node.name] = name


def _conv(b: Any, node: Node) -> None:
    """Convolution or transposed convolution, also with the scale, shift and pooling of `fused_conv2d`."""
    arguments, w = node.arguments, b.array(node.arguments["w"])
    is_quaternion = node.op.startswith("quaternion") or (node.op == "fused_conv2d" and w.ndim == 5)
    transposed, groups = "transpose" in node.op, arguments.get("groups", 1)
    scale = b.array(arguments["scale"]) if node.op == "fused_conv2d" else None
    taps = w.shape[1 if is_quaternion else 0 : -2]
    x = b.value(arguments["x"], first=True)
    if is_quaternion and groups > 1:
        x = _gather(b, x, _group_order(b.shape(arguments["x"])[-1], 4, groups))
    if is_quaternion and groups == 1 and "rotation" not in node.op:
        axes = (0, -2, -1) if transposed else (0, -1, -2)
        moved = np.moveaxis(w, axes, (0, 1, 2))
        kernel = quaternion_matrix(b, moved, transposed=transposed)
        if scale is not None:
            kernel = b.node("Mul", kernel, b.constant(scale.reshape(-1, 1, *[1] * len(taps))))
    else:
        real = _real_kernel(b, node, w) if is_quaternion else w
        kernel = b.constant(_onnx_kernel(real if scale is None else real * scale, groups, transposed))
    inputs = [x, kernel] + ([b.constant(b.array(arguments["shift"]))] if scale is not None else [])
    y = b.node("ConvTranspose" if transposed else "Conv", *inputs, **_conv_options(node, taps))
    if is_quaternion and groups > 1:
        y = _gather(b, y, _group_order(sizes(node.shape)[-1], groups, 4))
    if node.op == "fused_conv2d":
        y = b.node("Relu", y)
        y = b.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2]) if arguments["pool"] else y
    _set(b, node, y, first=True)


def _conv_options(node: Node, taps: tuple[int, ...]) -> dict[str, Any]:
    per_axis: Callable[[Any], Any] = pair if len(taps) == 2 else lambda value: (single(value),)
    if node.op == "fused_conv2d":
        return {"pads": [n // 2 for n in taps] * 2}
    stride, padding, dilation = (list(per_axis(node.arguments[key])) for key in ("stride", "padding", "dilation"))
    options = {"strides": stride, "pads": padding * 2, "dilations": dilation, "group": node.arguments["groups"]}
    if "transpose" in node.op:
        options["output_padding"] = list(per_axis(node.arguments["output_padding"]))
    return options


def _real_kernel(b: Any, node: Node, w: np.ndarray) -> np.ndarray:
    """Return the real kernel of a rotation or of a quaternion kernel with groups, whose channels are in groups."""
    w = w if w.ndim == 5 else w[:, None]
    kernel = asnumpy(quaternion_to_real_kernel(w))
    if "rotation" in node.op:
        factor = b.array(node.arguments["scale"]) / (w * w).sum(axis=0)
        kernel = asnumpy(merge_blocks(asnumpy(rotation_matrices(Tensor(w)).data) * factor))
    kernel = kernel[..., _group_order(kernel.shape[-1], 4, node.arguments["groups"])]
    return kernel if "1d" not in node.op else kernel[0]


def _group_order(channels: Any, outer: int, inner: int) -> np.ndarray:
    """Return the indices that reorder channels from (outer, inner, C) to (inner, outer, C)."""
    return np.arange(channels).reshape(outer, inner, -1).swapaxes(0, 1).ravel()


def _gather(b: Any, x: str, indices: np.ndarray) -> str:
    return b.node("Gather", x, b.constant(indices, np.int64), axis=1)


def _onnx_kernel(w: np.ndarray, groups: int, transposed: bool) -> np.ndarray:
    """Return a real kernel (..., C/G, O) as (O, C/G, ...), or as (C, O/G, ...) for a transposed convolution."""
    if not transposed:
        return np.moveaxis(w, (-1, -2), (0, 1))
    *taps, c, o = w.shape
    split = np.moveaxis(w.reshape(*taps, c, groups, o // groups), (-2, -3, -1), (0, 1, 2))
    return split.reshape(groups * c, o // groups, *taps)


def _linear(b: Any, node: Node) -> None:
    w, bias = b.array(node.arguments["w"]), node.arguments["bias"]
    x, is_quaternion = b.value(node.arguments["x"]), node.op == "quaternion_linear"
    weight = quaternion_matrix(b, w, transposed=True) if is_quaternion else b.constant(w)
    y = b.node("MatMul", x, weight)
    _set(b, node, y if bias is None else b.node("Add", y, b.value(bias)))


def _norm(b: Any, node: Node) -> None:
    """Batch norm with the running statistics."""
    items = node.arguments["self"].items()
    layer = {key: b.array(ref).astype(np.float64) if isinstance(ref, Ref) else ref for key, ref in items}
    if node.op == "WhiteningBatchNorm":
        _whitening(b, node, layer)
        return
    scale = layer["weight"] / np.sqrt(layer["running_var"] + layer["eps"])
    scale = np.tile(scale, len(layer["bias"]) // len(scale))
    shift = layer["bias"] - layer["running_mean"] * scale
    first = b.is_first(node.arguments["x"])
    y = b.value(node.arguments["x"], first=first)
    for op, vector in (("Mul", scale), ("Add", shift)):
        y = b.node(op, y, b.constant(vector.reshape(-1, *[1] * (len(node.shape) - 2)) if first else vector))
    _set(b, node, b.node("Relu", y) if node.arguments.get("relu", False) else y, first=first)


def _whitening(b: Any, node: Node, layer: dict[str, Any]) -> None:
    factor = np.linalg.inv(np.linalg.cholesky(layer["running_cov"] + layer["eps"] * np.eye(4)))
    matrices = (layer["weight"].T @ _ENTRIES).reshape(-1, 4, 4) @ factor
    centered = b.node("Sub", b.value(node.arguments["x"]), b.constant(layer["running_mean"]))
    x = b.node("Split", centered, outputs=4, axis=-1)
    rows = [
        b.node("Sum", *(b.node("Mul", x[k], b.constant(matrices[:, row, k])) for k in range(4))) for row in range(4)
    ]
    _set(b, node, b.node("Add", b.node("Concat", *rows, axis=-1), b.constant(layer["bias"])))


def _unary(onnx_op: str, b: Any, node: Node) -> None:
    """Add an elementwise operation, which keeps the layout."""
    first = b.is_first(node.arguments["x"])
    _set(b, node, b.node(onnx_op, b.value(node.arguments["x"], first=first)), first=first)


def _arithmetic(onnx_op: str, b: Any, node: Node) -> None:
    operands = list(node.arguments.values())[:2]
    same = all(isinstance(ref, Ref) and b.shape(ref) == node.shape and b.is_first(ref) for ref in operands)
    first = same and onnx_op != "MatMul"
    _set(b, node, b.node(onnx_op, *(b.value(ref, first=first) for ref in operands)), first=first)


def _layer_norm(b: Any, node: Node) -> None:
    inputs = (b.value(node.arguments[key]) for key in ("x", "weight", "bias"))
    _set(b, node, b.node("LayerNormalization", *inputs, axis=-1, epsilon=node.arguments["eps"]))


def _pool(onnx_op: str, b: Any, node: Node) -> None:
    size = [node.arguments["kernel_size"]] * 2
    x = b.value(node.arguments["x"], first=True)
    _set(b, node, b.node(onnx_op, x, kernel_shape=size, strides=size), first=True)


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
    _set(b, node, best)


def _mod_relu(b: Any, node: Node) -> None:
    x, bias = b.value(node.arguments["x"]), b.constant(b.array(node.arguments["bias"]))
    norm, zero, one = _quaternion_norm(b, x), b.constant(0), b.constant(1)
    divisor = b.node("Where", b.node("Equal", norm, zero), one, norm)
    factor = b.node("Div", b.node("Relu", b.node("Add", norm, bias)), divisor)
    _set(b, node, b.node("Mul", x, b.node("Concat", *[factor] * 4, axis=-1)))


def _reduce(onnx_op: str, b: Any, node: Node) -> None:
    x, axis, ndim = b.value(node.arguments["x"]), node.arguments["axis"], len(b.shape(node.arguments["x"]))
    axes = list(range(ndim) if axis is None else normalize_axis_tuple(axis, ndim))
    if onnx_op == "ReduceSum":
        _set(b, node, b.node(onnx_op, x, b.integers(*axes), keepdims=0))
    else:
        _set(b, node, b.node(onnx_op, x, axes=axes, keepdims=0))


def _reshape(b: Any, node: Node) -> None:
    old = b.shape(node.arguments["x"])
    lengths = [
        (0 if a == 0 and old[:1] == node.shape[:1] else -1) if isinstance(n, Batch) else n
        for a, n in enumerate(node.shape)
    ]
    _set(b, node, b.node("Reshape", b.value(node.arguments["x"]), b.integers(*lengths)))


def _transpose(b: Any, node: Node) -> None:
    _set(b, node, b.node("Transpose", b.value(node.arguments["x"]), perm=list(node.arguments["axes"])))


def _concatenate(b: Any, node: Node) -> None:
    parts = [b.value(ref) for ref in node.arguments["tensors"]]
    _set(b, node, b.node("Concat", *parts, axis=node.arguments["axis"]))


def _getitem(b: Any, node: Node) -> None:
    """Slices, then integers and lists from the last axis to the first, then new axes."""
    y, shape = b.value(node.arguments["x"]), b.shape(node.arguments["x"])
    items = expand_index(node.arguments["index"], len(shape))
    new_axes = [position for position, item in enumerate(i for i in items if not isinstance(i, int)) if item is None]
    items = [item for item in items if item is not None]
    kinds = [type(item) for item in items]
    if kinds.count(list) + (int in kinds) > 1 or not {*kinds} <= {int, list, slice}:
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
    _set(b, node, b.node("Unsqueeze", y, b.integers(*new_axes)) if new_axes else y)


def _repeat(b: Any, node: Node) -> None:
    _set(b, node, b.node("Concat", *[b.value(node.arguments["x"])] * 4, axis=-1))


def _zero_pad(b: Any, node: Node) -> None:
    ndim, channels = len(node.shape), sizes(node.shape)[-1] * 3 // 4
    pads = [0] * (2 * ndim - 1) + [channels]
    _set(b, node, b.node("Pad", b.value(node.arguments["x"]), b.integers(*pads)))


def _hamilton_product(b: Any, node: Node) -> None:
    axis = node.arguments["axis"]
    p, q = (b.node("Split", b.value(node.arguments[key]), outputs=4, axis=axis) for key in ("p", "q"))
    rows = []
    for row in range(4):
        terms = []
        for column in range(4):
            component, sign = component_and_sign(row, column)
            product = b.node("Mul", p[component], q[column])
            terms.append(product if sign > 0 else b.node("Neg", product))
        rows.append(b.node("Sum", *terms))
    _set(b, node, b.node("Concat", *rows, axis=axis))


ARITHMETIC = {"add": "Add", "mul": "Mul", "truediv": "Div", "pow": "Pow", "matmul": "MatMul"}
EXPORTERS: dict[str, Callable[[Any, Node], None]] = {
    "fused_conv2d": _conv,
    **{f"{q}conv{kind}": _conv for q in ("", "quaternion_") for kind in ("1d", "2d", "_transpose2d")},
    "quaternion_rotation_conv2d": _conv,
    "linear": _linear,
    "quaternion_linear": _linear,
    **{f"{kind}BatchNorm": _norm for kind in ("", "Quaternion", "Whitening")},
    "layer_norm": _layer_norm,
    **{name: partial(_unary, name.capitalize()) for name in ("relu", "exp", "log", "sigmoid", "tanh")},
    **{name: partial(_arithmetic, op) for name, op in ARITHMETIC.items()},
    "detach": partial(_arithmetic, "Identity"),
    "avg_pool2d": partial(_pool, "AveragePool"),
    "max_pool2d": partial(_pool, "MaxPool"),
    "norm_max_pool2d": _norm_max_pool,
    "mod_relu": _mod_relu,
    "quaternion_norm": lambda b, node: _set(b, node, _quaternion_norm(b, b.value(node.arguments["x"]))),
    **{name: partial(_reduce, f"Reduce{name.capitalize()}") for name in ("mean", "sum", "max")},
    "reshape": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "getitem": _getitem,
    "repeat_encoder": _repeat,
    "zero_pad_encoder": _zero_pad,
    "hamilton_product": _hamilton_product,
}
