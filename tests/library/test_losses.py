"""Test cross entropy and binary cross entropy with logits.

Cross entropy is the loss for single-label targets. Binary cross entropy is the loss for multi-label targets. Both
losses take logits, because a separate softmax could overflow. Softmax is invariant to a constant added to the logits,
so the gradient of an example sums to 0. A loss is minimal if the probabilities equal the targets, so the gradient is
then 0.
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
from quatnet.backend import asnumpy, on_gpu, xp
from quatnet.datasets.targets import one_hot
from quatnet.errors import ShapeError
from quatnet.ops.losses import log_softmax


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def value(tensor):
    return float(tensor.data)


# Worked examples


def test_cross_entropy_worked_example():
    # softmax(log 3, 0) = (3/4, 1/4)
    # the loss of the first example (class 0) is -log(3/4), the loss of the second example (class 1) is -log(1/4)
    z = leaf([[math.log(3), 0], [math.log(3), 0]])
    loss = ops.cross_entropy(z, np.array([[1, 0], [0, 1]]))
    assert value(loss) == pytest.approx((-math.log(3 / 4) - math.log(1 / 4)) / 2)
    loss.backward()  # the gradient is (softmax - target) / 2
    assert_close(z.grad, [[-1 / 8, 1 / 8], [3 / 8, -3 / 8]])


def test_binary_cross_entropy_worked_example():
    # target 1: σ(log 3) = 3/4, loss -log(3/4)
    # target 0: σ(0) = 1/2, loss -log(1/2)
    z = leaf([[math.log(3), 0]])
    loss = ops.binary_cross_entropy_with_logits(z, np.array([[1, 0]]))
    assert value(loss) == pytest.approx((-math.log(3 / 4) - math.log(1 / 2)) / 2)
    loss.backward()  # the gradient is (sigmoid - target) / 2
    assert_close(z.grad, [[-1 / 8, 1 / 4]])


def test_log_softmax_worked_example():
    # the probabilities are (1, 2, 5) / 8
    assert_close(log_softmax(xp.log(xp.asarray([1.0, 2, 5]))), np.log([1 / 8, 2 / 8, 5 / 8]))


def test_cross_entropy_of_equal_logits():
    # each class has the probability 1/50, so the loss is log 50 = 3.912, the initial loss on ESC-50
    loss = ops.cross_entropy(leaf(np.zeros((2, 50))), one_hot(np.array([3, 7]), 50))
    assert float(loss.data) == pytest.approx(np.log(50))


# Random batches


@given(seeds, st.integers(1, 4), st.integers(2, 5))
def test_losses_equal_reference(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, t = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n)
    softmax, binary = 0.0, 0.0
    for example in range(n):
        zs = np.array(asnumpy(z)[example])
        p = np.exp(zs) / np.exp(zs).sum()
        for c in range(classes):
            sigma = 1 / (1 + math.exp(-zs[c]))
            softmax -= t[example, c] * math.log(p[c]) / n
            binary -= (t[example, c] * math.log(sigma) + (1 - t[example, c]) * math.log(1 - sigma)) / (n * classes)
    assert value(ops.cross_entropy(Tensor(z), t)) == pytest.approx(softmax)
    assert value(ops.binary_cross_entropy_with_logits(Tensor(z), t)) == pytest.approx(binary)


LOSSES = {
    "softmax": ops.cross_entropy,
    "binary": ops.binary_cross_entropy_with_logits,
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck_of_losses(name, rng):
    targets = {"soft": rng.dirichlet(np.ones(4), 3), "unnormalized": rng.uniform(size=(3, 4))}
    for t in targets.values():
        gradcheck(lambda z, t=t: LOSSES[name](z, t) * 2.0, [draw(rng, 3, 4)], rng=rng)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_do_not_overflow(dtype):
    # cross entropy: a correct prediction has loss 0, a wrong prediction has loss 2000
    z = np.array([[1000, -1000], [1000, -1000]], dtype)
    t = np.array([[1, 0], [0, 1]])
    # cross entropy: (0 + 2000) / 2
    # binary cross entropy: (0 + 0 + 1000 + 1000) / 4
    for name, target, expected in [("softmax", t, 1000), ("binary", t, 500)]:
        logits = Tensor(z, requires_grad=True)
        loss = LOSSES[name](logits, target)
        loss.backward()
        assert value(loss) == expected
        assert loss.data.dtype == logits.grad.dtype == dtype
        assert np.isfinite(asnumpy(logits.grad)).all()


# Properties

examples, classes = st.integers(1, 4), st.integers(2, 5)


def gradient(loss, z, targets):
    logits = leaf(z)
    loss(logits, targets).backward()
    return logits.grad


@given(seeds, examples, classes)
def test_log_softmax_properties(seed, n, classes):
    z = draw(seed, n, classes)
    assert_close(xp.exp(log_softmax(z)).sum(axis=-1), np.ones(n))
    assert_close(log_softmax(z + 7.0), log_softmax(z))


@given(seeds, examples, classes)
def test_cross_entropy_gradient_sums_to_zero(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, t = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n)
    assert_close(gradient(ops.cross_entropy, z, t).sum(axis=1), np.zeros(n))


@given(seeds, examples, classes)
def test_minimum_of_losses(seed, n, classes):
    rng = np.random.default_rng(seed)
    z, other = draw(rng, n, classes), draw(rng, n, classes)
    optimal_targets = {
        "softmax": xp.exp(log_softmax(z)),
        "binary": 1 / (1 + xp.exp(-z)),
    }
    for name, targets in optimal_targets.items():
        assert_close(gradient(LOSSES[name], z, targets), np.zeros((n, classes)))
        minimum, other_loss = (float(LOSSES[name](leaf(a), targets).data) for a in (z, other))
        assert minimum <= other_loss + 1e-12


@given(seeds, examples, classes, st.sampled_from(sorted(LOSSES)))
def test_losses_are_independent_of_order(seed, n, classes, name):
    rng = np.random.default_rng(seed)
    z, t, order = draw(rng, n, classes), rng.dirichlet(np.ones(classes), n), rng.permutation(n)
    loss, shuffled = (float(LOSSES[name](leaf(a), b).data) for a, b in ((z, t), (asnumpy(z)[order], t[order])))
    assert loss == pytest.approx(shuffled)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_dtype_is_kept(name, dtype, rng):
    for targets in (np.eye(3), np.eye(3, dtype=np.float32), np.eye(3, dtype=int), np.eye(3, dtype=bool)):
        logits = Tensor(draw(rng, 3, 3, dtype=dtype), requires_grad=True)
        loss = LOSSES[name](logits, targets)
        loss.backward()
        assert (loss.data.dtype, logits.grad.dtype) == (dtype, dtype)


# Errors


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("logits", "targets"), [((2, 3), (2, 4)), ((2, 3), (2,)), ((2, 3), (2, 1)), ((3,), (3,))])
def test_wrong_target_shape_raises(name, logits, targets):
    with pytest.raises(ShapeError, match=r"\(N, classes\)"):
        LOSSES[name](leaf(np.ones(logits)), np.ones(targets))


@pytest.mark.parametrize("name", LOSSES)
def test_class_labels_raise(name):
    with pytest.raises(ShapeError, match=r"got \(2, 3\) and \(2,\); datasets.one_hot converts class labels"):
        LOSSES[name](leaf(np.ones((2, 3))), np.array([0, 2]))


def test_one_hot_of_invalid_label_raises():
    with pytest.raises(ShapeError, match="expected labels from 0 to 2, got 0 to 3"):
        one_hot(np.array([0, 3]), 3)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_empty_batch_raises(name, shape):
    with pytest.raises(ShapeError, match=r"\(N, classes\)"):
        LOSSES[name](leaf(np.ones(shape)), np.ones(shape))


@pytest.mark.parametrize("name", LOSSES)
def test_tensor_targets_raise(name):
    # targets are arrays, since they have no gradient
    with pytest.raises(ShapeError, match="real numbers"):
        LOSSES[name](leaf(np.ones((2, 3))), leaf(np.ones((2, 3))))


@pytest.mark.parity
def test_equals_pytorch(torch, rng):
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


@pytest.mark.skipif(on_gpu(), reason="the check would wait for the GPU")
@pytest.mark.parametrize("loss", [ops.cross_entropy, ops.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("target", [-1.0, 2.0, np.nan])
def test_targets_outside_0_to_1_are_refused(loss, target: float) -> None:
    with pytest.raises(ShapeError, match="targets in"):
        loss(np.zeros((2, 3), np.float32), np.full((2, 3), target))
