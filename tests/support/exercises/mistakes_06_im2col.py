"""Exercise 6: a plain solution, typical mistakes and hints."""

import numpy as np


def output_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


def im2col(x, kernel, stride, padding):
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    oh, ow = (output_size(n, k, stride, padding) for n, k in zip(x.shape[1:3], kernel))
    taps = []
    for i, j in np.ndindex(*kernel):
        taps.append(padded[:, i : i + oh * stride : stride, j : j + ow * stride : stride][:, :oh, :ow])
    return np.stack(taps, axis=3).reshape(len(x), oh, ow, -1)


def col2im(rows, shape, kernel, stride, padding):
    n, h, w, c = shape
    _, oh, ow, _ = rows.shape
    image = np.zeros((n, h + 2 * padding, w + 2 * padding, c))
    patches = rows.reshape(n, oh, ow, *kernel, c)
    for i, j in np.ndindex(*kernel):
        image[:, i : i + oh * stride : stride, j : j + ow * stride : stride] += patches[:, :, :, i, j]
    return image[:, padding : padding + h, padding : padding + w]


def conv2d(x, w, stride, padding):
    return im2col(x, w.shape[:2], stride, padding) @ w.reshape(-1, w.shape[3])


def conv2d_input_gradient(grad, w, shape, stride, padding):
    matrix = w.reshape(-1, w.shape[3])
    return col2im(grad @ matrix.T, shape, w.shape[:2], stride, padding)


def conv2d_weight_gradient(x, grad, kernel, stride, padding):
    rows = im2col(x, kernel, stride, padding).reshape(-1, kernel[0] * kernel[1] * x.shape[3])
    return (rows.T @ grad.reshape(-1, grad.shape[3])).reshape(*kernel, x.shape[3], grad.shape[3])


MISTAKES = [
    ("the + 1 is missing: a kernel of the size of the image has one position", "// stride + 1", "// stride"),
    ("the padding is counted once; there is padding at both ends", "size + 2 * padding", "size + padding"),
    ("the quotient is rounded up; a position that does not fit is left out", "return (size + 2 * padding - kernel) // stride + 1", "return -(-(size + 2 * padding - kernel) // stride) + 1"),
    ("the channels are before the pixels in a patch; the order is row, column, channel", "np.stack(taps, axis=3).reshape(", "np.stack(taps, axis=4).reshape("),
    ("the pixels of a patch are in reversed order, as for a flipped kernel", "np.stack(taps, axis=3)", "np.stack(taps[::-1], axis=3)"),
    ("a patch is ordered by column first; the order is row, column, channel", "np.stack(taps, axis=3)", "np.stack([taps[a * kernel[1] + b] for b in range(kernel[1]) for a in range(kernel[0])], axis=3)"),
    ("the stride is ignored: the patches are neighbors", "padded[:, i : i + oh * stride : stride, j : j + ow * stride : stride][:, :oh, :ow]", "padded[:, i : i + oh, j : j + ow]"),
    ("the padding is missing at the top and left: the positions start at the first pixel", "padded[:, i : i + oh * stride : stride, j : j + ow * stride : stride][:, :oh, :ow]", "padded[:, i + min(padding, padded.shape[1] - i - oh * stride) :, j + min(padding, padded.shape[2] - j - ow * stride) :][:, ::stride, ::stride][:, :oh, :ow]"),
    ("the image is padded with its edge; expected zeros", "(padding, padding), (0, 0)))", "(padding, padding), (0, 0)), mode='edge')"),
    ("overlapping patches overwrite each other; they must be added", "j : j + ow * stride : stride] += patches", "j : j + ow * stride : stride] = patches"),
    ("the sum over the patches is divided by the number of taps; expected the sum", "+= patches[:, :, :, i, j]", "+= patches[:, :, :, i, j] / (kernel[0] * kernel[1])"),
    ("the padding is not removed at the right place: cut `padding` pixels from every side", "image[:, padding : padding + h, padding : padding + w]", "image[:, :h, :w]"),
    ("the kernel is flipped; expected a correlation, as in PyTorch", "@ w.reshape(-1, w.shape[3])", "@ w[::-1, ::-1].reshape(-1, w.shape[3])"),
    ("the rows and columns of the kernel are exchanged", "@ w.reshape(-1, w.shape[3])", "@ w.swapaxes(0, 1).reshape(-1, w.shape[3])"),
    ("the gradient is multiplied by the flipped kernel; expected the transposed matrix of w", "matrix = w.reshape(-1, w.shape[3])", "matrix = w[::-1, ::-1].reshape(-1, w.shape[3])"),
    ("the gradient of the weights is averaged over all positions; expected the sum", "(rows.T @ grad.reshape(-1, grad.shape[3])).reshape", "(rows.T @ grad.reshape(-1, grad.shape[3]) / len(rows)).reshape"),
    ("the gradient of the weights is averaged over the images; expected the sum", "(rows.T @ grad.reshape(-1, grad.shape[3])).reshape", "(rows.T @ grad.reshape(-1, grad.shape[3]) / len(x)).reshape"),
]  # fmt: skip

HINTS = {
    "output_size": ["// is the floor of a quotient of integers"],
    "im2col": [
        "pad x with np.pad, only along the axes 1 and 2",
        "for the tap (i, j), the pixels of all patches are padded[:, i::stride, j::stride], cut to OH x OW",
        "stack the taps along axis 3, before the channels, and reshape to (N, OH, OW, KH*KW*C)",
    ],
    "col2im": [
        "start with a padded image of zeros; reshape the rows to (N, OH, OW, KH, KW, C)",
        "for the tap (i, j), add rows[:, :, :, i, j] to image[:, i : i + OH*stride : stride, j : j + OW*stride : stride]",
        "return the image without the padding",
    ],
    "conv2d": ["w.reshape(-1, w.shape[3]) is the matrix (KH*KW*C, O)"],
    "conv2d_input_gradient": [
        "the matrix product y = rows @ w has the gradients grad @ w.T for the rows and rows.T @ grad for w",
        "col2im of the gradient of the rows is the gradient of x",
    ],
    "conv2d_weight_gradient": ["reshape the rows to (N*OH*OW, KH*KW*C) and grad to (N*OH*OW, O)", "rows.T @ grad"],
}
