"""Tests of chapter 9: distillation.

The loss is the Kullback-Leibler divergence KL(teacher || student) between the softmax outputs. A temperature T divides
the logits of the student and of the teacher. The factor T² compensates for the gradient of the divergence, which is
proportional to 1/T² for high temperatures.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import seeds

sizes, temperatures = st.integers(2, 5), st.floats(0.5, 8)


def assert_close(actual, expected, atol=1e-9):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=atol)


def draw(seed, *shape):
    """Draw random logits of a student and of a teacher."""
    return np.random.default_rng(seed).standard_normal((2, *shape))


# Worked examples


def test_softmax_worked_example(softmax):
    # e^(log 3) = 3 and e^0 = 1, so the probabilities are 3/4 and 1/4. At T = 2, √3 = 1.732 gives 0.634 and 0.366.
    assert_close(softmax(np.array([[math.log(3), 0.0]]), 1.0), [[0.75, 0.25]])
    root = math.sqrt(3)
    assert_close(softmax(np.array([[math.log(3), 0.0]]), 2.0), [[root / (root + 1), 1 / (root + 1)]])


def test_softmax_of_each_clip(softmax):
    logits = np.array([[0.0, 0.0], [math.log(3), 0.0], [1000.0, 0.0]])
    assert_close(softmax(logits, 1.0), [[0.5, 0.5], [0.75, 0.25], [1, 0]])


def test_kl_divergence_worked_example(kl_divergence):
    # KL = 3/4 log(3/2) + 1/4 log(1/2) = 0.1308, while KL(student || teacher) = 0.1438
    teacher, student = np.array([[0.75, 0.25]]), np.array([[0.5, 0.5]])
    expected = 0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2)
    assert kl_divergence(teacher, student) == pytest.approx(expected)
    # a second clip with equal probabilities has the divergence 0 and halves the mean
    both = np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.5, 0.5]])
    assert kl_divergence(*both) == pytest.approx(expected / 2)


def test_distillation_loss_worked_example(distillation_loss):
    # For the teacher (3/4, 1/4), the student (1/2, 1/2) and T = 1, the loss is the divergence above. Twice the logits
    # at T = 2 give the same probabilities, so the loss is 2² = 4 times the loss at T = 1.
    expected = 0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2)
    student, teacher = np.array([[0.0, 0.0]]), np.array([[math.log(3), 0.0]])
    assert distillation_loss(student, teacher, 1.0) == pytest.approx(expected)
    assert distillation_loss(2 * student, 2 * teacher, 2.0) == pytest.approx(4 * expected)


def test_distillation_gradient_worked_example(distillation_gradient):
    # student minus teacher: (1/2 - 3/4, 1/2 - 1/4)
    student, teacher = np.array([[0.0, 0.0]]), np.array([[math.log(3), 0.0]])
    assert_close(distillation_gradient(student, teacher, 1.0), [[-0.25, 0.25]])
    assert_close(distillation_gradient(2 * student, 2 * teacher, 2.0), [[-0.5, 0.5]])


# Laws


@given(seeds, sizes, sizes, temperatures)
def test_softmax_is_a_distribution(softmax, seed, n, classes, temperature):
    z = draw(seed, n, classes)[0]
    assert_close(softmax(z, temperature).sum(axis=1), np.ones(n))
    assert_close(softmax(z + 3, temperature), softmax(z, temperature))  # a constant cancels
    order = np.random.default_rng(seed).permutation(n)
    assert_close(softmax(z[order], temperature), softmax(z, temperature)[order])


@given(seeds, sizes, sizes, temperatures)
def test_loss_is_zero_for_equal_logits_and_positive_otherwise(distillation_loss, seed, n, classes, temperature):
    z, v = draw(seed, n, classes)
    assert distillation_loss(v, v, temperature) == pytest.approx(0, abs=1e-12)
    assert distillation_loss(z, v, temperature) > 0


@given(seeds, sizes, sizes, temperatures)
def test_gradient_sums_to_zero(distillation_gradient, seed, n, classes, temperature):
    # the loss does not change if a constant is added to the logits of a clip
    z, v = draw(seed, n, classes)
    assert_close(distillation_gradient(z, v, temperature).sum(axis=1), np.zeros(n))


def test_gradient_at_high_temperature(distillation_gradient, rng):
    # For high T, softmax(z / T) is (1 + (z - mean) / T) / classes, so the gradient converges to (z - v) / classes: the
    # student learns the logits. Without the factor T², the gradient would converge to 0.
    z, v = draw(0, 1, 5)
    z, v = z - z.mean(), v - v.mean()
    for temperature in (1e3, 1e4):
        assert_close(distillation_gradient(z, v, temperature), (z - v) / 5, atol=10 / temperature)


# Reference in loops, and gradient by central differences


@given(seeds, sizes, sizes, temperatures)
def test_loss_equals_loops(distillation_loss, seed, n, classes, temperature):
    z, v = draw(seed, n, classes).tolist()
    total = 0.0
    for student, teacher in zip(z, v, strict=True):
        s, t = ([math.exp(a / temperature) for a in row] for row in (student, teacher))
        total += sum(b / sum(t) * math.log(b / sum(t) / (a / sum(s))) for a, b in zip(s, t, strict=True))
    expected = temperature**2 * total / n
    assert distillation_loss(np.array(z), np.array(v), temperature) == pytest.approx(expected, rel=1e-6)


@given(seeds, temperatures)
def test_gradient_equals_central_differences(distillation_loss, distillation_gradient, seed, temperature):
    z, v = draw(seed, 2, 3)
    grad = distillation_gradient(z, v, temperature)
    for index in np.ndindex(2, 3):
        step = np.zeros((2, 3))
        step[index] = 1e-5
        change = distillation_loss(z + step, v, temperature) - distillation_loss(z - step, v, temperature)
        assert grad[index] == pytest.approx(change / 2e-5, rel=1e-4, abs=1e-7)
