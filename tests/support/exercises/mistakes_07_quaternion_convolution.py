"""Exercise 7: a plain solution, typical mistakes and hints."""

import numpy as np

from quatnet.conv.plain import conv2d
from quatnet.quaternion import hamilton_product, left_matrix, left_matrix_adjoint


def split_components(x):
    return x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4)


def quaternion_linear(x, w):
    quaternions = split_components(x).transpose(1, 0, 2)[..., None]  # (4, N, C, 1)
    y = hamilton_product(w[:, None], quaternions, axis=0).sum(axis=2)  # (4, N, O)
    return y.transpose(1, 0, 2).reshape(len(x), -1)


def block_weight(w):
    blocks = left_matrix(w, axis=0)  # (4 out, 4 in, KH, KW, C, O)
    _, kh, kw, c, o = w.shape
    return blocks.transpose(2, 3, 1, 4, 0, 5).reshape(kh, kw, 4 * c, 4 * o)


def quaternion_conv2d(x, w):
    return conv2d(x, block_weight(w))


def block_weight_gradient(grad):
    kh, kw, c, o = grad.shape
    blocks = grad.reshape(kh, kw, 4, c // 4, 4, o // 4).transpose(4, 2, 0, 1, 3, 5)
    return left_matrix_adjoint(blocks, axis=0)


MISTAKES = [
    ("the channels are read as r i j k r i j k; the order is four blocks r|i|j|k", "x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4)", "x.reshape(*x.shape[:-1], x.shape[-1] // 4, 4).swapaxes(-1, -2)"),
    ("all axes but the first are flattened; expected the last axis in four blocks, (..., 4, C)", "x.reshape(*x.shape[:-1], 4, x.shape[-1] // 4)", "x.reshape(len(x), 4, -1)"),
    ("the weight multiplies from the right, x ⊗ w; expected w ⊗ x", "hamilton_product(w[:, None], quaternions, axis=0)", "hamilton_product(quaternions, w[:, None], axis=0)"),
    ("the result is averaged over the input channels; expected the sum", "axis=0).sum(axis=2)", "axis=0).mean(axis=2)"),
    ("only the first input channel is used; expected the sum over the channels", "axis=0).sum(axis=2)", "axis=0)[:, :, 0]"),
    ("the products are those of equal components, not Hamilton products", "hamilton_product(w[:, None], quaternions, axis=0)", "(w[:, None] * quaternions)"),
    ("the result is ordered by channel first; expected four blocks r|i|j|k", "y.transpose(1, 0, 2).reshape(", "y.transpose(1, 2, 0).reshape("),
    ("the conjugate of w is used; expected w ⊗ x", "hamilton_product(w[:, None], quaternions, axis=0)", "hamilton_product((w.T * [1, -1, -1, -1]).T[:, None], quaternions, axis=0)"),
    ("the block matrix is transposed: rows of L(w) are components of y, columns are components of x", "blocks.transpose(2, 3, 1, 4, 0, 5)", "blocks.transpose(2, 3, 0, 4, 1, 5)"),
    ("this is the block matrix of x ⊗ w; expected L(w), for w ⊗ x", "blocks = left_matrix(w, axis=0)", "blocks = right_matrix(w, axis=0)"),
    ("the signs of the blocks are missing", "blocks = left_matrix(w, axis=0)", "blocks = abs(left_matrix(np.ones(4)))[..., None, None, None, None] * w[np.arange(4)[:, None] ^ np.arange(4)]"),
    ("the channels of the real kernel are ordered by channel first; expected four blocks r|i|j|k", "blocks.transpose(2, 3, 1, 4, 0, 5)", "blocks.transpose(2, 3, 4, 1, 5, 0)"),
    ("the kernel is flipped; expected a correlation", "conv2d(x, block_weight(w))", "conv2d(x, block_weight(w)[::-1, ::-1])"),
    ("each component of x is convolved with the same component of w", "conv2d(x, block_weight(w))", "np.concatenate([conv2d(a, b) for a, b in zip(np.split(x, 4, axis=-1), w)], axis=-1)"),
    ("the gradient of one block is returned; expected the sum of four blocks", "return left_matrix_adjoint(blocks, axis=0)", "return blocks[:, 0]"),
    ("the gradient is divided by 4; expected the sum of four blocks", "return left_matrix_adjoint(blocks, axis=0)", "return left_matrix_adjoint(blocks, axis=0) / 4"),
    ("the signs of the blocks are missing in the gradient", "return left_matrix_adjoint(blocks, axis=0)", "return np.stack([sum(blocks[a, a ^ c] for a in range(4)) for c in range(4)])"),
    ("the blocks of the gradient are transposed: this is the gradient of the conjugate of w", "4, c // 4, 4, o // 4).transpose(4, 2, 0, 1, 3, 5)", "4, c // 4, 4, o // 4).transpose(2, 4, 0, 1, 3, 5)"),
]  # fmt: skip

PROBES = {"block_weight": [(np.arange(24.0).reshape(4, 1, 1, 2, 3),)]}

HINTS = {
    "split_components": ["reshape(..., 4, C): the last axis is read as four blocks of C numbers"],
    "quaternion_linear": [
        "move the components to the front: x becomes (4, N, C, 1), and w[:, None] is (4, 1, C, O)",
        "hamilton_product(w[:, None], x, axis=0) is (4, N, C, O); sum over the axis of C",
        "transpose to (N, 4, O) and reshape to (N, 4O)",
    ],
    "block_weight": [
        "left_matrix(w, axis=0) is (4, 4, KH, KW, C, O): component of y, component of x, ...",
        "transpose to (KH, KW, component of x, C, component of y, O) and reshape",
    ],
    "quaternion_conv2d": ["conv2d(x, block_weight(w))"],
    "block_weight_gradient": [
        "reshape grad to (KH, KW, 4, C, 4, O) and transpose to (4, 4, KH, KW, C, O), the reverse of block_weight",
        "then apply left_matrix_adjoint of exercise 2 with axis=0",
    ],
}
