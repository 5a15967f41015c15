"""Tests of chapter 14: quaternion normalization and activations.

Batch norm with one variance for each real channel changes the direction of quaternions. With one variance for each
quaternion channel, right multiplication by a unit quaternion commutes with the layer. Whitening decorrelates the four
components with the inverse Cholesky factor of their covariance. modReLU changes the norm of a quaternion and keeps its
direction, so it commutes with right multiplication too. A ReLU of each component (split activation) does not.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.right_multiplication import random_unit
from support.strategies import seeds

EPS = 1e-3


def assert_close(actual, expected, atol=1e-8):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=atol)


def right_multiply(x, q):
    """Return x ⊗ q for activations x (N, 4C) in blocks r|i|j|k and one quaternion q."""
    components = np.moveaxis(x.reshape(len(x), 4, -1), 1, 0)
    return np.moveaxis(oracles.hamilton(components, q), 0, 1).reshape(x.shape)


# Batch norm


def test_batch_norm_worked_example(batch_norm):
    # channel 0: mean 2, deviations -1 and 1, variance 1; channel 1: mean 5, deviations -4 and 4, variance 16
    x = np.array([[1.0, 1.0], [3.0, 9.0]])
    assert_close(batch_norm(x, np.array([1.0, 2]), np.array([0.0, 10]), 0.0), [[-1, 8], [1, 12]])
    # with eps = 3, the channels are divided by sqrt(1 + 3) = 2 and sqrt(16 + 3)
    assert_close(batch_norm(x, np.ones(2), np.zeros(2), 3.0)[:, 0], [-0.5, 0.5])


def test_quaternion_batch_norm_worked_example(quaternion_batch_norm):
    # One channel, two quaternions 2 + 2j and 0: the mean is 1 + j, the deviations are ±(1 + j) with |.|² = 2, and the
    # variance is 2/4. The result is ±(1 + j) √2.
    y = quaternion_batch_norm(np.array([[2.0, 0, 2, 0], [0, 0, 0, 0]]), np.array([1.0]), np.zeros(4), 0.0)
    root = np.sqrt(2)
    assert_close(y, [[root, 0, root, 0], [-root, 0, -root, 0]])
    # Two channels in blocks r r i i j j k k: the second channel has the mean (10, 0, 0, 0) and the variance 100/4.
    x = np.array([[2.0, 20, 0, 0, 2, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    y = quaternion_batch_norm(x, np.array([1.0, 3.0]), np.arange(8.0), 0.0)
    assert_close(y[0], np.array([root, 6, 0, 0, root, 0, 0, 0]) + np.arange(8))


@given(seeds)
def test_normalized_channels_have_mean_zero_and_variance_one(batch_norm, quaternion_batch_norm, seed):
    x = np.random.default_rng(seed).standard_normal((30, 8)) * np.arange(1, 9) + 5
    y = batch_norm(x, np.ones(8), np.zeros(8), 0.0)
    assert_close(y.mean(axis=0), np.zeros(8))
    assert_close((y**2).mean(axis=0), np.ones(8))
    y = quaternion_batch_norm(x, np.ones(2), np.zeros(8), 0.0)
    assert_close(y.mean(axis=0), np.zeros(8))
    assert_close((y.reshape(30, 4, 2) ** 2).mean(axis=(0, 1)), np.ones(2))


@given(seeds, seeds)
def test_quaternion_batch_norm_commutes_with_right_multiplication(quaternion_batch_norm, seed, other):
    # the mean is multiplied too, and the norm |q - mean| does not change
    rng, unit = np.random.default_rng(seed), random_unit(other)
    x, weight = rng.standard_normal((6, 8)) * np.arange(1, 9), rng.standard_normal(2)
    y = quaternion_batch_norm(x, weight, np.zeros(8), EPS)
    assert_close(quaternion_batch_norm(right_multiply(x, unit), weight, np.zeros(8), EPS), right_multiply(y, unit))


def test_batch_norm_of_real_channels_does_not_commute(batch_norm, rng):
    x, unit = rng.standard_normal((6, 4)) * [1, 2, 3, 4], np.array([0.5, 0.5, 0.5, 0.5])
    y = batch_norm(right_multiply(x, unit), np.ones(4), np.zeros(4), EPS)
    assert np.abs(y - right_multiply(batch_norm(x, np.ones(4), np.zeros(4), EPS), unit)).max() > 0.1


# Whitening


def test_covariance_worked_example(covariance):
    # the deviations are ±(1, 2, 0, 0), so the covariance of r and i is 2
    q = np.array([[2.0, 3, 5, 0], [0, -1, 5, 0]])
    assert_close(covariance(q), [[1, 2, 0, 0], [2, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_whitening_matrix_worked_example(whitening_matrix):
    # the root of a diagonal covariance is diagonal; 3 + 1 = 4 and 8 + 1 = 9 with eps = 1
    assert_close(whitening_matrix(np.diag([3.0, 8, 0, 15]), 1.0), np.diag([1 / 2, 1 / 3, 1, 1 / 4]))


@given(seeds)
def test_whitened_components_are_uncorrelated(covariance, whitening_matrix, seed):
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((40, 4)) @ rng.standard_normal((4, 4)) + 3
    w = whitening_matrix(covariance(q), 0.0)
    assert_close(covariance(q @ w.T), np.eye(4), atol=1e-5)
    assert_close(np.triu(w, 1), np.zeros((4, 4)))


@given(seeds)
def test_covariance_equals_loops(covariance, seed):
    q = np.random.default_rng(seed).standard_normal((7, 4))
    expected = np.zeros((4, 4))
    for n, a, b in np.ndindex(7, 4, 4):
        expected[a, b] += (q[n, a] - q[:, a].mean()) * (q[n, b] - q[:, b].mean()) / 7
    assert_close(covariance(q), expected)


# Activation


def test_mod_relu_worked_example(mod_relu):
    # |3 + 4j| = 5. With b = -2, the norm is 3, so the result is 3/5 of q. With b = -6, the result is 0.
    q = np.array([[3.0, 0, 4, 0]])
    assert_close(mod_relu(q, np.array([-2.0])), [[1.8, 0, 2.4, 0]])
    assert_close(mod_relu(q, np.array([-6.0])), [[0, 0, 0, 0]])
    assert_close(mod_relu(0 * q, np.array([1.0])), [[0, 0, 0, 0]])
    # Two channels in blocks r r i i j j k k have the norms 5 and 10.
    x = np.array([[3.0, 10, 0, 0, 4, 0, 0, 0]])
    assert_close(mod_relu(x, np.array([-2.0, 10])), [[1.8, 20, 0, 0, 2.4, 0, 0, 0]])


@given(seeds, seeds, st.floats(-2, 2))
def test_mod_relu_commutes_with_right_multiplication(mod_relu, seed, other, b):
    x, unit = np.random.default_rng(seed).standard_normal((5, 8)), random_unit(other)
    bias = np.array([b, -b])
    assert_close(mod_relu(right_multiply(x, unit), bias), right_multiply(mod_relu(x, bias), unit))


def test_relu_of_each_component_does_not_commute():
    # relu(1 - i) = 1, and (1 - i) i = 1 + i is not changed by a ReLU, but 1·i = i
    q, unit = np.array([[1.0, -1, 0, 0]]), np.array([0.0, 1, 0, 0])
    assert np.abs(np.maximum(right_multiply(q, unit), 0) - right_multiply(np.maximum(q, 0), unit)).max() == 1
