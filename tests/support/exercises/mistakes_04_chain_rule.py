"""Exercise 4: a plain solution, typical mistakes and hints."""

import numpy as np


def unbroadcast(grad, shape):
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    for axis, length in enumerate(shape):
        if length == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def multiply_backward(grad, a, b):
    return unbroadcast(grad * b, a.shape), unbroadcast(grad * a, b.shape)


def divide_backward(grad, a, b):
    return unbroadcast(grad / b, a.shape), unbroadcast(-grad * a / b**2, b.shape)


def matmul_backward(grad, a, b):
    return grad @ b.T, a.T @ grad


def backpropagate(tape, grad):
    grads = [0.0] * len(tape)
    grads[-1] = grad
    for n in reversed(range(len(tape))):
        parents, backward = tape[n]
        if parents:
            for parent, value in zip(parents, backward(grads[n])):
                grads[parent] += value
    return [grads[n] for n, (parents, _) in enumerate(tape) if not parents]


MISTAKES = [
    ("the gradient is averaged over the broadcast axes; expected the sum", "    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))\n    for", "    grad = grad.mean(axis=tuple(range(grad.ndim - len(shape))))\n    for"),
    ("the first entry of each broadcast axis is used; expected the sum over the axis", "grad = grad.sum(axis=axis, keepdims=True)", "grad = grad.take([0], axis=axis)"),
    ("the axes of length 1 are not summed", "if length == 1:", "if False:"),
    ("the summed axis is removed; keepdims=True keeps it with length 1", "keepdims=True", "keepdims=False"),
    ("the sum over the broadcast axes is missing in the gradient of b: see unbroadcast", "unbroadcast(grad * a, b.shape)", "grad * a"),
    ("the gradients of the two factors are exchanged: the derivative of ab with respect to a is b", "unbroadcast(grad * b, a.shape), unbroadcast(grad * a, b.shape)", "unbroadcast(grad * a, a.shape), unbroadcast(grad * b, b.shape)"),
    ("the upstream gradient is missing in the gradient of a", "unbroadcast(grad * b, a.shape)", "unbroadcast(np.ones_like(grad) * b, a.shape)"),
    ("the minus sign is missing: the derivative of 1/b is -1/b²", "-grad * a / b**2", "grad * a / b**2"),
    ("b is not squared: the derivative of 1/b is -1/b²", "b**2", "b"),
    ("the factor a is missing: the derivative of a/b with respect to b is -a/b²", "-grad * a / b**2", "-grad / b**2"),
    ("the gradient of a is multiplied by b; the derivative of a/b with respect to a is 1/b", "grad / b, a.shape", "grad * b, a.shape"),
    ("b is not transposed in the gradient of a", "grad @ b.T", "grad @ b"),
    ("a is not transposed in the gradient of b", "a.T @ grad", "a @ grad"),
    ("the factors are exchanged in the gradient of b: expected aᵀ @ grad", "a.T @ grad", "grad @ a.T"),
    ("the products are elementwise; expected matrix products", "grad @ b.T, a.T @ grad", "grad * b, grad * a"),
    ("the gradients of a value that is used several times overwrite each other; they must be added", "grads[parent] += value", "grads[parent] = value"),
    ("the upstream gradient of the last entry is 1; expected `grad`", "grads[-1] = grad", "grads[-1] = 1.0"),
    ("the gradients of all entries are returned; expected those of the leaves", " if not parents]", "]"),
    ("the entries are visited from the first to the last; the upstream gradient of an entry is complete only in the reversed order", "reversed(range(len(tape)))", "range(len(tape))"),
]  # fmt: skip

SHAPES = dict.fromkeys(
    ("multiply_backward", "divide_backward", "matmul_backward"),
    "Sum over the axes that were broadcast, with keepdims=True for axes of length 1.",
)

PROBES = {"matmul_backward": [tuple(np.array([[1.0, 2], [3, 5]]) + n for n in range(3))]}

HINTS = {
    "unbroadcast": [
        "first sum over the axes in front that `shape` does not have: there are grad.ndim - len(shape) of them",
        "then, for every axis of length 1 in `shape`, sum over this axis with keepdims=True",
    ],
    "multiply_backward": ["the derivative of ab with respect to a is b", "unbroadcast(grad * b, a.shape)"],
    "divide_backward": ["the derivatives of a/b are 1/b and -a/b²; call unbroadcast for both"],
    "matmul_backward": [
        "the shapes leave one choice: grad is (rows, columns), b is (inner, columns), and grad_a must be (rows, inner)",
        "grad @ b.T and a.T @ grad",
    ],
    "backpropagate": [
        "keep one gradient for each entry, 0 at first and `grad` for the last entry",
        "go through the tape from the last to the first entry; call backward with the gradient of the entry",
        "add each returned gradient to the gradient of its parent",
    ],
}
