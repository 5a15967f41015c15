"""ONNX nodes of the layers with weights: convolution, linear and normalization. `b` is a `graph.onnx.Builder`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autodiff import Tensor
from ..backend import asnumpy
from ..conv.im2col import pair, single
from ..conv.plain import merge_blocks, quaternion_to_real_kernel
from ..ops.rotation_conv import rotation_matrices
from ..ops.whitening import SYMMETRIC_ENTRIES
from ..quaternion.real_matrices import matrix_entries
from .fold import scale_and_shift
from .nodes import Node, Ref, sizes


def left_matrix(b: Any, quaternion: str, axis: int) -> list[list[str]]:
    """Add the components of a quaternion w along `axis`, and return the entries of the matrix of w ⊗ x, by row."""
    parts = b.node("Split", quaternion, outputs=4, axis=axis)
    signed = {(n, 1): part for n, part in enumerate(parts)} | {(n, -1): b.node("Neg", parts[n]) for n in (1, 2, 3)}
    component, sign = matrix_entries(0)
    return [[signed[entry] for entry in zip(*row, strict=True)] for row in zip(component, sign, strict=True)]


def quaternion_matrix(b: Any, weight: np.ndarray, *, transposed: bool) -> str:
    """Add the block matrix of a quaternion weight (4, O, C, ...), or (4, C, O, ...) if `transposed`.

    The result is (4O, 4C, ...), or (4C, 4O, ...) if `transposed`. The four components are stored once.
    """
    blocks: Any = left_matrix(b, b.constant(weight.reshape(-1, *weight.shape[2:])), axis=0)
    rows = zip(*blocks, strict=True) if transposed else blocks
    return b.node("Concat", *(b.node("Concat", *row, axis=1) for row in rows), axis=0)


def set_output(b: Any, node: Node, name: str, *, first: bool = False) -> None:
    """Set the ONNX name of the output of `node`, with channels first or channels last."""
    (b.first if first else b.last)[node.name] = name


def conv(b: Any, node: Node) -> None:
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
    set_output(b, node, y, first=True)


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


def linear(b: Any, node: Node) -> None:
    w, bias = b.array(node.arguments["w"]), node.arguments["bias"]
    x, is_quaternion = b.value(node.arguments["x"]), node.op == "quaternion_linear"
    weight = quaternion_matrix(b, w, transposed=True) if is_quaternion else b.constant(w)
    y = b.node("MatMul", x, weight)
    set_output(b, node, y if bias is None else b.node("Add", y, b.value(bias)))


def batch_norm(b: Any, node: Node) -> None:
    """Batch norm with the running statistics."""
    for ref in filter(lambda item: isinstance(item, Ref), node.arguments["self"].values()):
        b.array(ref)  # raises an error for a result of an operation
    first = b.is_first(node.arguments["x"])
    y = b.value(node.arguments["x"], first=first)
    for op, vector in zip(("Mul", "Add"), map(asnumpy, scale_and_shift(b.graph.arrays, node)), strict=True):
        y = b.node(op, y, b.constant(vector.reshape(-1, *[1] * (len(node.shape) - 2)) if first else vector))
    set_output(b, node, b.node("Relu", y) if node.arguments.get("relu", False) else y, first=first)


def whitening(b: Any, node: Node) -> None:
    """Whitening batch norm with the running statistics."""
    items = node.arguments["self"].items()
    layer = {key: b.array(ref).astype(np.float64) if isinstance(ref, Ref) else ref for key, ref in items}
    factor = np.linalg.inv(np.linalg.cholesky(layer["running_cov"] + layer["eps"] * np.eye(4)))
    matrices = (layer["weight"].T @ SYMMETRIC_ENTRIES).reshape(-1, 4, 4) @ factor
    centered = b.node("Sub", b.value(node.arguments["x"]), b.constant(layer["running_mean"]))
    x = b.node("Split", centered, outputs=4, axis=-1)
    rows = [
        b.node("Sum", *(b.node("Mul", x[k], b.constant(matrices[:, row, k])) for k in range(4))) for row in range(4)
    ]
    set_output(b, node, b.node("Add", b.node("Concat", *rows, axis=-1), b.constant(layer["bias"])))


def layer_norm(b: Any, node: Node) -> None:
    inputs = (b.value(node.arguments[key]) for key in ("x", "weight", "bias"))
    set_output(b, node, b.node("LayerNormalization", *inputs, axis=-1, epsilon=node.arguments["eps"]))
