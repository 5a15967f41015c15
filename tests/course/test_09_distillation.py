"""What a student pays for answering otherwise than its teacher.

Where a clip has one label, an answer is a softmax over the classes; where it may have many, each class is a yes or no
of its own. Both are compared by the divergence of Kullback and Leibler, from the teacher to the student, and softened
by a temperature before. The code released with the paper takes a softmax of numbers that are probabilities already,
and we can see here how little is left of the teacher then. At last a student may learn not the answers but the
features they were made of.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, ops, paper_code
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError

SOFTENED = {  # those with a temperature
    "softmax": ops.distillation_loss,
    "bernoulli": ops.binary_distillation_loss,
    "released": paper_code.distillation_loss,
}
LOSSES = {**SOFTENED, "features": ops.mse_loss}
every_loss = pytest.mark.parametrize("name", LOSSES)
softened = pytest.mark.parametrize("name", SOFTENED)
clips, classes, temperatures = st.integers(1, 4), st.integers(2, 5), st.floats(0.5, 8)


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def number(tensor):
    return float(tensor.data)


def gradient(loss, z, answers, **options):
    student = leaf(z)
    loss(student, answers, **options).backward()
    return student.grad


# By hand


def test_distillation_measures_from_the_teacher_to_the_student():
    # teacher (3/4, 1/4), student (1/2, 1/2), T = 1:
    # KL(teacher || student) = 3/4 log(3/2) + 1/4 log(1/2) = 0.1308 (the other way round it would be 0.1438)
    student, teacher = leaf([[0, 0]]), np.array([[math.log(3), 0]])
    loss = ops.distillation_loss(student, teacher, temperature=1.0)
    assert number(loss) == pytest.approx(0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2))
    loss.backward()
    assert_close(student.grad, [[-1 / 4, 1 / 4]])


def test_many_labels_are_as_many_coins():
    # teacher: yes with 3/4, yes with 1/2; the student has 1/2 for both. The first coin costs
    # 3/4 log(3/2) + 1/4 log(1/2), the second nothing, and the mean of two classes is half of it
    student, teacher = leaf([[0, 0]]), np.array([[math.log(3), 0]])
    loss = ops.binary_distillation_loss(student, teacher, temperature=1.0)
    assert number(loss) == pytest.approx((0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2)) / 2)
    loss.backward()  # (σ(z) - σ(v)) / 2
    assert_close(student.grad, [[-1 / 8, 0]])


def test_the_released_loss_hardly_hears_a_teacher_who_is_certain():
    # sigmoid outputs 1 and 0, halved by T = 2: a softmax of (1/2, 0), which says 62 % where the teacher says 100 %
    loss = paper_code.distillation_loss(leaf([[0, 0]]), np.array([[1000.0, -1000.0]]))
    q = math.exp(0.5) / (math.exp(0.5) + 1)
    assert q == pytest.approx(0.6225, abs=1e-4)
    assert number(loss) == pytest.approx(4 * (q * math.log(2 * q) + (1 - q) * math.log(2 * (1 - q))))
    assert number(loss) < 0.05 * number(ops.distillation_loss(leaf([[0, 0]]), np.array([[1000.0, -1000.0]])))


def test_features_are_compared_entry_by_entry():
    # ((1 - 3)² + (2 - 2)²) / 2
    features = leaf([[1, 2]])
    loss = ops.mse_loss(features, np.array([[3, 2]]))
    assert number(loss) == 2
    loss.backward()  # 2 (f - t) / 2
    assert_close(features.grad, [[-2, 0]])


@pytest.mark.parametrize("name", ["softmax", "bernoulli"])
def test_temperature_softens_both_and_scales_by_its_square(name):
    # twice the logits at T = 2 are the same probabilities, so the loss is 2² = 4 times that at T = 1
    student, teacher = np.array([[0.3, -1.0]]), np.array([[2.0, 0.5]])
    cold = SOFTENED[name](Tensor(student), teacher, temperature=1.0)
    warm = SOFTENED[name](Tensor(2 * student), 2 * teacher, temperature=2.0)
    assert number(warm) == pytest.approx(4 * number(cold))


def test_the_square_of_the_temperature_keeps_the_size_of_the_gradient(rng):
    # for high T, softmax(z / T) = (1 + (z - mean) / T) / classes, so the gradient goes to (z - v) / classes;
    # σ(z / T) = 1/2 + z / 4T, so that of the coins goes to (z - v) / (4 · classes)
    z, v = draw(rng, 1, 5), draw(rng, 1, 5)
    z, v = z - z.mean(), v - v.mean()
    for temperature in (1e3, 1e4):
        for name, limit in (("softmax", (z - v) / 5), ("bernoulli", (z - v) / 20)):
            found = gradient(SOFTENED[name], z, v, temperature=temperature)
            assert_close(found, limit, rtol=0, atol=10 / temperature)


# For any batch


@given(seeds, clips, classes, st.sampled_from(sorted(LOSSES)))
def test_a_student_equal_to_its_teacher_has_nothing_to_learn(seed, n, size, name):
    answers, other = draw(seed, n, size), draw(seed, 2 * n, size)[n:]
    assert number(LOSSES[name](leaf(answers), answers)) == pytest.approx(0, abs=1e-12)
    assert_close(gradient(LOSSES[name], answers, answers), np.zeros((n, size)))
    assert number(LOSSES[name](leaf(other), answers)) >= 0


@given(seeds, clips, classes, temperatures)
def test_softmax_does_not_see_a_constant(seed, n, size, temperature):
    z, v = draw(seed, n, size), draw(seed, 2 * n, size)[n:]
    loss, shifted = (number(ops.distillation_loss(leaf(a), v, temperature=temperature)) for a in (z, z + 3.0))
    assert loss == pytest.approx(shifted)
    assert_close(gradient(ops.distillation_loss, z, v, temperature=temperature).sum(axis=1), np.zeros(n))


@given(seeds, clips, classes)
def test_a_cold_coin_pulls_like_a_label_that_is_a_probability(seed, n, size):
    # KL and binary cross-entropy differ by the teacher's own entropy, which is not the student's to change
    z, v = draw(seed, n, size), draw(seed, 2 * n, size)[n:]
    coin = gradient(ops.binary_distillation_loss, z, v, temperature=1.0)
    assert_close(coin, gradient(ops.binary_cross_entropy_with_logits, z, 1 / (1 + xp.exp(-v))))


@given(seeds, clips, temperatures)
def test_two_classes_are_one_coin(seed, n, temperature):
    # softmax(z, 0) = (σ(z), 1 - σ(z))
    z, v = draw(seed, n, 1), draw(seed, 2 * n, 1)[n:]
    coin = ops.binary_distillation_loss(leaf(z), v, temperature=temperature)
    both = [xp.concatenate([a, xp.zeros((n, 1))], axis=1) for a in (z, v)]
    assert number(coin) == pytest.approx(number(ops.distillation_loss(leaf(both[0]), both[1], temperature=temperature)))


@given(seeds, clips, classes, temperatures)
def test_the_losses_are_their_formulas_in_loops(seed, n, size, temperature):
    z, v = draw(seed, n, size), draw(seed, 2 * n, size)[n:]
    student, teacher = asnumpy(z).tolist(), asnumpy(v).tolist()
    expected = {
        "softmax": temperature**2 * divergence(softmax(student, temperature), softmax(teacher, temperature)) / n,
        "bernoulli": temperature**2 * coins(student, teacher, temperature) / (n * size),
        "released": temperature**2
        * divergence(softmax(sigmoids(student), temperature), softmax(sigmoids(teacher), temperature))
        / n,
        "features": sum((f - t) ** 2 for a, b in zip(student, teacher, strict=True) for f, t in zip(a, b, strict=True))
        / (n * size),
    }
    for name, loss in LOSSES.items():
        options = {"temperature": temperature} if name in SOFTENED else {}
        assert number(loss(leaf(z), v, **options)) == pytest.approx(expected[name], abs=1e-12)


def softmax(rows, temperature):
    parts = [[math.exp(number / temperature) for number in row] for row in rows]
    return [[part / sum(row) for part in row] for row in parts]


def sigmoids(rows, temperature=1.0):
    return [[1 / (1 + math.exp(-number / temperature)) for number in row] for row in rows]


def divergence(student, teacher):
    pairs = [pair for p, q in zip(student, teacher, strict=True) for pair in zip(p, q, strict=True)]
    return sum(q * math.log(q / p) for p, q in pairs)


def coins(student, teacher, temperature):
    p, q = sigmoids(student, temperature), sigmoids(teacher, temperature)
    return divergence(p, q) + divergence([[1 - a for a in row] for row in p], [[1 - a for a in row] for row in q])


@every_loss
def test_gradients_agree_with_difference_quotients(name, rng):
    answers = draw(rng, 3, 4)
    for options in ({}, {"temperature": 0.7}, {"temperature": 5.0}) if name in SOFTENED else ({},):
        gradcheck(lambda z, o=options: LOSSES[name](z, answers, **o) * 2.0, [draw(rng, 3, 4)], rng=rng)


@given(seeds, clips, classes, st.sampled_from(sorted(LOSSES)))
def test_the_order_of_the_clips_does_not_matter(seed, n, size, name):
    z, v, order = draw(seed, n, size), draw(seed, 2 * n, size)[n:], np.random.default_rng(seed).permutation(n)
    assert number(LOSSES[name](leaf(z), v)) == pytest.approx(number(LOSSES[name](leaf(z[order]), v[order])))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_a_thousand_neither_overflow_nor_vanish(dtype):
    # T = 2. The student is sure of the first class; so is the first teacher, the second is as sure of the other
    z = np.array([[1000, -1000], [1000, -1000]], dtype)
    v = np.array([[1000, -1000], [-1000, 1000]])
    for name, expected in {"softmax": 4 * 1000 / 2, "bernoulli": 4 * (500 + 500) / 4}.items():
        logits = Tensor(z, requires_grad=True)
        loss = LOSSES[name](logits, v)
        loss.backward()
        assert number(loss) == expected
        assert loss.data.dtype == logits.grad.dtype == dtype
        assert np.isfinite(asnumpy(logits.grad)).all()


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out_whatever_the_answers_are(name, dtype, rng):
    options = {"temperature": np.float64(2)} if name in SOFTENED else {}
    for answers in (np.eye(3), np.eye(3, dtype=np.float16), np.eye(3, dtype=int)):
        student = Tensor(draw(rng, 3, 3, dtype=dtype), requires_grad=True)
        loss = LOSSES[name](student, answers, **options)
        loss.backward()
        assert (loss.data.dtype, student.grad.dtype) == (dtype, dtype)


# Mistakes


@every_loss
@pytest.mark.parametrize(
    ("student", "answers"), [((2, 3), (2, 4)), ((2, 3), (2,)), ((2, 3), (2, 1)), ((3,), (3,)), ((0, 3), (0, 3))]
)
def test_answers_of_another_shape_are_an_error(name, student, answers):
    with pytest.raises(ShapeError, match=r"student and teacher of one shape \(N, size\)"):
        LOSSES[name](leaf(np.ones(student)), np.ones(answers))


@every_loss
def test_a_teachers_tensor_would_suggest_that_the_teacher_learns_too(name):
    with pytest.raises(ShapeError, match="real numbers"):
        LOSSES[name](leaf(np.ones((2, 3))), leaf(np.ones((2, 3))))


@softened
@pytest.mark.parametrize("temperature", [0.0, -1.0, np.inf, np.nan])
def test_a_temperature_is_finite_and_above_zero(name, temperature):
    with pytest.raises(ConfigError, match="finite temperature above 0"):
        SOFTENED[name](leaf(np.ones((1, 2))), np.zeros((1, 2)), temperature=temperature)


@pytest.mark.parity
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_losses_are_those_of_pytorch(temperature, torch, rng):
    functional = torch.nn.functional
    v = asnumpy(draw(rng, 3, 4))
    teacher = torch.tensor(v)

    def one_of_many(z, v):
        p, q = functional.log_softmax(z / temperature, 1), functional.softmax(v / temperature, 1)
        return temperature**2 * functional.kl_div(p, q, reduction="batchmean")

    def each(z):
        coin = torch.distributions.Bernoulli
        pair = coin(logits=teacher / temperature), coin(logits=z / temperature)
        return temperature**2 * torch.distributions.kl_divergence(*pair).mean()

    theirs = {
        "softmax": lambda z: one_of_many(z, teacher),
        "bernoulli": each,
        "released": lambda z: one_of_many(torch.sigmoid(z), torch.sigmoid(teacher)),
        "features": lambda z: functional.mse_loss(z, teacher),
    }
    for name, twin in theirs.items():
        options = {"temperature": temperature} if name in SOFTENED else {}
        assert_parity(torch, lambda z, f=LOSSES[name], o=options: f(z, v, **o), twin, [draw(rng, 3, 4)], rng)
