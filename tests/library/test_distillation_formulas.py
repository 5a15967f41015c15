"""Tests of the losses for knowledge distillation from a teacher to a student.

For one label per clip, the loss is the Kullback-Leibler divergence KL(teacher || student) between the softmax outputs.
For several labels per clip, the loss is KL(teacher || student) between two Bernoulli distributions per class. A
temperature T divides the logits of the student and of the teacher. The released code of the paper applies a sigmoid
before the softmax, which gives small gradients. Feature matching uses the mean squared error between features.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.strategies import seeds

from quatnet import Tensor, ops, paper_code
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp

DISTILLATION_LOSSES = {
    "softmax": ops.distillation_loss,
    "bernoulli": ops.binary_distillation_loss,
    "paper_code": paper_code.distillation_loss,
}
LOSSES = {**DISTILLATION_LOSSES, "features": ops.mse_loss}
batch_sizes, sizes, temperatures = st.integers(1, 4), st.integers(2, 5), st.floats(0.5, 8)


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def value(tensor):
    return float(tensor.data)


def gradient(loss, logits, teacher_logits, **options):
    student = leaf(logits)
    loss(student, teacher_logits, **options).backward()
    return student.grad


def draw_pair(seed, *shape):
    """Draw random logits of a student and of a teacher."""
    both = draw(seed, 2, *shape)
    return both[0], both[1]


# Worked examples


def test_binary_distillation_loss():
    # The probabilities are (3/4, 1/2) for the teacher and (1/2, 1/2) for the student, with T = 1.
    # The KL divergence is 3/4 log(3/2) + 1/4 log(1/2) for the first class and 0 for the second class.
    # The loss is the mean over the classes.
    student, teacher = leaf([[0, 0]]), np.array([[math.log(3), 0]])
    loss = ops.binary_distillation_loss(student, teacher, temperature=1.0)
    assert value(loss) == pytest.approx((0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2)) / 2)
    loss.backward()  # for the logits z and the teacher logits v, the gradient is (σ(z) - σ(v)) / 2
    assert_close(student.grad, [[-1 / 8, 0]])


def test_paper_code_loss_is_small_for_a_certain_teacher():
    # The sigmoid outputs of the teacher are 1 and 0. The softmax of these outputs at T = 2 is 62 % for class 0.
    # The softmax of the teacher logits is 100 % for class 0.
    loss = paper_code.distillation_loss(leaf([[0, 0]]), np.array([[1000.0, -1000.0]]))
    q = math.exp(0.5) / (math.exp(0.5) + 1)
    assert q == pytest.approx(0.6225, abs=1e-4)
    assert value(loss) == pytest.approx(4 * (q * math.log(2 * q) + (1 - q) * math.log(2 * (1 - q))))
    assert value(loss) < 0.05 * value(ops.distillation_loss(leaf([[0, 0]]), np.array([[1000.0, -1000.0]])))


def test_mse_loss():
    # The loss is ((1 - 3)² + (2 - 2)²) / 2 = 2.
    features = leaf([[1, 2]])
    loss = ops.mse_loss(features, np.array([[3, 2]]))
    assert value(loss) == 2
    loss.backward()  # for the features f and the targets t, the gradient is 2 (f - t) / 2
    assert_close(features.grad, [[-2, 0]])


def test_gradient_at_high_temperature(rng):
    # For high T, softmax(z / T) is (1 + (z - mean) / T) / classes, so the gradient converges to (z - v) / classes.
    # For high T, σ(z / T) is 1/2 + z / 4T, so the gradient of the Bernoulli loss converges to (z - v) / (4 · classes).
    z, v = draw(rng, 1, 5), draw(rng, 1, 5)
    z, v = z - z.mean(), v - v.mean()
    for temperature in (1e3, 1e4):
        for name, limit in (("softmax", (z - v) / 5), ("bernoulli", (z - v) / 20)):
            grad = gradient(DISTILLATION_LOSSES[name], z, v, temperature=temperature)
            assert_close(grad, limit, rtol=0, atol=10 / temperature)


# Properties


@given(seeds, batch_sizes, sizes, st.sampled_from(sorted(LOSSES)))
def test_loss_and_gradient_are_zero_for_equal_outputs(seed, n, size, name):
    student, teacher = draw_pair(seed, n, size)
    assert value(LOSSES[name](leaf(teacher), teacher)) == pytest.approx(0, abs=1e-12)
    assert_close(gradient(LOSSES[name], teacher, teacher), np.zeros((n, size)))
    assert value(LOSSES[name](leaf(student), teacher)) >= 0


@given(seeds, batch_sizes, sizes, temperatures)
def test_softmax_is_invariant_to_a_constant(seed, n, size, temperature):
    z, v = draw_pair(seed, n, size)
    loss, shifted = (value(ops.distillation_loss(leaf(a), v, temperature=temperature)) for a in (z, z + 3.0))
    assert loss == pytest.approx(shifted)
    assert_close(gradient(ops.distillation_loss, z, v, temperature=temperature).sum(axis=1), np.zeros(n))


@given(seeds, batch_sizes, sizes)
def test_bernoulli_gradient_is_the_gradient_of_binary_cross_entropy(seed, n, size):
    # KL divergence and binary cross entropy differ by the entropy of the teacher, which does not depend on the student.
    z, v = draw_pair(seed, n, size)
    grad = gradient(ops.binary_distillation_loss, z, v, temperature=1.0)
    assert_close(grad, gradient(ops.binary_cross_entropy_with_logits, z, 1 / (1 + xp.exp(-v))))


@given(seeds, batch_sizes, temperatures)
def test_softmax_of_two_classes_is_a_bernoulli_distribution(seed, n, temperature):
    # for two classes with the logits (z, 0), the softmax is (σ(z), 1 - σ(z))
    z, v = draw_pair(seed, n, 1)
    bernoulli = ops.binary_distillation_loss(leaf(z), v, temperature=temperature)
    z2, v2 = (xp.concatenate([a, xp.zeros((n, 1))], axis=1) for a in (z, v))
    assert value(bernoulli) == pytest.approx(value(ops.distillation_loss(leaf(z2), v2, temperature=temperature)))


@given(seeds, batch_sizes, sizes, st.sampled_from(sorted(LOSSES)))
def test_order_of_the_clips_does_not_matter(seed, n, size, name):
    (z, v), order = draw_pair(seed, n, size), np.random.default_rng(seed).permutation(n)
    assert value(LOSSES[name](leaf(z), v)) == pytest.approx(value(LOSSES[name](leaf(z[order]), v[order])))


# Reference implementation in loops, and gradients


@given(seeds, batch_sizes, sizes, temperatures)
def test_losses_agree_with_formulas_in_loops(seed, n, size, temperature):
    z, v = draw_pair(seed, n, size)
    student, teacher = asnumpy(z).tolist(), asnumpy(v).tolist()
    expected = {
        "softmax": temperature**2 * kl(softmax(student, temperature), softmax(teacher, temperature)) / n,
        "bernoulli": temperature**2 * bernoulli_kl(student, teacher, temperature) / (n * size),
        "paper_code": temperature**2
        * kl(softmax(sigmoid(student), temperature), softmax(sigmoid(teacher), temperature))
        / n,
        "features": sum((f - t) ** 2 for a, b in zip(student, teacher, strict=True) for f, t in zip(a, b, strict=True))
        / (n * size),
    }
    for name, loss in LOSSES.items():
        options = {"temperature": temperature} if name in DISTILLATION_LOSSES else {}
        assert value(loss(leaf(z), v, **options)) == pytest.approx(expected[name], abs=1e-12)


def softmax(rows, temperature):
    exponentials = [[math.exp(z / temperature) for z in row] for row in rows]
    return [[e / sum(row) for e in row] for row in exponentials]


def sigmoid(rows, temperature=1.0):
    return [[1 / (1 + math.exp(-z / temperature)) for z in row] for row in rows]


def kl(student, teacher):
    pairs = [pair for p, q in zip(student, teacher, strict=True) for pair in zip(p, q, strict=True)]
    return sum(q * math.log(q / p) for p, q in pairs)


def bernoulli_kl(student, teacher, temperature):
    p, q = sigmoid(student, temperature), sigmoid(teacher, temperature)
    return kl(p, q) + kl([[1 - a for a in row] for row in p], [[1 - a for a in row] for row in q])


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name, rng):
    teacher = draw(rng, 3, 4)
    for options in ({}, {"temperature": 0.7}, {"temperature": 5.0}) if name in DISTILLATION_LOSSES else ({},):
        gradcheck(lambda z, o=options: LOSSES[name](z, teacher, **o) * 2.0, [draw(rng, 3, 4)], rng=rng)
