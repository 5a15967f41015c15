"""The functions of quatnet that solve the exercises, with NumPy arrays as arguments and results."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import quatnet
from quatnet import Tensor, graph, ops, optim, quaternion
from quatnet.audio import spectrogram
from quatnet.audio.components import delta_components
from quatnet.autodiff.arrays import unbroadcast
from quatnet.backend import asnumpy, xp
from quatnet.conv import im2col, plain
from quatnet.graph.count import layer_operations
from quatnet.graph.nodes import Graph, Node, Ref
from quatnet.nn import init
from quatnet.ops import components, whitening
from quatnet.ops.losses import log_softmax
from quatnet.profile import counts
from quatnet.prune import scores, selection

ROOT = Path(quatnet.__file__).resolve().parent.parent


def solution(function: Callable) -> Callable[[Callable], Callable]:
    """Return a decorator that names `function` as the solution and converts arrays for the backend."""

    def decorate(call: Callable) -> Callable:
        @functools.wraps(call)
        def on_numpy(*args: Any) -> Any:
            return _map(asnumpy, call(*(_map(xp.asarray, arg) for arg in args)))

        target = inspect.unwrap(function)
        path = Path(inspect.getsourcefile(target)).resolve().relative_to(ROOT).as_posix()
        on_numpy.source = f"{target.__qualname__} in {path}"
        return on_numpy

    return decorate


def direct(function: Callable, *parameters: str) -> Callable:
    """Return `function` of quatnet with positional parameters."""
    call = eval(f"lambda {', '.join(parameters)}: function({', '.join(parameters)})", {"function": function})
    call.__name__ = function.__name__
    return solution(function)(call)


def _map(convert: Callable, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_map(convert, item) for item in value)
    is_array = isinstance(value, np.ndarray | np.number) or type(value).__module__.startswith(("cupy", "support.mock"))
    return convert(value) if is_array and np.ndim(value) >= 0 else value


# 01 quaternions


def algebra(name: str, *parameters: str) -> Callable:
    return direct(getattr(quaternion, name), *parameters)


# 02 the product as a matrix


# 04 the chain rule


def gradients(function: Callable, arrays: tuple, grad: Any) -> tuple:
    """Return the gradients of <function(*arrays), grad> with respect to each array."""
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    function(*tensors).backward(grad)
    return tuple(tensor.grad for tensor in tensors)


@solution(Tensor.__mul__)
def multiply_backward(grad, a, b):
    return gradients(lambda a, b: a * b, (a, b), grad)


@solution(Tensor.__truediv__)
def divide_backward(grad, a, b):
    return gradients(lambda a, b: a / b, (a, b), grad)


@solution(Tensor.__matmul__)
def matmul_backward(grad, a, b):
    return gradients(lambda a, b: a @ b, (a, b), grad)


@solution(Tensor.backward)
def backpropagate(tape, grad):
    tensors = []
    for parents, backward in tape:
        if not parents:
            tensors.append(Tensor(np.zeros(()), requires_grad=True))
        else:
            wrapped = functools.partial(_call_backward, backward)
            tensors.append(Tensor.from_op(xp.zeros(()), tuple(tensors[n] for n in parents), wrapped))
    tensors[-1].backward(xp.asarray(grad))
    leaves = [tensor for tensor, (parents, _) in zip(tensors, tape, strict=True) if not parents]
    return tuple(0.0 if leaf.grad is None else float(leaf.grad) for leaf in leaves)


def _call_backward(backward, grad):
    return tuple(xp.asarray(value) for value in backward(float(grad)))


# 05 the gradient of a Hamilton product


@solution(ops.hamilton_product)
def left_factor_gradient(grad, q):
    return gradients(ops.hamilton_product, (xp.zeros(4), q), grad)[0]


@solution(ops.hamilton_product)
def right_factor_gradient(grad, p):
    return gradients(ops.hamilton_product, (p, xp.zeros(4)), grad)[1]


@solution(ops.hamilton_product)
def hamilton_product_backward(grad, p, q):
    return gradients(ops.hamilton_product, (p, q), grad)


# 06 im2col


@solution(plain.conv2d_input_gradient)
def conv2d_input_gradient(grad, w, shape, stride, padding):
    return plain.conv2d_input_gradient(grad, w, shape, stride=stride, padding=padding)


@solution(plain.conv2d_weight_gradient)
def conv2d_weight_gradient(x, grad, kernel, stride, padding):
    return plain.conv2d_weight_gradient(x, grad, kernel, stride=stride, padding=padding)


@solution(plain.conv2d)
def conv2d(x, w, stride, padding):
    return plain.conv2d(x, w, stride=stride, padding=padding)


@solution(im2col.im2col)
def image_to_columns(x, kernel, stride, padding):
    return im2col.im2col(x, kernel, stride=stride, padding=padding)


@solution(im2col.col2im)
def col2im(rows, shape, kernel, stride, padding):
    return im2col.col2im(rows, shape, kernel, stride=stride, padding=padding)


# 07 quaternion convolution


@solution(ops.quaternion_linear)
def quaternion_linear(x, w):
    return ops.quaternion_linear(Tensor(x), Tensor(w), Tensor(xp.zeros(4 * w.shape[2]))).data


@solution(ops.quaternion_conv2d)
def quaternion_conv2d(x, w):
    return ops.quaternion_conv2d(Tensor(x), Tensor(w)).data


@solution(plain.split_blocks)
def block_weight_gradient(grad):
    return quaternion.left_matrix_adjoint(plain.split_blocks(grad), axis=0)


# 08 initialization


@solution(init.quaternion_polar)
def polar_weights(modulus, angle, axis):
    unit = axis / xp.sqrt((axis**2).sum(axis=0))
    return xp.concatenate([(modulus * xp.cos(angle))[None], modulus * xp.sin(angle) * unit])


@solution(init.glorot_scale)
def output_variance(fan_in, mean_square_norm, input_variance):
    return fan_in * mean_square_norm * input_variance


# 09 distillation


@solution(ops.distillation_loss)
def softmax(logits, temperature):
    return xp.exp(log_softmax(logits / temperature))


@solution(ops.distillation_loss)
def kl_divergence(teacher, student):
    return ops.distillation_loss(Tensor(xp.log(student)), xp.log(teacher), temperature=1.0).data


@solution(ops.distillation_loss)
def distillation_loss(logits, teacher_logits, temperature):
    return ops.distillation_loss(Tensor(logits), teacher_logits, temperature=temperature).data


@solution(ops.distillation_loss)
def distillation_gradient(logits, teacher_logits, temperature):
    student = Tensor(logits, requires_grad=True)
    ops.distillation_loss(student, teacher_logits, temperature=temperature).backward()
    return student.grad


# 10 pruning


def on_cpu(function: Callable, call: Callable) -> Callable:
    """Return `call` with `function` as its solution. The arrays are those of NumPy for every backend."""
    call.source = solution(function)(call).source
    return call


def keep_indices(scores, ratio):
    return selection.top_k(scores, len(scores) - int(ratio * len(scores)))


def real_channels(keep, filters):
    return np.concatenate([np.asarray(keep) + block * filters for block in range(4)])


def remove_filters(weight, norm, next_weight, keep):
    return weight[..., keep], norm[real_channels(keep, weight.shape[-1])], next_weight[..., keep, :]


# 11 sound to quaternions


def mel_filters(bins_hz, edges_hz):
    left, center, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    bins = bins_hz[:, None]
    return np.minimum((bins - left) / (center - left), (right - bins) / (right - center)).clip(0) * 2 / (right - left)


def log_mel(power, filterbank, floor_db):
    return spectrogram.log_mel(power, filterbank, floor_db=floor_db)


def quaternion_features(levels):
    first = spectrogram.deltas(levels)
    second = spectrogram.deltas(first)
    return np.stack([levels, first, second, spectrogram.deltas(second)], axis=-1)


# 12 counting multiplications


def operations(quaternion, pixels, taps, inputs, outputs):
    """Return the multiplications with 16 and 8 products and the additions with 16 and 8 products."""
    op, unit = ("quaternion_conv2d", 4) if quaternion else ("conv2d", 1)
    weight = (*((4,) if quaternion else ()), taps, 1, inputs // unit, outputs // unit)
    return layer_operations(op, (pixels, 1, inputs), weight, (pixels, 1, outputs), has_bias=False)[:4]


def num_weights(taps, inputs, outputs, quaternion):
    return taps * inputs * outputs // (4 if quaternion else 1)


def real_multiplications(pixels, taps, inputs, outputs):
    return operations(False, pixels, taps, inputs, outputs)[0]


def quaternion_multiplications(pixels, taps, inputs, outputs, products):
    return operations(True, pixels, taps, inputs, outputs)[(16, 8).index(products)]


def real_additions(pixels, taps, inputs, outputs):
    return operations(False, pixels, taps, inputs, outputs)[2]


def additions_with_eight_products(pixels, taps, inputs, outputs):
    return operations(True, pixels, taps, inputs, outputs)[3]


# 13 the training loop


def updated(optimizer, tensor, grad, steps, **state):
    """Return the parameter after a step of an optimizer that has made `steps` steps, and its state."""
    optimizer.steps = steps
    optimizer.state = {f"{name}/0": array.copy() for name, array in state.items()}
    tensor.grad = grad
    optimizer.step()
    return (tensor.data, *optimizer.state.values())


@solution(optim.SGD)
def sgd_step(parameter, grad, velocity, lr, momentum):
    tensor = Tensor(parameter, requires_grad=True)
    return updated(optim.SGD([tensor], lr, momentum=momentum), tensor, grad, 0, velocity=velocity)


@solution(optim.AdamW)
def adamw_step(parameter, grad, mean, mean_square, step, lr, beta1, beta2, eps, weight_decay):
    tensor = Tensor(parameter[None], requires_grad=True)  # AdamW decreases parameters with at least two axes
    optimizer = optim.AdamW([tensor], lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    state = {"exp_avg": mean[None], "exp_avg_sq": mean_square[None]}
    return tuple(array[0] for array in updated(optimizer, tensor, grad[None], step - 1, **state))


@solution(optim.clip_grad_norm)
def clip_gradients(gradients, max_norm):
    tensors = [Tensor(grad, requires_grad=True) for grad in gradients]
    for tensor in tensors:
        tensor.grad = tensor.data
    optim.clip_grad_norm(tensors, max_norm)
    return tuple(tensor.grad for tensor in tensors)


@solution(optim.cosine)
def cosine_lr(step, total_steps, max_lr):
    return optim.cosine(step, total_steps, max_lr=max_lr)


@solution(optim.SGD.step)
def train(x, targets, weight, lr, steps):
    tensor = Tensor(weight[:, None], requires_grad=True)
    optimizer = optim.SGD([tensor], lr, momentum=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        ops.mse_loss(Tensor(x) @ tensor, targets[:, None]).backward()
        optimizer.step()
    return tensor.data[:, 0]


# 14 quaternion normalization


@solution(ops.batch_norm)
def batch_norm(x, weight, bias, eps):
    return ops.batch_norm(Tensor(x), Tensor(weight), Tensor(bias), eps=eps).data


@solution(ops.quaternion_batch_norm)
def quaternion_batch_norm(x, weight, bias, eps):
    return ops.quaternion_batch_norm(Tensor(x), Tensor(weight), Tensor(bias), eps=eps).data


@solution(whitening.whitening_statistics)
def covariance(q):
    deviations = q - q.mean(axis=0)
    return deviations.T @ deviations / len(q)


@solution(whitening._inverse_cholesky_factor)
def whitening_matrix(matrix, eps):
    return whitening._inverse_cholesky_factor(matrix[None], eps)[0]


@solution(ops.mod_relu)
def mod_relu(x, bias):
    return ops.mod_relu(Tensor(x), Tensor(bias)).data


# 15 rotations


@solution(quaternion.from_axis_angle)
def from_axis_angle(direction, angle):
    return quaternion.from_axis_angle(direction, xp.asarray(angle))


@solution(quaternion.slerp)
def slerp(p, q, t):
    return quaternion.slerp(p, q, xp.asarray(t))


# 16 the network as data

OPERATIONS = {
    "matmul": lambda a, b: a @ b,
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "relu": lambda a: np.maximum(a, 0),
}


def as_graph(nodes) -> Graph:
    """Return a graph without shapes and arrays. The inputs of a node are its arguments."""
    converted = [Node(name, op, {str(n): Ref(i) for n, i in enumerate(inputs)}, ()) for name, op, inputs in nodes]
    return Graph({}, converted, Ref(nodes[-1][0]), {}, {})


def run(nodes, arrays, x):
    values = {**arrays, "x": x}
    for node in as_graph(nodes).nodes:
        values[node.name] = OPERATIONS[node.op](*(values[name] for name in node.refs()))
    return values[nodes[-1][0]]


def consumers(nodes):
    users = as_graph(nodes).consumers()
    return {value: [name for name in names if name] for value, names in users.items() if any(names)}


def live_nodes(nodes):
    users, live = consumers(nodes), {nodes[-1][0]}
    for name, _, _ in reversed(nodes):
        if live.intersection(users.get(name, [])):
            live.add(name)
    return [node for node in nodes if node[0] in live]


def count_parameters(nodes, arrays):
    return sum(array.size for name, array in arrays.items() if name in consumers(nodes))


def fold_batch_norm(weight, bias, gamma, beta, mean, variance, eps):
    scale = gamma / np.sqrt(variance + eps)
    return weight * scale, (bias - mean) * scale + beta


LIBRARY: dict[str, dict[str, Callable]] = {
    "01_quaternions": {
        "hamilton_product": algebra("hamilton_product", "p", "q"),
        "conjugate": algebra("conjugate", "q"),
        "norm": algebra("norm", "q"),
        "inverse": algebra("inverse", "q"),
    },
    "02_product_as_a_matrix": {
        "left_matrix": algebra("left_matrix", "p"),
        "right_matrix": algebra("right_matrix", "q"),
        "left_matrix_adjoint": algebra("left_matrix_adjoint", "matrix"),
    },
    "03_eight_multiplications": {
        "hadamard_transform": solution(quaternion.eight_products)(
            lambda q: np.stack(quaternion.eight_multiplications._hadamard_transform(q))
        ),
        "eight_products": algebra("eight_products", "p", "q", "multiply"),
    },
    "04_chain_rule": {
        "unbroadcast": direct(unbroadcast, "grad", "shape"),
        "multiply_backward": multiply_backward,
        "divide_backward": divide_backward,
        "matmul_backward": matmul_backward,
        "backpropagate": backpropagate,
    },
    "05_hamilton_gradient": {
        "left_factor_gradient": left_factor_gradient,
        "right_factor_gradient": right_factor_gradient,
        "hamilton_product_backward": hamilton_product_backward,
    },
    "06_im2col": {
        "output_size": direct(im2col.output_size, "size", "kernel", "stride", "padding"),
        "im2col": image_to_columns,
        "col2im": col2im,
        "conv2d": conv2d,
        "conv2d_input_gradient": conv2d_input_gradient,
        "conv2d_weight_gradient": conv2d_weight_gradient,
    },
    "07_quaternion_convolution": {
        "split_components": direct(components.split_components, "x"),
        "quaternion_linear": quaternion_linear,
        "block_weight": direct(plain.quaternion_to_real_kernel, "w"),
        "quaternion_conv2d": quaternion_conv2d,
        "block_weight_gradient": block_weight_gradient,
    },
    "08_initialization": {
        "fans": direct(init._fans, "shape"),
        "glorot_scale": direct(init.glorot_scale, "shape"),
        "he_scale": direct(init.he_scale, "shape"),
        "polar_weights": polar_weights,
        "output_variance": output_variance,
    },
    "09_distillation": {
        "softmax": softmax,
        "kl_divergence": kl_divergence,
        "distillation_loss": distillation_loss,
        "distillation_gradient": distillation_gradient,
    },
    "10_pruning": {
        "l1_scores": on_cpu(scores.l1_scores, lambda weight: scores.l1_scores(weight)),
        "keep_indices": on_cpu(selection.top_k, keep_indices),
        "real_channels": on_cpu(graph.channel_groups, real_channels),
        "remove_filters": on_cpu(graph.prune_graph, remove_filters),
    },
    "11_sound_to_quaternions": {
        "hz_to_mel": on_cpu(spectrogram.hz_to_mel, lambda hz: spectrogram.hz_to_mel(hz)),
        "mel_filters": on_cpu(spectrogram.mel_filterbank, mel_filters),
        "log_mel": on_cpu(spectrogram.log_mel, log_mel),
        "deltas": on_cpu(spectrogram.deltas, lambda features: spectrogram.deltas(features)),
        "quaternion_features": on_cpu(delta_components, quaternion_features),
    },
    "12_counting_multiplications": {
        "num_weights": on_cpu(counts.num_weights, num_weights),
        "real_multiplications": on_cpu(layer_operations, real_multiplications),
        "quaternion_multiplications": on_cpu(layer_operations, quaternion_multiplications),
        "real_additions": on_cpu(layer_operations, real_additions),
        "additions_with_eight_products": on_cpu(layer_operations, additions_with_eight_products),
    },
    "13_training_loop": {
        "sgd_step": sgd_step,
        "adamw_step": adamw_step,
        "clip_gradients": clip_gradients,
        "cosine_lr": cosine_lr,
        "train": train,
    },
    "14_quaternion_normalization": {
        "batch_norm": batch_norm,
        "quaternion_batch_norm": quaternion_batch_norm,
        "covariance": covariance,
        "whitening_matrix": whitening_matrix,
        "mod_relu": mod_relu,
    },
    "15_rotations": {
        "exp": algebra("exp", "q"),
        "log": algebra("log", "q"),
        "rotate": algebra("rotate", "q", "v"),
        "from_axis_angle": from_axis_angle,
        "to_matrix": algebra("to_matrix", "q"),
        "slerp": slerp,
    },
    "16_network_as_data": {
        "run": on_cpu(graph.GraphModule.__call__, run),
        "consumers": on_cpu(Graph.consumers, consumers),
        "live_nodes": on_cpu(Graph.consumers, live_nodes),
        "count_parameters": on_cpu(graph.count, count_parameters),
        "fold_batch_norm": on_cpu(graph.fold, fold_batch_norm),
    },
}
