"""Exercise 6: im2col: a convolution as one matrix product.

    images x (N, H, W, C)    weights w (KH, KW, C, O)    result y (N, OH, OW, O)

im2col copies the KH x KW pixels under the kernel, a patch, into a row of a matrix. Then y = im2col(x) @ w, with w as a
matrix (KH*KW*C, O). As in PyTorch, the kernel is not flipped. `stride` and `padding` are integers for both axes.

    python -m pytest tests/course/test_06_im2col.py --implementation my_convolution.py

Chapter 6: docs/06-im2col.md.
"""

import numpy as np


def output_size(size, kernel, stride, padding):
    """Return the number of positions of a kernel along one axis: floor((size + 2 padding - kernel) / stride) + 1."""
    raise NotImplementedError


def im2col(x, kernel, stride, padding):
    """Return the patches (N, OH, OW, KH*KW*C) of images `x`, for a `kernel` of the size (KH, KW).

    The images are padded with `padding` zeros on all four sides. A patch is ordered by row, then column, then channel.
    """
    raise NotImplementedError


def col2im(rows, shape, kernel, stride, padding):
    """Return images of `shape` (N, H, W, C): each pixel is the sum of all patch entries that were copied from it.

    `rows` are patches (N, OH, OW, KH*KW*C). The padding is removed. This is the adjoint of im2col:
    <im2col(x), rows> = <x, col2im(rows)>.
    """
    raise NotImplementedError


def conv2d(x, w, stride, padding):
    """Return y = im2col(x) @ w, with the shape (N, OH, OW, O)."""
    raise NotImplementedError


def conv2d_input_gradient(grad, w, shape, stride, padding):
    """Return the gradient of x, of `shape` (N, H, W, C), for the upstream gradient `grad` (N, OH, OW, O)."""
    raise NotImplementedError


def conv2d_weight_gradient(x, grad, kernel, stride, padding):
    """Return the gradient (KH, KW, C, O) of w, for the upstream gradient `grad` and a `kernel` of size (KH, KW)."""
    raise NotImplementedError
