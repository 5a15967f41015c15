"""Tests of chapter 7: quaternion convolution.

Four real channels of an image are one quaternion. The real channels are ordered in blocks r|i|j|k. The weights are
quaternions w that multiply the input x from the left: y = Σ w ⊗ x. The reference is a loop with one Hamilton product
per tap and channel. A faster algorithm replaces each w by its 4x4 matrix. The result is a real convolution in which
each weight occurs four times. Because w multiplies from the left, right multiplication by a quaternion q commutes with
the layer: layer(x ⊗ q) = layer(x) ⊗ q.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.strategies import quaternions, seeds

kernels = st.sampled_from([(1, 1), (2, 3), (3, 2)])


def assert_close(actual, expected):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-9)


def right_multiply(x, q):
    """Return x ⊗ q for activations x (..., 4C) in blocks r|i|j|k and one quaternion q."""
    components = np.moveaxis(x.reshape(*x.shape[:-1], 4, -1), -2, 0)
    return np.moveaxis(oracles.hamilton(components, q), 0, -2).reshape(x.shape)


# Worked examples


def test_channels_are_in_blocks(split_components):
    # Two quaternion channels have the real channels r r i i j j k k.
    x = np.array([[1.0, 10, 2, 20, 3, 30, 4, 40]])
    assert_close(split_components(x)[0, :, 0], [1, 2, 3, 4])
    assert_close(split_components(x)[0, :, 1], [10, 20, 30, 40])
    images = np.arange(240.0).reshape(2, 3, 5, 8)
    assert_close(split_components(images)[1, 2, 4], images[1, 2, 4].reshape(4, 2))


def test_one_channel_is_one_hamilton_product(quaternion_linear):
    # This is the product (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k) = -60 + 12i + 30j + 24k of chapter 1.
    x, w = np.array([[5.0, 6, 7, 8]]), np.array([1.0, 2, 3, 4]).reshape(4, 1, 1)
    assert_close(quaternion_linear(x, w), [[-60, 12, 30, 24]])


def test_sum_over_input_channels(quaternion_linear):
    # The weight i on channel 0 maps r -> i, i -> -r, j -> k, k -> -j. The weight 1 on channel 1 does not change it.
    x, w = np.array([[1.0, 10, 2, 20, 3, 30, 4, 40]]), np.zeros((4, 2, 1))
    w[1, 0, 0] = 1
    w[0, 1, 0] = 1
    assert_close(quaternion_linear(x, w), [[-2 + 10, 1 + 20, -4 + 30, 3 + 40]])


def test_block_weight_of_one_tap(block_weight):
    # The rows are input components. This is the transposed matrix L(1 + 2i + 3j + 4k) of chapter 2.
    block = block_weight(np.array([1.0, 2, 3, 4]).reshape(4, 1, 1, 1, 1))
    assert_close(block[0, 0], np.array([[1, -2, -3, -4], [2, 1, -4, 3], [3, 4, 1, -2], [4, -3, 2, 1]]).T)


def test_block_weight_of_two_channels(block_weight):
    # The weight 1 from input channel 0 to output channel 1: each block of the real kernel has the channels (0, 1).
    w = np.zeros((4, 1, 1, 2, 2))
    w[0, 0, 0, 0, 1] = 1
    assert [list(map(int, entry)) for entry in np.argwhere(block_weight(w)[0, 0])] == [[0, 1], [2, 3], [4, 5], [6, 7]]


# Reference: a loop of Hamilton products


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_linear_equals_a_loop_of_hamilton_products(quaternion_linear, seed, c, o):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((2, 4 * c)), rng.standard_normal((4, c, o))
    expected = np.zeros((2, 4, o))
    for n, channel, filter_ in np.ndindex(2, c, o):
        expected[n, :, filter_] += oracles.hamilton(w[:, channel, filter_], x[n].reshape(4, c)[:, channel])
    assert_close(quaternion_linear(x, w), expected.reshape(2, 4 * o))


@given(seeds, kernels, st.integers(1, 2), st.integers(1, 2))
def test_convolution_equals_a_loop_of_hamilton_products(quaternion_conv2d, seed, kernel, c, o):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((2, 4, 3, 4 * c)), rng.standard_normal((4, *kernel, c, o))
    assert_close(quaternion_conv2d(x, w), oracles.quaternion_conv2d(x, w))


@given(seeds, kernels)
def test_real_convolution_with_the_block_weight(block_weight, quaternion_conv2d, seed, kernel):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((1, 4, 4, 8)), rng.standard_normal((4, *kernel, 2, 3))
    assert_close(oracles.conv2d(x, block_weight(w)), quaternion_conv2d(x, w))


# Equivariance


@given(seeds, quaternions())
def test_right_multiplication_commutes_with_the_layer(quaternion_linear, quaternion_conv2d, seed, q):
    # (w ⊗ x) ⊗ q = w ⊗ (x ⊗ q), because the product is associative
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((1, 4, 3, 8)), rng.standard_normal((4, 2, 2, 2, 3))
    assert_close(quaternion_conv2d(right_multiply(x, q), w), right_multiply(quaternion_conv2d(x, w), q))
    x, w = x[0, 0], w[:, 0, 0]
    assert_close(quaternion_linear(right_multiply(x, q), w), right_multiply(quaternion_linear(x, w), q))


def test_equivariance_holds_for_all_signs_of_the_components(quaternion_linear, rng):
    # If the components of w are multiplied by any of the 16 patterns of signs, the result is another quaternion weight.
    # So equivariance does not determine the signs of single components. It determines the pattern of the block matrix:
    # which of its 16 entries have equal values, with which signs.
    x, w, q = rng.standard_normal((2, 8)), rng.standard_normal((4, 2, 3)), rng.standard_normal(4)
    for bits in range(16):
        signs = np.array([-1 if bits >> c & 1 else 1 for c in range(4)]).reshape(4, 1, 1)
        y = quaternion_linear(right_multiply(x, q), signs * w)
        assert_close(y, right_multiply(quaternion_linear(x, signs * w), q))


def test_block_matrix_with_one_flipped_sign_is_not_equivariant(block_weight, rng):
    x, q = rng.standard_normal((1, 2, 2, 4)), np.array([0.5, 0.5, 0.5, 0.5])
    block = block_weight(rng.standard_normal((4, 1, 1, 1, 1)))
    for row, column in np.ndindex(4, 4):
        flipped = block.copy()
        flipped[0, 0, row, column] *= -1
        change = oracles.conv2d(right_multiply(x, q), flipped) - right_multiply(oracles.conv2d(x, flipped), q)
        assert np.abs(change).max() > 1e-3


# Gradients


def test_block_weight_gradient_of_ones(block_weight_gradient):
    # r is in all four diagonal entries with the sign +, and the signs of i, j and k add up to 0 (chapter 2)
    assert_close(block_weight_gradient(np.ones((1, 1, 4, 4))).ravel(), [4, 0, 0, 0])


@given(seeds, kernels, st.integers(1, 2), st.integers(1, 2))
def test_gradient_of_the_block_weight_is_its_adjoint(block_weight, block_weight_gradient, seed, kernel, c, o):
    rng = np.random.default_rng(seed)
    w, grad = rng.standard_normal((4, *kernel, c, o)), rng.standard_normal((*kernel, 4 * c, 4 * o))
    assert_close((block_weight(w) * grad).sum(), (w * block_weight_gradient(grad)).sum())


def test_gradient_of_a_convolution_is_a_convolution_with_the_conjugate(block_weight, rng):
    # The gradient of one tap and channel is w* ⊗ g (chapter 5). The block matrix of w* is the transposed one of w.
    # The rows of the real kernel are input channels, so its product with g is the gradient of the input.
    w, grad = rng.standard_normal(4), rng.standard_normal(4)
    grad_x = block_weight(w.reshape(4, 1, 1, 1, 1))[0, 0] @ grad
    assert_close(grad_x, oracles.hamilton(w * np.array([1, -1, -1, -1]), grad))
