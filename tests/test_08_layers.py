"""What stands between the convolutions, and what stands at the end.

Batch normalisation gives every channel mean 0 and variance 1; dropout hides random entries, so that none is
relied on; pooling halves the image. At the end a loss says how wrong the network is: softmax cross-entropy for
one label a clip, binary cross-entropy for many, and the distillation loss for learning from a bigger network.
Losses start from logits, because a softmax computed first would overflow. A module holds the parameters of all
this by name, and initial weights are drawn so that signals neither die out nor blow up on the way.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, gradcheck, ops
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError, ConfigError, ShapeError
from quatnet.nn import BatchNorm, Conv2d, Linear, Module, QuaternionConv2d, QuaternionLinear
from quatnet.nn.init import quaternion_polar, xavier_uniform
from quatnet.ops.normalise import batch_statistics


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def number(tensor):
    return float(tensor.data)


# Batch normalisation, by hand


def test_two_numbers_are_normalised_with_a_pencil():
    # 1 and 3: mean 2, variance 1, so -1 and 1; times 10 plus 5: -5 and 15
    y = ops.batch_norm(leaf([[1], [3]]), leaf([10]), leaf([5]), epsilon=0)
    assert_close(y.data, [[-5], [15]])


def test_given_statistics_are_used_as_they_are():
    # (7 - 3) / sqrt(4) = 2, times 10 plus 5
    y = ops.batch_norm(leaf([[7]]), leaf([10]), leaf([5]), (np.array([3.0]), np.array([4.0])), epsilon=0)
    assert_close(y.data, [[25]])


def test_running_statistics_move_a_tenth_of_the_way():
    # mean: 0 + 0.1 (2 - 0) = 0.2; the variance of a sample of two is 2: 1 + 0.1 (2 - 1) = 1.1
    norm = BatchNorm(1)
    norm(Tensor(np.array([[1.0], [3]], np.float32)), train=True)
    assert_close(norm.mean, [0.2], rtol=1e-6)
    assert_close(norm.variance, [1.1], rtol=1e-6)


def test_evaluation_uses_the_running_statistics_and_leaves_them_alone():
    norm = BatchNorm(1)
    norm.mean, norm.variance = xp.asarray([3.0], dtype=np.float32), xp.asarray([4.0], dtype=np.float32)
    y = norm(Tensor(np.array([[7.0]], np.float32)), train=False)
    assert_close(y.data, [[2]], rtol=1e-5)
    assert (float(norm.mean[0]), float(norm.variance[0])) == (3, 4)


# Batch normalisation, for any batch

SHAPES = [(7, 3), (2, 5, 3), (2, 3, 4, 5)]


@given(seeds, st.sampled_from(SHAPES))
def test_every_channel_ends_with_mean_zero_and_variance_one(seed, shape):
    channels = shape[-1]
    x = 3 + 2 * draw(seed, *shape)
    y = asnumpy(ops.batch_norm(Tensor(x), leaf(np.ones(channels)), leaf(np.zeros(channels)), epsilon=0).data)
    for channel in y.reshape(-1, channels).T:
        assert channel.mean() == pytest.approx(0, abs=1e-12)
        assert channel.var() == pytest.approx(1)


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("shape", [(1_000_000, 3), (10, 400, 250, 3)])
def test_statistics_of_a_million_float32_rows_are_those_of_float64(shape, offset, rng):
    x = offset + draw(rng, *shape, dtype=np.float32)
    mean, variance = batch_statistics(x)
    exact = asnumpy(x).astype(np.float64).reshape(-1, 3)
    scale = max(1.0, offset)
    assert_close(mean / scale, exact.mean(axis=0) / scale, rtol=0, atol=1e-6)
    assert_close(variance, exact.var(axis=0), rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fused", [False, True])
def test_gradients_of_batch_norm_agree_with_difference_quotients(shape, fused, rng):
    x, scale, shift = 3 + 2 * draw(rng, *shape), draw(rng, shape[-1]), draw(rng, shape[-1])
    constants = draw(rng, shape[-1]), draw(rng, shape[-1]) ** 2
    for statistics in (None, constants):  # training, evaluation
        gradcheck(
            lambda x, scale, shift, s=statistics: ops.batch_norm(x, scale, shift, s, relu=fused),
            [x, scale, shift],
            rng=rng,
        )


@pytest.mark.parametrize("evaluation", [False, True])
def test_the_fused_relu_is_the_composition(evaluation, rng):
    arrays = [draw(rng, 2, 3, 4, 5), draw(rng, 5), draw(rng, 5)]
    statistics = (draw(rng, 5), draw(rng, 5) ** 2) if evaluation else None
    cotangent = draw(rng, 2, 3, 4, 5)
    fused, composed = ([leaf(a) for a in arrays] for _ in range(2))
    one = ops.batch_norm(*fused, statistics, relu=True)
    two = ops.relu(ops.batch_norm(*composed, statistics))
    assert_close(one.data, two.data)
    one.backward(cotangent)
    two.backward(cotangent)
    for a, b in zip(fused, composed, strict=True):
        assert_close(a.grad, b.grad)


@pytest.mark.parametrize("axes", [(0, 2, 1, 3), (3, 1, 2, 0), (1, 0, 2, 3)])
def test_batch_norm_reads_transposed_images_rightly(axes, rng):
    x = draw(rng, 3, 4, 5, 6).transpose(axes)
    scale, shift = draw(rng, x.shape[3]), draw(rng, x.shape[3])
    results = []
    for array in (x, xp.ascontiguousarray(x)):
        leaves = [Tensor(a, requires_grad=True) for a in (array, scale, shift)]
        y = ops.batch_norm(*leaves, relu=True)
        y.backward(xp.broadcast_to(scale, y.shape))
        results.append([y.data, *(tensor.grad for tensor in leaves)])
    for found, expected in zip(*results, strict=True):
        assert_close(found, expected)


def test_batch_norm_over_several_pieces_is_that_of_one_formula(rng):
    # 2 MB and more: cut into pieces that fit a cache
    x, scale, shift = draw(rng, 6, 100, 50, 16), draw(rng, 16), draw(rng, 16)
    rows = asnumpy(x).reshape(-1, 16)
    expected = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-5)
    y = ops.batch_norm(Tensor(x), Tensor(scale), Tensor(shift)).data
    assert_close(y.reshape(-1, 16), expected * asnumpy(scale) + asnumpy(shift), rtol=1e-9, atol=1e-9)


def test_batch_norm_keeps_float32(rng):
    norm, x = BatchNorm(3), Tensor(draw(rng, 8, 3, dtype=np.float32), requires_grad=True)
    for train in (True, False):
        y = norm(x, train=train, relu=True)
        ops.sum(y * y).backward()
        arrays = [y.data, x.grad, norm.scale.grad, norm.shift.grad, norm.mean, norm.variance]
        assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_without_affine_there_is_nothing_to_train():
    assert BatchNorm(3, affine=False).parameters() == {}
    assert BatchNorm(3).parameters().keys() == {"scale", "shift"}


def test_scale_and_shift_of_another_length_are_an_error():
    with pytest.raises(ShapeError, match=r"shape \(3,\), got \(1,\) and \(3,\)"):
        ops.batch_norm(leaf(np.ones((2, 3))), leaf([1]), leaf(np.ones(3)))


@pytest.mark.parity
def test_training_and_running_statistics_are_those_of_pytorch(torch, rng):
    ours, theirs = BatchNorm(3), torch.nn.BatchNorm2d(3)
    for _ in range(3):
        x = 2 + 3 * draw(rng, 4, 5, 6, 3, dtype=np.float32)
        theirs.train()
        twin = theirs(torch.tensor(asnumpy(x)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert_close(ours(Tensor(x), train=True).data, twin.detach().numpy(), rtol=1e-5, atol=1e-5)
        assert_close(ours.mean, theirs.running_mean.numpy(), rtol=1e-5)
        assert_close(ours.variance, theirs.running_var.numpy(), rtol=1e-5)
        theirs.eval()
        twin = theirs(torch.tensor(asnumpy(x)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert_close(ours(Tensor(x), train=False).data, twin.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parity
def test_gradients_of_batch_norm_are_those_of_pytorch(torch, rng):
    def theirs(x, scale, shift):
        x = x.permute(0, 3, 1, 2)
        y = torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True)
        return torch.relu(y).permute(0, 2, 3, 1)

    arrays = [draw(rng, 4, 5, 6, 3), draw(rng, 3), draw(rng, 3)]
    assert_parity(torch, lambda *t: ops.batch_norm(*t, relu=True), theirs, arrays, rng)


# Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_hides_its_share_and_keeps_the_mean(rate, rng):
    # of 10^6 ones, hidden: rate ± 5 standard deviations of at most 0.0005; the rest is 1 / (1 - rate)
    y = asnumpy(ops.dropout(Tensor(np.ones((1000, 1000))), rate, rng=rng, train=True).data)
    assert (y == 0).mean() == pytest.approx(rate, abs=0.0025)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)])
    assert y.mean() == pytest.approx(1, abs=0.0025 / (1 - rate))


def test_the_same_seed_hides_the_same_entries():
    first, same, other = (
        asnumpy(ops.dropout(Tensor(np.ones(100)), 0.5, rng=np.random.default_rng(seed), train=True).data)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_dropout_sends_gradients_only_through_what_was_kept(rng):
    x = leaf(np.ones((4, 5)))
    y = ops.dropout(x, 0.5, rng=rng, train=True)
    y.backward(np.full((4, 5), 3.0))
    assert_close(x.grad, 3 * y.data)


def test_dropout_outside_training_or_at_rate_zero_is_the_identity(rng):
    x = leaf(np.ones(3))
    assert ops.dropout(x, 0.5, rng=None, train=False) is x
    assert ops.dropout(x, 0.0, rng=rng, train=True) is x


def test_dropout_keeps_float32(rng):
    assert ops.dropout(Tensor(np.ones(3, np.float32)), 0.3, rng=rng, train=True).data.dtype == np.float32


@pytest.mark.parametrize(("rate", "seed"), [(1.0, 0), (-0.1, 0), (1.5, 0), (math.nan, 0), (0.5, None)])
def test_a_rate_that_cannot_be_or_a_missing_rng_is_an_error(rate, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    with pytest.raises(ConfigError, match="0 <= rate < 1, and an rng"):
        ops.dropout(leaf(np.ones(3)), rate, rng=rng, train=True)


# Pooling


def test_pooling_worked_with_a_pencil():
    # 1 2 | 3 4          mean 3.5 5.5    max 6 8
    # 5 6 | 7 8   of 2x2
    x = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]).reshape(1, 2, 4, 1)
    for pool, values, back in [
        (ops.average_pool, [3.5, 5.5], [[2, 2, 5, 5], [2, 2, 5, 5]]),
        (ops.max_pool, [6, 8], [[0, 0, 0, 0], [0, 8, 0, 20]]),
    ]:
        image = leaf(x)
        y = pool(image)
        assert_close(y.data.ravel(), values)
        y.backward(np.array([8.0, 20]).reshape(1, 1, 2, 1))
        assert_close(image.grad[0, :, :, 0], back)


def test_the_first_of_equals_receives_the_gradient():
    x = leaf(np.ones((1, 2, 2, 1)))
    ops.max_pool(x).backward(np.ones((1, 1, 1, 1)))
    assert_close(x.grad.ravel(), [1, 0, 0, 0])


@given(seeds, st.integers(0, 2), st.integers(2, 7), st.integers(2, 7), st.integers(1, 3), st.integers(1, 3))
def test_pooling_is_a_loop_over_windows_and_drops_what_is_left_over(seed, n, h, w, c, size):
    size = min(size, h, w)
    x = draw(seed, n, h, w, c)
    for pool, reduction in [(ops.average_pool, np.mean), (ops.max_pool, np.max)]:
        expected = np.zeros((n, h // size, w // size, c))
        for b, i, j, k in np.ndindex(*expected.shape):
            window = asnumpy(x)[b, i * size : (i + 1) * size, j * size : (j + 1) * size, k]
            expected[b, i, j, k] = reduction(window)
        assert_close(pool(Tensor(x), size=size).data, expected)


@pytest.mark.parametrize("pool", [ops.average_pool, ops.max_pool])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_gradients_of_pooling_agree_with_difference_quotients(pool, size, rng):
    x = draw(rng, 2, 5, 7, 3)
    gradcheck(lambda x: pool(x, size=size), [x], rng=rng)
    gradcheck(lambda x: pool(ops.transpose(x, (0, 2, 1, 3)), size=size), [x], rng=rng)


@pytest.mark.parametrize("pool", [ops.average_pool, ops.max_pool])
def test_pooling_keeps_float32(pool, rng):
    x = Tensor(draw(rng, 1, 4, 4, 2, dtype=np.float32), requires_grad=True)
    y = pool(x)
    ops.sum(y).backward()
    assert y.data.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize("pool", [ops.average_pool, ops.max_pool])
@pytest.mark.parametrize("shape", [(1, 1, 4, 1), (1, 4, 1, 1)])
def test_a_window_that_does_not_fit_is_an_error(pool, shape):
    with pytest.raises(ShapeError, match="window of 2 x 2 does not fit"):
        pool(leaf(np.ones(shape)))


@pytest.mark.parametrize("pool", [ops.average_pool, ops.max_pool])
@pytest.mark.parametrize("size", [0, -1])
def test_a_window_without_a_size_is_an_error(pool, size):
    with pytest.raises((ShapeError, ConfigError)):
        pool(leaf(np.ones((1, 4, 4, 1))), size=size)


@pytest.mark.parity
@pytest.mark.parametrize("size", [2, 3])
def test_pooling_is_that_of_pytorch(size, torch, rng):
    functional = torch.nn.functional
    for ours, theirs in [(ops.average_pool, functional.avg_pool2d), (ops.max_pool, functional.max_pool2d)]:
        assert_parity(
            torch,
            lambda x, pool=ours: pool(x, size=size),
            lambda x, pool=theirs: pool(x.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1),
            [draw(rng, 2, 7, 8, 3)],
            rng,
        )


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


# Modules


class Net(Module):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.name = "neither a tensor nor an array: not part of the state"
        self.blocks = [Conv2d(4, 8, rng=rng), QuaternionConv2d(8, 8, rng=rng)]
        self.norm = BatchNorm(8, affine=False)
        self.head = Linear(8, 2, rng=rng)


def test_parameters_and_state_go_by_dotted_names():
    trained = {"blocks.0.weight", "blocks.1.weight", "head.weight", "head.bias"}
    assert Net().parameters().keys() == trained
    assert Net().state().keys() == trained | {"norm.scale", "norm.shift", "norm.mean", "norm.variance"}


def test_state_is_a_copy():
    net = Net()
    state = net.state()
    state["head.bias"][:] = 7
    assert float(xp.abs(net.head.bias.data).max()) == 0


def test_state_goes_from_one_network_into_another():
    first, second = Net(seed=1), Net(seed=2)
    first.norm(Tensor(draw(0, 9, 8, dtype=np.float32)), train=True)
    kept = second.parameters()
    second.load_state(first.state())
    for name, array in first.state().items():
        assert_close(second.state()[name], array, rtol=0, atol=0)
    assert all(second.parameters()[name] is tensor for name, tensor in kept.items())  # optimisers hold on to them


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.bias"), r"missing: \['head.bias'\]"),
        (lambda s: s.update(tail=np.ones(1)), r"unexpected: \['tail'\]"),
        (lambda s: s.update({"head.bias": np.ones(3)}), r"head.bias: expected \(2,\), got \(3,\)"),
    ],
)
def test_a_state_that_does_not_fit_is_named_and_changes_nothing(change, message):
    net, state = Net(seed=1), Net(seed=2).state()
    before = net.state()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        net.load_state(state)
    for name, array in net.state().items():
        assert_close(array, before[name], rtol=0, atol=0)


# Initial weights


def test_the_modulus_of_a_polar_weight_is_chi_distributed(rng):
    # chi with 4 degrees of freedom: mean sqrt(2) Γ(5/2) / Γ(2) = 1.880, mean square 4; times the scale
    w = quaternion_polar((4, 100, 200), 0.5, rng=rng)
    modulus = np.sqrt((w.astype(np.float64) ** 2).sum(axis=0)).ravel() / 0.5
    assert modulus.mean() == pytest.approx(math.sqrt(2) * math.gamma(2.5), rel=0.01)
    assert (modulus**2).mean() == pytest.approx(4, rel=0.02)
    assert stats.kstest(modulus, stats.chi(4).cdf).pvalue > 0.01


def test_the_angle_of_a_polar_weight_is_uniform_and_its_axes_alike(rng):
    # E[cos²] = 1/2, so half of |w|² is real; the other half is shared by i, j and k
    w = quaternion_polar((4, 100, 200), 1.0, rng=rng)
    share = (w.astype(np.float64) ** 2).mean(axis=(1, 2)) / 4
    np.testing.assert_allclose(share, [1 / 2, 1 / 6, 1 / 6, 1 / 6], rtol=0.04)
    np.testing.assert_allclose(w.mean(axis=(1, 2)), 0, atol=0.05)


def test_xavier_weights_fill_their_interval(rng):
    # ± sqrt(6 / (9 (16 + 32))) = ± 0.1179, variance a third of the square
    w = xavier_uniform((3, 3, 16, 32), rng=rng)
    bound = math.sqrt(6 / (9 * 48))
    assert np.abs(w).max() == pytest.approx(bound, rel=0.01)
    assert w.var() == pytest.approx(bound**2 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("layer", "shape", "variance"),
    [
        (Conv2d, (1, 20, 20, 64), 1.0),
        (QuaternionConv2d, (1, 20, 20, 64), 1.0),
        (Linear, (400, 64), 1.0),
        (QuaternionLinear, (400, 64), 2.0),  # as large as the relu behind it needs
    ],
)
def test_a_fresh_layer_keeps_the_size_of_its_signal(layer, shape, variance, rng):
    # as many channels out as in, and the edges, where padding is, left out
    y = asnumpy(layer(64, 64, rng=rng)(Tensor(draw(rng, *shape, dtype=np.float32))).data)
    assert (y[:, 1:-1, 1:-1] if y.ndim == 4 else y).var() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("layer", [Conv2d, QuaternionConv2d, Linear, QuaternionLinear])
def test_one_seed_one_network_in_float32(layer):
    first, same, other = (layer(8, 8, rng=np.random.default_rng(seed)).state() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["weight"], same["weight"])
    assert (first["weight"] != other["weight"]).any()
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}
