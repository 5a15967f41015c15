"""Tests of chapter 6: im2col: a convolution as one matrix product.

A 3x3 filter multiplies patches of nine pixels. im2col copies each patch into a row of a matrix. One matrix product of
the rows and the weights then applies all filters at all positions. The gradients follow from the gradients of a matrix
product. For the input gradient, col2im (the adjoint of im2col) adds overlapping patches at the pixels that the patches
cover. The reference is a loop over images, positions, taps, channels and filters: seven nested loops.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.strategies import seeds

IMAGE = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # the image has the rows 1 2 3 / 4 5 6 / 7 8 9
# height, width, kernel, stride, padding: a kernel that fits, of all sizes
CASES = [(3, 3, (2, 2), 1, 0), (4, 5, (3, 2), 1, 1), (5, 4, (1, 3), 2, 1), (6, 6, (3, 3), 2, 0), (5, 6, (2, 3), 3, 2)]
cases = st.sampled_from(CASES)


def assert_close(actual, expected):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-9)


# Patches


def test_output_size_worked_example(output_size):
    # the formula is floor((size + 2 padding - kernel) / stride) + 1
    assert [output_size(3, 2, 1, 0), output_size(5, 5, 3, 0), output_size(1, 3, 1, 1)] == [2, 1, 1]
    assert [output_size(7, 3, 2, 0), output_size(8, 3, 2, 0), output_size(8, 3, 2, 1)] == [3, 3, 4]


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_output_size_is_the_number_of_positions(output_size, size, kernel, stride, padding):
    positions = range(0, size + 2 * padding - kernel + 1, stride)
    if len(positions):
        assert output_size(size, kernel, stride, padding) == len(positions)


def test_im2col_of_a_three_by_three_image(im2col):
    rows = im2col(IMAGE, (2, 2), 1, 0)
    assert_close(rows.reshape(4, 4), [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]])


def test_im2col_with_padding_and_stride(im2col):
    # the four patches start at (0, 0), (0, 2), (2, 0) and (2, 2) of the padded image
    rows = im2col(IMAGE, (2, 2), 2, 1)
    assert_close(rows.reshape(4, 4), [[0, 0, 0, 1], [0, 0, 2, 3], [0, 4, 0, 7], [5, 6, 8, 9]])


def test_im2col_keeps_the_channels_of_a_pixel_together(im2col):
    two_channels = np.concatenate([IMAGE, 10 * IMAGE], axis=-1)
    assert_close(im2col(two_channels, (1, 2), 1, 0)[0, 0, 0], [1, 10, 2, 20])


def test_col2im_of_ones_counts_the_patches_of_a_pixel(col2im):
    # A corner pixel of the 3x3 image is in one 2x2 patch, an edge pixel in two patches, and the center in four.
    image = col2im(np.ones((1, 2, 2, 4)), (1, 3, 3, 1), (2, 2), 1, 0)
    assert_close(image[0, :, :, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@given(seeds, cases)
def test_im2col_and_col2im_are_adjoint(im2col, col2im, seed, case):
    h, w, kernel, stride, padding = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, h, w, 2))
    rows = im2col(x, kernel, stride, padding)
    grad = rng.standard_normal(rows.shape)
    assert_close((rows * grad).sum(), (x * col2im(grad, x.shape, kernel, stride, padding)).sum())


# Convolution


def test_convolution_worked_example(conv2d):
    # The kernel 1 0 / 0 -1 subtracts the bottom right pixel of each patch from the top left pixel x: x - (x + 4) = -4.
    w = np.array([[1.0, 0], [0, -1]]).reshape(2, 2, 1, 1)
    assert_close(conv2d(IMAGE, w, 1, 0)[0, :, :, 0], [[-4, -4], [-4, -4]])


def test_the_kernel_is_not_flipped(conv2d):
    # conv2d is a correlation: the kernel (1, 2) maps the row 1 2 3 to 1·1 + 2·2 = 5 and 1·2 + 2·3 = 8
    y = conv2d(IMAGE[:, :1], np.array([1.0, 2]).reshape(1, 2, 1, 1), 1, 0)
    assert_close(y.ravel(), [5, 8])


@given(seeds, cases)
def test_convolution_equals_seven_nested_loops(conv2d, seed, case):
    h, w, kernel, stride, padding = case
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((2, h, w, 2)), rng.standard_normal((*kernel, 2, 3))
    assert_close(conv2d(x, weight, stride, padding), oracles.conv2d(x, weight, stride=stride, padding=padding))


# Gradients


def test_gradients_worked_example(conv2d_input_gradient, conv2d_weight_gradient):
    # For y = (w0 x0 + w1 x1, w0 x1 + w1 x2) with x = (1, 2, 3), w = (4, 5) and the upstream gradient (1, 10):
    # grad_x = (w0·1, w1·1 + w0·10, w1·10) = (4, 45, 50), grad_w = (x0·1 + x1·10, x1·1 + x2·10) = (21, 32)
    x, w = IMAGE[:, :1], np.array([4.0, 5]).reshape(1, 2, 1, 1)
    grad = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    assert_close(conv2d_input_gradient(grad, w, x.shape, 1, 0).ravel(), [4, 45, 50])
    assert_close(conv2d_weight_gradient(x, grad, (1, 2), 1, 0).ravel(), [21, 32])


@given(seeds, cases)
def test_gradients_are_adjoint_to_the_convolution(conv2d_input_gradient, conv2d_weight_gradient, seed, case):
    # The convolution is linear in x and in w, so <conv(x, w), grad> = <x, grad_x> = <w, grad_w>.
    h, w, kernel, stride, padding = case
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((2, h, w, 2)), rng.standard_normal((*kernel, 2, 3))
    y = oracles.conv2d(x, weight, stride=stride, padding=padding)
    grad = rng.standard_normal(y.shape)
    grad_x = conv2d_input_gradient(grad, weight, x.shape, stride, padding)
    grad_w = conv2d_weight_gradient(x, grad, kernel, stride, padding)
    assert_close((y * grad).sum(), (x * grad_x).sum())
    assert_close((y * grad).sum(), (weight * grad_w).sum())
