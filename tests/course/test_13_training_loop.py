"""Tests of chapter 13: training loop and optimizers.

SGD with momentum sums the gradients of the last steps with decreasing weights. Adam divides a running mean of the
gradients by the root of a running mean of their squares, so that the length of a step does not depend on the scale of
the gradients. AdamW decreases the weights in addition. Clipping limits the norm of all gradients together.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import seeds


def assert_close(actual, expected, rtol=1e-7):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-9)


# SGD with momentum


def test_two_steps_of_sgd(sgd_step):
    # v = 0.5·0 + 4 = 4, θ = 10 - 0.1·4 = 9.6; v = 0.5·4 + 4 = 6, θ = 9.6 - 0.1·6 = 9
    parameter, velocity = sgd_step(np.array([10.0]), np.array([4.0]), np.array([0.0]), 0.1, 0.5)
    assert_close(parameter, [9.6])
    assert_close(velocity, [4])
    parameter, velocity = sgd_step(parameter, np.array([4.0]), velocity, 0.1, 0.5)
    assert_close(parameter, [9])
    assert_close(velocity, [6])


def test_velocity_converges_to_the_gradient_over_one_minus_momentum(sgd_step):
    parameter, velocity = np.zeros(1), np.zeros(1)
    for _ in range(200):
        parameter, velocity = sgd_step(parameter, np.array([1.0]), velocity, 0.1, 0.9)
    assert_close(velocity, [1 / (1 - 0.9)])


# AdamW

OPTIONS = {"lr": 0.1, "beta1": 0.9, "beta2": 0.98, "eps": 1e-8, "weight_decay": 0.0}


def adamw(function, parameter, gradients, **changes):
    """Return the parameter and the state after one step for each gradient."""
    mean, mean_square = np.zeros_like(parameter), np.zeros_like(parameter)
    for step, grad in enumerate(gradients, 1):
        options = (OPTIONS | changes).values()
        parameter, mean, mean_square = function(parameter, grad, mean, mean_square, step, *options)
    return parameter, mean, mean_square


def test_first_step_of_adam(adamw_step):
    # mean = 0.1·3 = 0.3, mean_square = 0.02·9 = 0.18; the corrected means are 3 and 9, so the step is 0.1·3/3 = 0.1.
    parameter, mean, mean_square = adamw(adamw_step, np.array([2.0]), [np.array([3.0])])
    assert_close(mean, [0.3])
    assert_close(mean_square, [0.18])
    assert_close(parameter, [1.9])


def test_second_step_of_adam(adamw_step):
    # mean = 0.9·0.3 + 0.1·(-1) = 0.17, corrected 0.17 / (1 - 0.81)
    # mean_square = 0.98·0.18 + 0.02·1 = 0.1964, corrected 0.1964 / (1 - 0.9604)
    parameter, mean, mean_square = adamw(adamw_step, np.array([2.0]), [np.array([3.0]), np.array([-1.0])])
    assert_close(mean, [0.17])
    assert_close(mean_square, [0.1964])
    assert_close(parameter, [1.9 - 0.1 * (0.17 / 0.19) / (np.sqrt(0.1964 / 0.0396) + 1e-8)])


def test_eps_is_added_to_the_root(adamw_step):
    # the step for a gradient g is lr g / (|g| + eps); for g = eps it is half of the learning rate
    parameter, _, _ = adamw(adamw_step, np.array([2.0]), [np.array([0.25])], eps=0.25)
    assert_close(parameter, [2 - 0.1 / 2])


def test_weight_decay_is_decoupled_from_the_gradient(adamw_step):
    # the parameter is decreased by lr · weight_decay · θ = 0.1·0.5·2 = 0.1, and the running means do not contain it
    parameter, mean, _ = adamw(adamw_step, np.array([2.0]), [np.array([3.0])], weight_decay=0.5)
    assert_close(parameter, [2 - 0.1 - 0.1])
    assert_close(mean, [0.3])


@given(seeds, st.floats(0.01, 100))
def test_steps_of_adam_do_not_depend_on_the_scale_of_the_gradients(adamw_step, seed, scale):
    gradients = np.random.default_rng(seed).standard_normal((4, 3)) + 2
    options = {"eps": 1e-12}
    first, _, _ = adamw(adamw_step, np.ones(3), gradients, **options)
    assert_close(adamw(adamw_step, np.ones(3), scale * gradients, **options)[0], first)


# Clipping


def test_clipping_worked_example(clip_gradients):
    # the total norm of (3, 0) and (4) is 5; the factor for the norm 1 is 1/5, or 1/(5 + 1e-6) as in PyTorch
    first, second = clip_gradients((np.array([3.0, 0]), np.array([4.0])), 1.0)
    assert_close(first, [0.6, 0], rtol=1e-5)
    assert_close(second, [0.8], rtol=1e-5)


def test_short_gradients_do_not_change(clip_gradients):
    first, second = clip_gradients((np.array([3.0, 0]), np.array([4.0])), 10.0)
    assert_close(first, [3, 0])
    assert_close(second, [4])


@given(seeds, st.floats(0.1, 10))
def test_clipping_keeps_the_direction(clip_gradients, seed, max_norm):
    rng = np.random.default_rng(seed)
    gradients = (rng.standard_normal((2, 3)), rng.standard_normal(4))
    clipped = np.concatenate([grad.ravel() for grad in clip_gradients(gradients, max_norm)])
    flat = np.concatenate([grad.ravel() for grad in gradients])
    assert np.linalg.norm(clipped) <= max_norm * (1 + 1e-9)
    assert_close(clipped * np.linalg.norm(flat), flat * np.linalg.norm(clipped))


# Schedule


def test_cosine_schedule_worked_example(cosine_lr):
    # cos 0 = 1, cos π/2 = 0, cos π = -1
    assert cosine_lr(0, 8, 0.4) == pytest.approx(0.4)
    assert cosine_lr(4, 8, 0.4) == pytest.approx(0.2)
    assert cosine_lr(8, 8, 0.4) == pytest.approx(0, abs=1e-12)


def test_cosine_schedule_decreases(cosine_lr):
    rates = [cosine_lr(step, 20, 1.0) for step in range(20)]
    assert (np.diff(rates) < 0).all()


# The loop


def test_one_step_of_training(train):
    # The prediction is 1·2 = 2 and 3·2 = 6, the errors are 1 and 2. The gradient is 2/2 (1·1 + 3·2) = 7.
    x, targets = np.array([[1.0], [3.0]]), np.array([1.0, 4.0])
    assert_close(train(x, targets, np.array([2.0]), 0.1, 1), [2 - 0.7])


@given(seeds)
def test_training_converges_to_the_least_squares_solution(train, seed):
    rng = np.random.default_rng(seed)
    x, targets = np.linalg.qr(rng.standard_normal((8, 3)))[0] * 2, rng.standard_normal(8)
    expected = np.linalg.lstsq(x, targets, rcond=None)[0]
    assert_close(train(x, targets, np.zeros(3), 0.9, 12), expected)
