"""Exercise 5: a plain solution, typical mistakes and hints."""

import numpy as np

from quatnet.quaternion import conjugate, hamilton_product

QUATERNIONS = True
ANY_NUMBERS = True  # examples of wrong calls have small integers


def left_factor_gradient(grad, q):
    return hamilton_product(grad, conjugate(q))


def right_factor_gradient(grad, p):
    return hamilton_product(conjugate(p), grad)


def unbroadcast(grad, shape):
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    for axis, length in enumerate(shape):
        if length == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def hamilton_product_backward(grad, p, q):
    grad_p, grad_q = left_factor_gradient(grad, q), right_factor_gradient(grad, p)
    return unbroadcast(grad_p, p.shape), unbroadcast(grad_q, q.shape)


MISTAKES = [
    ("the conjugate of q is missing in grad_p", "hamilton_product(grad, conjugate(q))", "hamilton_product(grad, q)"),
    ("the factors of grad_p are exchanged: expected g ⊗ q*", "hamilton_product(grad, conjugate(q))", "hamilton_product(conjugate(q), grad)"),
    ("the upstream gradient is conjugated; expected the conjugate of q", "hamilton_product(grad, conjugate(q))", "hamilton_product(conjugate(grad), q)"),
    ("grad_p is the conjugate of the right result", "hamilton_product(grad, conjugate(q))", "conjugate(hamilton_product(grad, conjugate(q)))"),
    ("grad_p is the product of equal components, as for real numbers", "hamilton_product(grad, conjugate(q))", "np.asarray(grad) * q"),
    ("the upstream gradient is missing in grad_p", "hamilton_product(grad, conjugate(q))", "conjugate(q)"),
    ("the conjugate of p is missing in grad_q", "hamilton_product(conjugate(p), grad)", "hamilton_product(p, grad)"),
    ("the factors of grad_q are exchanged: expected p* ⊗ g", "hamilton_product(conjugate(p), grad)", "hamilton_product(grad, conjugate(p))"),
    ("the upstream gradient is conjugated; expected the conjugate of p", "hamilton_product(conjugate(p), grad)", "hamilton_product(p, conjugate(grad))"),
    ("the upstream gradient is missing in grad_q", "hamilton_product(conjugate(p), grad)", "conjugate(p)"),
    ("the sums over the broadcast axes of p and q are missing", "unbroadcast(grad_p, p.shape), unbroadcast(grad_q, q.shape)", "grad_p, grad_q"),
    ("the sum over the broadcast axes of q is missing", "unbroadcast(grad_q, q.shape)", "grad_q"),
    ("the sum over the broadcast axes of p is missing", "unbroadcast(grad_p, p.shape)", "grad_p"),
    ("the gradient is averaged over the broadcast axes; expected the sum", "grad.sum(axis=tuple(range(grad.ndim - len(shape))))", "grad.mean(axis=tuple(range(grad.ndim - len(shape))))"),
    ("the two gradients are exchanged; expected (grad_p, grad_q)", "unbroadcast(grad_p, p.shape), unbroadcast(grad_q, q.shape)", "unbroadcast(grad_q, q.shape), unbroadcast(grad_p, p.shape)"),
]  # fmt: skip

SHAPES = {
    "hamilton_product_backward": "Sum over the axes that were broadcast, with keepdims=True for axes of length 1."
}

PROBES = {
    "hamilton_product_backward": [(np.arange(8.0).reshape(2, 4) % 3, np.arange(8.0).reshape(2, 4), np.arange(4.0))]
}

HINTS = {
    "left_factor_gradient": [
        "compare three things with g ⊗ q*: the order of the factors, the conjugate of q, and g without conjugate",
        "p is the left factor, so it is multiplied by R(q); the gradient is R(q)ᵀ g = R(q*) g",
        "R(q*) g is the product with q* on the right: hamilton_product(grad, conjugate(q))",
    ],
    "right_factor_gradient": [
        "compare three things with p* ⊗ g: the order of the factors, the conjugate of p, and g without conjugate",
        "q is the right factor, so it is multiplied by L(p); the gradient is L(p)ᵀ g = L(p*) g",
        "L(p*) g is the product with p* on the left: hamilton_product(conjugate(p), grad)",
    ],
    "hamilton_product_backward": [
        "compare the shapes of the results with p.shape and q.shape: every other axis was broadcast and must be summed",
        "hamilton_product and conjugate of quatnet accept arrays (..., 4), so the two formulas do not change",
        "a quaternion that was used several times receives the sum: apply unbroadcast of exercise 4 to both gradients",
    ],
}
