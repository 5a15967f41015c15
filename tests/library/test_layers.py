"""Test batch normalization, dropout and pooling of real channels.

These ops treat the four components of a quaternion as independent channels. The quaternion-wise ops are tested in
test_quaternion_ops and test_quaternion_norms.
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
from quatnet.errors import ConfigError, ShapeError
from quatnet.nn import BatchNorm
from quatnet.ops.batchnorm import batch_statistics


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


# Batch normalization: worked examples


def test_batch_norm_worked_example():
    # x = (1, 3) has mean 2 and variance 1, so the normalized values are -1 and 1
    # with weight 10 and bias 5 the result is (-5, 15)
    y = ops.batch_norm(leaf([[1], [3]]), leaf([10]), leaf([5]), eps=0)
    assert_close(y.data, [[-5], [15]])


def test_batch_norm_with_running_stats():
    # the normalized value is (7 - 3) / sqrt(4) = 2, and the result is 10 · 2 + 5 = 25
    y = ops.batch_norm(leaf([[7]]), leaf([10]), leaf([5]), (xp.asarray([3.0]), xp.asarray([4.0])), eps=0)
    assert_close(y.data, [[25]])


def test_running_statistics_update():
    # running mean: 0 + 0.1 (2 - 0) = 0.2
    # running variance: 1 + 0.1 (2 - 1) = 1.1, since the unbiased variance of (1, 3) is 2
    norm = BatchNorm(1)
    norm(Tensor(np.array([[1.0], [3]], np.float32)), train=True)
    assert_close(norm.running_mean, [0.2], rtol=1e-6)
    assert_close(norm.running_var, [1.1], rtol=1e-6)


def test_evaluation_uses_running_statistics():
    norm = BatchNorm(1)
    norm.running_mean, norm.running_var = xp.asarray([3.0], dtype=np.float32), xp.asarray([4.0], dtype=np.float32)
    y = norm(Tensor(np.array([[7.0]], np.float32)), train=False)
    assert_close(y.data, [[2]], rtol=1e-5)
    assert (float(norm.running_mean[0]), float(norm.running_var[0])) == (3, 4)


# Batch normalization: random batches

SHAPES = [(7, 3), (2, 5, 3), (2, 3, 4, 5)]


@given(seeds, st.sampled_from(SHAPES))
def test_batch_norm_mean_and_variance(seed, shape):
    channels = shape[-1]
    x = 3 + 2 * draw(seed, *shape)
    y = asnumpy(ops.batch_norm(Tensor(x), leaf(np.ones(channels)), leaf(np.zeros(channels)), eps=0).data)
    for channel in y.reshape(-1, channels).T:
        assert channel.mean() == pytest.approx(0, abs=1e-12)
        assert channel.var() == pytest.approx(1)


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("shape", [(1_000_000, 3), (10, 400, 250, 3)])
def test_batch_statistics_accuracy_in_float32(shape, offset, rng):
    x = offset + draw(rng, *shape, dtype=np.float32)
    mean, variance, _ = batch_statistics(x)
    exact = asnumpy(x).astype(np.float64).reshape(-1, 3)
    scale = max(1.0, offset)
    assert_close(mean / scale, exact.mean(axis=0) / scale, rtol=0, atol=1e-6)
    assert_close(variance, exact.var(axis=0), rtol=1e-6)


def test_batch_statistics_of_small_entries_with_a_large_mean(rng):
    x = 1e-3 * (100 + draw(rng, 50, 3, dtype=np.float32))  # Σx² - n mean² would lose four digits
    _, variance, _ = batch_statistics(x)
    assert_close(variance, asnumpy(x).astype(np.float64).var(axis=0), rtol=1e-5)


def test_weight_gradient_of_small_entries_with_a_large_mean(rng):
    x = 1e-3 * (100 + draw(rng, 4000, 3, dtype=np.float32))  # Σ grad · x - mean Σ grad would lose two digits
    grad, weight = 1 + draw(rng, 4000, 3, dtype=np.float32), leaf(np.ones(3, np.float32))
    ops.batch_norm(Tensor(x), weight, leaf(np.zeros(3, np.float32)), eps=1e-12).backward(grad)
    exact, grad = asnumpy(x).astype(np.float64), asnumpy(grad).astype(np.float64)
    expected = (grad * (exact - exact.mean(axis=0)) / exact.std(axis=0)).sum(axis=0)
    assert_close(weight.grad / 4000, expected / 4000, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fused", [False, True])
def test_gradcheck_of_batch_norm(shape, fused, rng):
    x, scale, shift = 3 + 2 * draw(rng, *shape), draw(rng, shape[-1]), draw(rng, shape[-1])
    constants = draw(rng, shape[-1]), draw(rng, shape[-1]) ** 2
    for statistics in (None, constants):  # training and evaluation mode
        gradcheck(
            lambda x, scale, shift, s=statistics: ops.batch_norm(x, scale, shift, s, relu=fused),
            [x, scale, shift],
            rng=rng,
        )


@pytest.mark.parametrize("evaluation", [False, True])
def test_fused_relu_equals_composition(evaluation, rng):
    arrays = [draw(rng, 2, 3, 4, 5), draw(rng, 5), draw(rng, 5)]
    statistics = (draw(rng, 5), draw(rng, 5) ** 2) if evaluation else None
    cotangent = draw(rng, 2, 3, 4, 5)
    fused, composed = ([leaf(a) for a in arrays] for _ in range(2))
    y_fused = ops.batch_norm(*fused, statistics, relu=True)
    y_composed = ops.relu(ops.batch_norm(*composed, statistics))
    assert_close(y_fused.data, y_composed.data)
    y_fused.backward(cotangent)
    y_composed.backward(cotangent)
    for a, b in zip(fused, composed, strict=True):
        assert_close(a.grad, b.grad)


@pytest.mark.parametrize("axes", [(0, 2, 1, 3), (3, 1, 2, 0), (1, 0, 2, 3)])
def test_batch_norm_of_transposed_images(axes, rng):
    x = draw(rng, 3, 4, 5, 6).transpose(axes)
    scale, shift = draw(rng, x.shape[3]), draw(rng, x.shape[3])
    results = []
    for array in (x, xp.ascontiguousarray(x)):
        leaves = [Tensor(a, requires_grad=True) for a in (array, scale, shift)]
        y = ops.batch_norm(*leaves, relu=True)
        y.backward(xp.broadcast_to(scale, y.shape))
        results.append([y.data, *(tensor.grad for tensor in leaves)])
    for actual, expected in zip(*results, strict=True):
        assert_close(actual, expected)


def test_batch_norm_in_several_chunks(rng):
    # the array is large enough for several chunks
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
        arrays = [y.data, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]
        assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_batch_norm_parameters():
    assert list(BatchNorm(3, affine=False).parameters()) == []
    assert dict(BatchNorm(3).named_parameters()).keys() == {"weight", "bias"}


def test_wrong_parameter_shape_raises():
    with pytest.raises(ShapeError, match=r"got \(2, 3\), \(1,\), \(3,\)"):
        ops.batch_norm(leaf(np.ones((2, 3))), leaf([1]), leaf(np.ones(3)))


@pytest.mark.parity
def test_batch_norm_layer_equals_pytorch(torch, rng):
    ours, theirs = BatchNorm(3), torch.nn.BatchNorm2d(3)
    for _ in range(3):
        x = 2 + 3 * draw(rng, 4, 5, 6, 3, dtype=np.float32)
        theirs.train()
        expected = theirs(torch.tensor(asnumpy(x)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert_close(ours(Tensor(x), train=True).data, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
        assert_close(ours.running_mean, theirs.running_mean.numpy(), rtol=1e-5)
        assert_close(ours.running_var, theirs.running_var.numpy(), rtol=1e-5)
        theirs.eval()
        expected = theirs(torch.tensor(asnumpy(x)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert_close(ours(Tensor(x), train=False).data, expected.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parity
def test_batch_norm_equals_pytorch(torch, rng):
    def theirs(x, scale, shift):
        x = x.permute(0, 3, 1, 2)
        y = torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True)
        return torch.relu(y).permute(0, 2, 3, 1)

    arrays = [draw(rng, 4, 5, 6, 3), draw(rng, 3), draw(rng, 3)]
    assert_parity(torch, lambda *t: ops.batch_norm(*t, relu=True), theirs, arrays, rng)


# Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_rate_and_mean(rate, rng):
    # the tolerance is 5 standard deviations; the fraction of zeros among 10^6 entries deviates by at most 0.0005
    y = asnumpy(ops.dropout(Tensor(np.ones((1000, 1000))), rate, rng=rng, train=True).data)
    assert (y == 0).mean() == pytest.approx(rate, abs=0.0025)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)])
    assert y.mean() == pytest.approx(1, abs=0.0025 / (1 - rate))


def test_dropout_is_reproducible():
    first, repeated, other = (
        asnumpy(ops.dropout(Tensor(np.ones(100)), 0.5, rng=np.random.default_rng(seed), train=True).data)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, repeated)
    assert (first != other).any()


def test_gradient_of_dropout(rng):
    x = leaf(np.ones((4, 5)))
    y = ops.dropout(x, 0.5, rng=rng, train=True)
    y.backward(np.full((4, 5), 3.0))
    assert_close(x.grad, 3 * y.data)


def test_dropout_identity(rng):
    x = leaf(np.ones(3))
    assert ops.dropout(x, 0.5, rng=None, train=False) is x
    assert ops.dropout(x, 0.0, rng=rng, train=True) is x


def test_dropout_keeps_float32(rng):
    assert ops.dropout(Tensor(np.ones(3, np.float32)), 0.3, rng=rng, train=True).data.dtype == np.float32


@pytest.mark.parametrize(("rate", "seed"), [(1.0, 0), (-0.1, 0), (1.5, 0), (math.nan, 0), (0.5, None)])
def test_dropout_errors(rate, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    with pytest.raises(ConfigError, match=r"expected (p in .0, 1.|a generator as rng)"):
        ops.dropout(leaf(np.ones(3)), rate, rng=rng, train=True)


@pytest.mark.parametrize("dropout", [ops.dropout, ops.quaternion_dropout])
@pytest.mark.parametrize("rng", [0, np.random.RandomState(0), "0"])
def test_dropout_of_another_generator(dropout, rng):
    with pytest.raises(ConfigError, match="expected a generator as rng"):
        dropout(leaf(np.ones((1, 4))), 0.5, rng=rng, train=True)


# Pooling


def test_pooling_worked_example():
    # the image has two windows of 2 x 2 pixels:
    # 1 2 | 3 4
    # 5 6 | 7 8
    # means 3.5 and 5.5, maxima 6 and 8
    x = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]).reshape(1, 2, 4, 1)
    for pool, values, grad in [
        (ops.avg_pool2d, [3.5, 5.5], [[2, 2, 5, 5], [2, 2, 5, 5]]),
        (ops.max_pool2d, [6, 8], [[0, 0, 0, 0], [0, 8, 0, 20]]),
    ]:
        image = leaf(x)
        y = pool(image)
        assert_close(y.data.ravel(), values)
        y.backward(np.array([8.0, 20]).reshape(1, 1, 2, 1))
        assert_close(image.grad[0, :, :, 0], grad)


def test_max_pool_gradient_of_equal_entries():
    x = leaf(np.ones((1, 2, 2, 1)))
    ops.max_pool2d(x).backward(np.ones((1, 1, 1, 1)))
    assert_close(x.grad.ravel(), [1, 0, 0, 0])


@given(seeds, st.integers(0, 2), st.integers(2, 7), st.integers(2, 7), st.integers(1, 3), st.integers(1, 3))
def test_pooling_equals_reference(seed, n, h, w, c, size):
    size = min(size, h, w)
    x = draw(seed, n, h, w, c)
    for pool, reduction in [(ops.avg_pool2d, np.mean), (ops.max_pool2d, np.max)]:
        expected = np.zeros((n, h // size, w // size, c))
        for b, i, j, k in np.ndindex(*expected.shape):
            window = asnumpy(x)[b, i * size : (i + 1) * size, j * size : (j + 1) * size, k]
            expected[b, i, j, k] = reduction(window)
        assert_close(pool(Tensor(x), kernel_size=size).data, expected)


@pytest.mark.parametrize("pool", [ops.avg_pool2d, ops.max_pool2d])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_gradcheck_of_pooling(pool, size, rng):
    x = draw(rng, 2, 5, 7, 3)
    gradcheck(lambda x: pool(x, kernel_size=size), [x], rng=rng)
    gradcheck(lambda x: pool(ops.transpose(x, (0, 2, 1, 3)), kernel_size=size), [x], rng=rng)


@pytest.mark.parametrize("pool", [ops.avg_pool2d, ops.max_pool2d])
def test_pooling_keeps_float32(pool, rng):
    x = Tensor(draw(rng, 1, 4, 4, 2, dtype=np.float32), requires_grad=True)
    y = pool(x)
    ops.sum(y).backward()
    assert y.data.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize("pool", [ops.avg_pool2d, ops.max_pool2d])
@pytest.mark.parametrize("shape", [(1, 1, 4, 1), (1, 4, 1, 1)])
def test_window_larger_than_image_raises(pool, shape):
    with pytest.raises(ShapeError, match="2 x 2 window is larger than"):
        pool(leaf(np.ones(shape)))


@pytest.mark.parametrize("pool", [ops.avg_pool2d, ops.max_pool2d])
@pytest.mark.parametrize("size", [0, -1])
def test_invalid_kernel_size_raises(pool, size):
    with pytest.raises((ShapeError, ConfigError)):
        pool(leaf(np.ones((1, 4, 4, 1))), kernel_size=size)


@pytest.mark.parity
@pytest.mark.parametrize("size", [2, 3])
def test_pooling_equals_pytorch(size, torch, rng):
    functional = torch.nn.functional
    for ours, theirs in [(ops.avg_pool2d, functional.avg_pool2d), (ops.max_pool2d, functional.max_pool2d)]:
        assert_parity(
            torch,
            lambda x, pool=ours: pool(x, kernel_size=size),
            lambda x, pool=theirs: pool(x.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1),
            [draw(rng, 2, 7, 8, 3)],
            rng,
        )


def test_batch_statistics_of_two_processes(rng):
    x, other = draw(rng, 9, 3), []
    batch_statistics(x[4:], all_reduce=lambda sums: other.append(sums) or sums)
    statistics = batch_statistics(x[:4], all_reduce=lambda sums: sums + other[0])
    assert statistics[2] == 9
    for actual, expected in zip(statistics, batch_statistics(x), strict=True):
        assert_close(xp.asarray(actual), xp.asarray(expected))
