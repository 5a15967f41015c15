"""What stands at the end: a loss says how wrong the network is.

Softmax cross-entropy is for one label a clip, binary cross-entropy for many, and the distillation loss for
learning from a bigger network. Losses start from logits, because a softmax computed first would overflow.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, gradcheck, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def number(tensor):
    return float(tensor.data)


# Losses, by hand


def test_softmax_cross_entropy_worked_with_a_pencil():
    # softmax(log 3, 0) = (3/4, 1/4). Right class first: -log(3/4), then second: -log(1/4); the mean of both
    z = leaf([[math.log(3), 0], [math.log(3), 0]])
    loss = ops.softmax_cross_entropy(z, np.array([[1, 0], [0, 1]]))
    assert number(loss) == pytest.approx((-math.log(3 / 4) - math.log(1 / 4)) / 2)
    loss.backward()  # (softmax - target) / 2
    assert_close(z.grad, [[-1 / 8, 1 / 8], [3 / 8, -3 / 8]])


def test_binary_cross_entropy_worked_with_a_pencil():
    # σ(log 3) = 3/4 for a label that is there: -log(3/4); σ(0) = 1/2 for one that is not: -log(1/2); the mean
    z = leaf([[math.log(3), 0]])
    loss = ops.binary_cross_entropy(z, np.array([[1, 0]]))
    assert number(loss) == pytest.approx((-math.log(3 / 4) - math.log(1 / 2)) / 2)
    loss.backward()  # (σ - t) / 2
    assert_close(z.grad, [[-1 / 8, 1 / 4]])


def test_distillation_measures_from_the_teacher_to_the_student():
    # teacher (3/4, 1/4), student (1/2, 1/2), T = 1:
    # KL(teacher || student) = 3/4 log(3/2) + 1/4 log(1/2) = 0.1308 (the other way round it would be 0.1438)
    student, teacher = leaf([[0, 0]]), np.array([[math.log(3), 0]])
    loss = ops.distillation_loss(student, teacher, temperature=1.0)
    assert number(loss) == pytest.approx(0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2))
    loss.backward()
    assert_close(student.grad, [[-1 / 4, 1 / 4]])


def test_temperature_softens_both_and_scales_by_its_square():
    # twice the logits at T = 2 are the same probabilities, so the loss is 2² = 4 times that at T = 1
    student, teacher = np.array([[0.3, -1.0]]), np.array([[2.0, 0.5]])
    cold = ops.distillation_loss(Tensor(student), teacher, temperature=1.0)
    warm = ops.distillation_loss(Tensor(2 * student), 2 * teacher, temperature=2.0)
    assert number(warm) == pytest.approx(4 * number(cold))


def test_the_square_of_the_temperature_keeps_the_size_of_the_gradient(rng):
    # for high T, softmax(z / T) = (1 + (z - mean) / T) / classes, so the gradient goes to (z - v) / classes
    z, v = draw(rng, 1, 5), draw(rng, 1, 5)
    z, v = z - z.mean(), v - v.mean()
    for temperature in (1e3, 1e4):
        logits = Tensor(z, requires_grad=True)
        ops.distillation_loss(logits, v, temperature=temperature).backward()
        assert_close(logits.grad, (z - v) / 5, rtol=0, atol=10 / temperature)


# Losses, for any batch


@given(seeds, st.integers(1, 4), st.integers(2, 5), st.floats(0.5, 8))
def test_a_student_equal_to_its_teacher_has_nothing_to_learn(seed, n, classes, temperature):
    logits = draw(seed, n, classes)
    student = Tensor(logits + 3.0, requires_grad=True)  # softmax does not see a constant
    loss = ops.distillation_loss(student, logits, temperature=temperature)
    loss.backward()
    assert number(loss) == pytest.approx(0, abs=1e-12)
    assert_close(student.grad, np.zeros((n, classes)))


@given(seeds, st.integers(1, 4), st.integers(2, 5))
def test_losses_are_the_formulas_in_loops(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, t, v = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n), draw(rng, n, classes)
    softmax, binary, distilled = 0.0, 0.0, 0.0
    for clip in range(n):
        zs, vs = (np.array(asnumpy(a)[clip]) for a in (z, v))
        p, q, warm = (np.exp(a) / np.exp(a).sum() for a in (zs, vs / 2, zs / 2))
        for c in range(classes):
            sigma = 1 / (1 + math.exp(-zs[c]))
            softmax -= t[clip, c] * math.log(p[c]) / n
            binary -= (t[clip, c] * math.log(sigma) + (1 - t[clip, c]) * math.log(1 - sigma)) / (n * classes)
            distilled += 4 * q[c] * math.log(q[c] / warm[c]) / n
    assert number(ops.softmax_cross_entropy(Tensor(z), t)) == pytest.approx(softmax)
    assert number(ops.binary_cross_entropy(Tensor(z), t)) == pytest.approx(binary)
    assert number(ops.distillation_loss(Tensor(z), v)) == pytest.approx(distilled, abs=1e-12)


LOSSES = {
    "softmax": ops.softmax_cross_entropy,
    "binary": ops.binary_cross_entropy,
    "distillation": ops.distillation_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_losses_agree_with_difference_quotients(name, rng):
    targets = {"soft": rng.dirichlet(np.ones(4), 3), "any numbers": draw(rng, 3, 4)}
    for t in targets.values():
        gradcheck(lambda z, t=t: LOSSES[name](z, t) * 2.0, [draw(rng, 3, 4)], rng=rng)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_a_thousand_neither_overflow_nor_vanish(dtype):
    # sure and right costs 0, sure and wrong 2000; the other way round for the second clip
    z = np.array([[1000, -1000], [1000, -1000]], dtype)
    t = np.array([[1, 0], [0, 1]])
    # softmax: (0 + 2000) / 2   binary: (0 + 0 + 1000 + 1000) / 4   distillation, T = 2, teacher as sure: 4 · 1000 / 2
    for name, target, expected in [("softmax", t, 1000), ("binary", t, 500), ("distillation", 2000 * t - 1000, 2000)]:
        logits = Tensor(z, requires_grad=True)
        loss = LOSSES[name](logits, target)
        loss.backward()
        assert number(loss) == expected
        assert loss.data.dtype == logits.grad.dtype == dtype
        assert np.isfinite(asnumpy(logits.grad)).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("logits", "targets"), [((2, 3), (2, 4)), ((2, 3), (2,)), ((2, 3), (2, 1)), ((3,), (3,))])
def test_targets_of_another_shape_are_an_error(name, logits, targets):
    with pytest.raises(ShapeError, match=r"\(N, classes\)"):
        LOSSES[name](leaf(np.ones(logits)), np.ones(targets))


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_must_be_above_zero(temperature):
    with pytest.raises(ConfigError, match="temperature"):
        ops.distillation_loss(leaf(np.ones((1, 2))), np.zeros((1, 2)), temperature=temperature)


@pytest.mark.parity
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_losses_are_those_of_pytorch(temperature, torch, rng):
    functional = torch.nn.functional
    soft, v = rng.dirichlet(np.ones(4), 3), asnumpy(draw(rng, 3, 4))
    t, teacher = torch.tensor(soft), torch.tensor(v)

    def divergence(z):
        p, q = functional.log_softmax(z / temperature, 1), functional.softmax(teacher / temperature, 1)
        return temperature**2 * functional.kl_div(p, q, reduction="batchmean")

    for ours, theirs in [
        (lambda z: ops.softmax_cross_entropy(z, soft), lambda z: functional.cross_entropy(z, t)),
        (lambda z: ops.binary_cross_entropy(z, soft), lambda z: functional.binary_cross_entropy_with_logits(z, t)),
        (lambda z: ops.distillation_loss(z, v, temperature=temperature), divergence),
    ]:
        assert_parity(torch, ours, theirs, [draw(rng, 3, 4)], rng)
