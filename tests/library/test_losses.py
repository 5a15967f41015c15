"""What stands at the end: a loss says how wrong the network is.

Softmax cross-entropy is for one label a clip, binary cross-entropy for many; what a student pays who learns from a
bigger network is lesson 08g. Losses start from logits, because a softmax computed first would overflow.

Logits stand for probabilities, and that gives laws which no implementation may break: softmax does not see a
constant, so the gradient of a clip adds up to zero; a loss is smallest where the probabilities are the targets, so
there its gradient is zero.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.datasets.targets import one_hot
from quatnet.errors import ShapeError
from quatnet.ops.losses import log_softmax


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def number(tensor):
    return float(tensor.data)


# Losses, by hand


def test_softmax_cross_entropy_worked_with_a_pencil():
    # softmax(log 3, 0) = (3/4, 1/4). Right class first: -log(3/4), then second: -log(1/4); the mean of both
    z = leaf([[math.log(3), 0], [math.log(3), 0]])
    loss = ops.cross_entropy(z, np.array([[1, 0], [0, 1]]))
    assert number(loss) == pytest.approx((-math.log(3 / 4) - math.log(1 / 4)) / 2)
    loss.backward()  # (softmax - target) / 2
    assert_close(z.grad, [[-1 / 8, 1 / 8], [3 / 8, -3 / 8]])


def test_binary_cross_entropy_worked_with_a_pencil():
    # σ(log 3) = 3/4 for a label that is there: -log(3/4); σ(0) = 1/2 for one that is not: -log(1/2); the mean
    z = leaf([[math.log(3), 0]])
    loss = ops.binary_cross_entropy_with_logits(z, np.array([[1, 0]]))
    assert number(loss) == pytest.approx((-math.log(3 / 4) - math.log(1 / 2)) / 2)
    loss.backward()  # (σ - t) / 2
    assert_close(z.grad, [[-1 / 8, 1 / 4]])


def test_log_softmax_worked_with_a_pencil():
    # softmax(log 1, log 2, log 5) = (1, 2, 5) / 8
    assert_close(log_softmax(xp.log(xp.asarray([1.0, 2, 5]))), np.log([1 / 8, 2 / 8, 5 / 8]))


def test_knowing_nothing_costs_the_logarithm_of_the_number_of_classes():
    # equal logits are 1/50 for each of 50 classes: log 50 = 3.912, where training on ESC-50 starts
    loss = ops.cross_entropy(leaf(np.zeros((2, 50))), one_hot(np.array([3, 7]), 50))
    assert float(loss.data) == pytest.approx(np.log(50))


# Losses, for any batch


@given(seeds, st.integers(1, 4), st.integers(2, 5))
def test_losses_are_the_formulas_in_loops(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, t = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n)
    softmax, binary = 0.0, 0.0
    for clip in range(n):
        zs = np.array(asnumpy(z)[clip])
        p = np.exp(zs) / np.exp(zs).sum()
        for c in range(classes):
            sigma = 1 / (1 + math.exp(-zs[c]))
            softmax -= t[clip, c] * math.log(p[c]) / n
            binary -= (t[clip, c] * math.log(sigma) + (1 - t[clip, c]) * math.log(1 - sigma)) / (n * classes)
    assert number(ops.cross_entropy(Tensor(z), t)) == pytest.approx(softmax)
    assert number(ops.binary_cross_entropy_with_logits(Tensor(z), t)) == pytest.approx(binary)


LOSSES = {
    "softmax": ops.cross_entropy,
    "binary": ops.binary_cross_entropy_with_logits,
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
    # softmax: (0 + 2000) / 2   binary: (0 + 0 + 1000 + 1000) / 4
    for name, target, expected in [("softmax", t, 1000), ("binary", t, 500)]:
        logits = Tensor(z, requires_grad=True)
        loss = LOSSES[name](logits, target)
        loss.backward()
        assert number(loss) == expected
        assert loss.data.dtype == logits.grad.dtype == dtype
        assert np.isfinite(asnumpy(logits.grad)).all()


# The laws

clips, classes = st.integers(1, 4), st.integers(2, 5)


def gradient(loss, z, targets):
    logits = leaf(z)
    loss(logits, targets).backward()
    return logits.grad


@given(seeds, clips, classes)
def test_log_softmax_is_the_logarithm_of_probabilities(seed, n, classes):
    z = draw(seed, n, classes)
    assert_close(xp.exp(log_softmax(z)).sum(axis=-1), np.ones(n))
    assert_close(log_softmax(z + 7.0), log_softmax(z))


@given(seeds, clips, classes)
def test_a_gradient_through_softmax_adds_up_to_zero_in_each_clip(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, t = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n)
    assert_close(gradient(ops.cross_entropy, z, t).sum(axis=1), np.zeros(n))


@given(seeds, clips, classes)
def test_a_loss_is_smallest_where_the_probabilities_are_the_targets(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, other = draw(rng, n, classes), draw(rng, n, classes)
    best = {
        "softmax": xp.exp(log_softmax(z)),
        "binary": 1 / (1 + xp.exp(-z)),
    }
    for name, targets in best.items():
        assert_close(gradient(LOSSES[name], z, targets), np.zeros((n, classes)))
        at_best, elsewhere = (float(LOSSES[name](leaf(a), targets).data) for a in (z, other))
        assert at_best <= elsewhere + 1e-12


@given(seeds, clips, classes, st.sampled_from(sorted(LOSSES)))
def test_the_order_of_the_clips_does_not_matter(seed, n, classes, name):
    rng = np.random.default_rng(seed)
    z, t, order = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n), rng.permutation(n)
    loss, shuffled = (float(LOSSES[name](leaf(a), b).data) for a, b in ((z, t), (asnumpy(z)[order], t[order])))
    assert loss == pytest.approx(shuffled)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_dtype_in_is_dtype_out_whatever_the_targets_are(name, dtype, rng):
    for targets in (np.eye(3), np.eye(3, dtype=np.float32), np.eye(3, dtype=int), np.eye(3, dtype=bool)):
        logits = Tensor(draw(rng, 3, 3, dtype=dtype), requires_grad=True)
        loss = LOSSES[name](logits, targets)
        loss.backward()
        assert (loss.data.dtype, logits.grad.dtype) == (dtype, dtype)


# Mistakes


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("logits", "targets"), [((2, 3), (2, 4)), ((2, 3), (2,)), ((2, 3), (2, 1)), ((3,), (3,))])
def test_targets_of_another_shape_are_an_error(name, logits, targets):
    with pytest.raises(ShapeError, match=r"\(N, classes\)"):
        LOSSES[name](leaf(np.ones(logits)), np.ones(targets))


@pytest.mark.parametrize("name", LOSSES)
def test_labels_are_not_targets(name):
    with pytest.raises(ShapeError, match=r"got \(2, 3\) and \(2,\); datasets.one_hot converts class labels"):
        LOSSES[name](leaf(np.ones((2, 3))), np.array([0, 2]))


def test_a_label_outside_of_the_classes_becomes_no_target():
    with pytest.raises(ShapeError, match="expected labels from 0 to 2, got 0 to 3"):
        one_hot(np.array([0, 3]), 3)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_clips_or_no_classes_have_no_loss(name, shape):
    with pytest.raises(ShapeError, match=r"\(N, classes\)"):
        LOSSES[name](leaf(np.ones(shape)), np.ones(shape))


@pytest.mark.parametrize("name", LOSSES)
def test_targets_are_an_array_and_no_part_of_the_graph(name):
    # a teacher's tensor would suggest that the teacher learns too
    with pytest.raises(ShapeError, match="real numbers"):
        LOSSES[name](leaf(np.ones((2, 3))), leaf(np.ones((2, 3))))


@pytest.mark.parity
def test_losses_are_those_of_pytorch(torch, rng):
    functional = torch.nn.functional
    soft = rng.dirichlet(np.ones(4), 3)
    t = torch.tensor(soft)
    for ours, theirs in [
        (lambda z: ops.cross_entropy(z, soft), lambda z: functional.cross_entropy(z, t)),
        (
            lambda z: ops.binary_cross_entropy_with_logits(z, soft),
            lambda z: functional.binary_cross_entropy_with_logits(z, t),
        ),
    ]:
        assert_parity(torch, ours, theirs, [draw(rng, 3, 4)], rng)
