"""Test the CUDA kernels of Hamilton products, batch norm, pooling, and a step of Adam.

These operations are memory-bound. Array expressions read and write their arrays once for each operator. A kernel reads
and writes each number once. Most kernels use one thread per element. For a sum, each thread block adds a chunk of rows
in shared memory in a fixed order, and an array expression adds the results of the chunks.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.arrays import assert_close, draw
from support.kernels import dtypes, kernels_disabled, kernels_enabled, kernels_on_cpu, needs_compiler, orders
from support.strategies import seeds

from quatnet import Tensor, ops, quaternion
from quatnet.backend import asnumpy, xp
from quatnet.kernels import adam, dropout, hamilton, normalize, pooling
from quatnet.training.distributed import DropoutGenerator

pytestmark = needs_compiler
TOLERANCE = {np.float32: {"rtol": 1e-4, "atol": 1e-5}, np.float64: {"rtol": 1e-11, "atol": 1e-11}}
row_counts = st.sampled_from((1, 2, 7, 97, 300, 2051))
channel_counts = st.sampled_from((1, 3, 31, 33, 257))


# The Hamilton product


def test_product_of_i_and_j_and_its_gradients():
    _, i, j, k = xp.eye(4)
    with kernels_on_cpu():
        assert_close(hamilton.product(i, j, -1), k)
        grad_p, grad_q = hamilton.gradients(i, j, k, -1)
    assert_close(grad_p, i)  # as in test_05_hamilton_gradient
    assert_close(grad_q, j)


@given(
    shape=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=19),
    axis=st.integers(0, 2),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_hamilton_product_along_any_axis(shape, axis, dtype, order, seed):
    assume(axis <= len(shape))
    p, q, grad = draw(seed, 3, *shape[:axis], 4, *shape[axis:], dtype=dtype)
    with kernels_on_cpu(order):
        y, (grad_p, grad_q) = hamilton.product(p, q, axis), hamilton.gradients(p, q, grad, axis)

    def product(a, b):
        return quaternion.hamilton_product(a, b, axis=axis)

    assert_close(y, product(p, q), **TOLERANCE[dtype])
    assert_close(grad_p, product(grad, quaternion.conjugate(q, axis=axis)), **TOLERANCE[dtype])
    assert_close(grad_q, product(quaternion.conjugate(p, axis=axis), grad), **TOLERANCE[dtype])


def test_hamilton_product_with_several_blocks():
    p, q = draw(0, 2, 300, 4)
    with kernels_on_cpu("shuffled"):
        assert_close(hamilton.product(p, q, -1), quaternion.hamilton_product(p, q))


# Dropout


@given(
    size=st.sampled_from((1, 7, 8, 2047, 2048, 2049, 5000)),
    p=st.sampled_from((0.0, 0.1, 0.5, 0.999)),
    key=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    dtype=dtypes,
    first=st.sampled_from((0, 1, 8, 2047, 12345)),
    order=orders,
)
def test_dropout_draws_the_numbers_of_numpy(size, p, key, dtype, first, order):
    x, key = draw(0, size, dtype=dtype), np.array(key, np.uint64)
    numbers = np.random.Generator(np.random.Philox(key=key)).random(first + size, dtype=np.float32)[first:]
    with kernels_on_cpu(order):
        y = dropout.dropout(x, key, p, first)
    np.testing.assert_array_equal(asnumpy(y), asnumpy(x) * ((numbers >= p) * dtype(1 / (1 - p))))


@pytest.mark.parametrize("shape", [(3,), (2, 5, 7), (300, 1000)])
def test_dropout_of_the_op_does_not_depend_on_the_backend(shape):
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    results = []
    for enabled in (kernels_disabled, kernels_enabled):
        with enabled():
            tensor = Tensor(xp.asarray(x), requires_grad=True)
            y = ops.dropout(tensor, 0.3, rng=np.random.default_rng(2), train=True)
            y.backward(xp.ones_like(y.data))
            results.append((asnumpy(y.data), asnumpy(tensor.grad)))
    np.testing.assert_array_equal(*(result[0] for result in results))
    np.testing.assert_array_equal(*(result[1] for result in results))


def test_dropout_of_a_number():
    with kernels_disabled():
        results = {float(ops.dropout(3.0, 0.5, rng=np.random.default_rng(n), train=True).data) for n in range(20)}
    assert results == {0.0, 6.0}


@pytest.mark.parametrize("enabled", [kernels_disabled, kernels_enabled])
def test_dropout_of_a_share_is_a_part_of_the_dropout_of_the_batch(enabled):
    x = xp.asarray(np.ones((6, 5, 7), np.float32))
    with enabled():
        whole = ops.dropout(x, 0.4, rng=np.random.default_rng(2), train=True).data
        for share in (slice(0, 2), slice(2, 5), slice(5, 6)):
            part = ops.dropout(x[share], 0.4, rng=DropoutGenerator(np.random.default_rng(2), share), train=True).data
            np.testing.assert_array_equal(asnumpy(part), asnumpy(whole[share]))


# Batch normalization


def test_moments_of_three_rows():
    with kernels_on_cpu():
        mean, variance = normalize.moments(xp.asarray([[1.0, 5], [2, 5], [6, 5]]))
    assert_close(mean, [3.0, 5])
    assert_close(variance, [14 / 3, 0])


@given(rows=row_counts, channels=channel_counts, dtype=dtypes, order=orders, seed=seeds)
def test_mean_and_variance(rows, channels, dtype, order, seed):
    x = draw(seed, rows, channels, dtype=dtype)
    with kernels_on_cpu(order):
        mean, variance = normalize.moments(x)
    assert_close(mean, asnumpy(x).mean(axis=0, dtype=np.float64), **TOLERANCE[dtype])
    assert_close(variance, asnumpy(x).var(axis=0, dtype=np.float64), **TOLERANCE[dtype])


def test_variance_with_a_large_mean():
    # with the seven digits of float32, the mean of x² minus mean² has no correct digit for variance 1 and mean 10000
    x = draw(0, 5000, 2, dtype=np.float32) + xp.float32(10000)
    with kernels_on_cpu():
        _, variance = normalize.moments(x)
    assert_close(variance, asnumpy(x).astype(np.float64).var(axis=0), rtol=1e-5)


@given(rows=row_counts, channels=channel_counts, relu=st.booleans(), dtype=dtypes, order=orders, seed=seeds)
def test_affine_and_relu(rows, channels, relu, dtype, order, seed):
    x, (factor, offset) = draw(seed, rows, channels, dtype=dtype), draw(seed, 2, channels, dtype=dtype)
    with kernels_on_cpu(order):
        y = normalize.affine(x, factor, offset, relu)
    expected = asnumpy(x * factor + offset)
    assert_close(y, np.maximum(expected, 0) if relu else expected, **TOLERANCE[dtype])


@given(rows=row_counts, channels=channel_counts, relu=st.booleans(), dtype=dtypes, order=orders, seed=seeds)
def test_batch_norm_gradients_with_and_without_relu(rows, channels, relu, dtype, order, seed):
    grad, x, y = draw(seed, 3, rows, channels, dtype=dtype)
    mean, inv_std, weight = vectors = draw(seed, 3, channels, dtype=dtype)
    relu_output = y if relu else None
    with kernels_on_cpu(order):
        coefficients = normalize.gradient_coefficients(grad, x, *vectors, relu_output)
        grad_x = normalize.input_gradient(grad, x, *vectors, relu_output)
    masked, x = asnumpy(grad).astype(float) * (asnumpy(y) > 0 if relu else 1), asnumpy(x).astype(float)
    mean, inv_std, weight = (asnumpy(vector).astype(float) for vector in vectors)
    grad_bias, grad_weight = masked.sum(axis=0), (masked * (x - mean)).sum(axis=0) * inv_std
    # factor · g + x_factor · x + offset = weight · inv_std · (g - mean of g - x̂ · mean of g x̂), for the normalized x̂
    factor, x_factor = weight * inv_std, -weight * inv_std**2 * grad_weight / rows
    expected = [grad_bias, grad_weight, factor, x_factor, -factor * grad_bias / rows - x_factor * mean]
    scale = np.sqrt(rows)  # the sums and the rounding errors grow with the number of rows
    assert_close(coefficients / scale, np.stack(expected) / scale, **TOLERANCE[dtype])
    assert_close(grad_x, masked * mean + x * inv_std + weight, **TOLERANCE[dtype])


@given(channels=channel_counts, dtype=dtypes, order=orders, seed=seeds)
def test_coefficients_of_batch_norm(channels, dtype, order, seed):
    mean, variance, weight, bias = draw(seed, 4, channels, dtype=dtype)
    with kernels_on_cpu(order):
        results = normalize.coefficients(mean, variance**2, weight, bias, 0.5)
    mean, variance, weight, bias = (asnumpy(vector) for vector in (mean, variance, weight, bias))
    inv_std = 1 / np.sqrt(variance**2 + dtype(0.5))
    assert results.dtype == dtype
    assert_close(results, np.stack([inv_std, weight * inv_std, bias - mean * weight * inv_std]), **TOLERANCE[dtype])


@given(channels=channel_counts, shape=hnp.array_shapes(max_dims=3), dtype=dtypes, order=orders, seed=seeds)
def test_moving_averages_of_arrays_of_different_sizes(channels, shape, dtype, order, seed):
    running, batch = ((draw(n, channels, dtype=dtype), draw(n + 2, *shape, dtype=dtype)) for n in (seed, seed + 1))
    with kernels_on_cpu(order):
        mean, variance = normalize.moving_averages(running, batch, 0.25, 1.5)
    assert mean.dtype == variance.dtype == dtype
    assert_close(mean, asnumpy(running[0]) * 0.75 + asnumpy(batch[0]) * 0.25, **TOLERANCE[dtype])
    assert_close(variance, asnumpy(running[1]) * 0.75 + asnumpy(batch[1]) * 0.375, **TOLERANCE[dtype])


def test_affine_with_relu_keeps_nan():
    x = xp.asarray([[np.nan, -1.0, 2.0]])
    with kernels_on_cpu():
        y = normalize.affine(x, xp.ones(3), xp.zeros(3), True)
    np.testing.assert_array_equal(asnumpy(y), [[np.nan, 0, 2]])


# Pooling


@st.composite
def images_and_sizes(draw):
    size = draw(st.integers(1, 3))
    shape = draw(st.tuples(st.integers(0, 2), st.integers(size, 8), st.integers(size, 8), st.sampled_from((1, 3, 130))))
    return shape, size


def windows(x, size):
    """Return the entries of each pooling window of an image, (N, H, W, C) -> (N, H // size, W // size, C, size²)."""
    n, height, width, channels = x.shape
    oh, ow = height // size, width // size
    covered = x[:, : oh * size, : ow * size].reshape(n, oh, size, ow, size, channels)
    return covered.transpose(0, 1, 3, 5, 2, 4).reshape(n, oh, ow, channels, size * size)


def images_of(entries, shape):
    """Return images of `shape` from the entries of the windows. Pixels outside of all windows are 0."""
    n, oh, ow, channels, size, _ = entries.shape
    image = np.zeros(shape, entries.dtype)
    image[:, : oh * size, : ow * size] = entries.transpose(0, 1, 4, 2, 5, 3).reshape(n, oh * size, ow * size, channels)
    return image


@given(image=images_and_sizes(), dtype=dtypes, order=orders, seed=seeds)
def test_average_pooling(image, dtype, order, seed):
    shape, size = image
    x = draw(seed, *shape, dtype=dtype)
    with kernels_on_cpu(order):
        y = pooling.average(x, size)
        grad_x = pooling.average_gradient(y, shape, size)
    assert_close(y, windows(asnumpy(x), size).mean(axis=-1), **TOLERANCE[dtype])
    expected = np.broadcast_to(asnumpy(y)[..., None, None] / size**2, (*y.shape, size, size))
    assert_close(grad_x, images_of(expected, shape), **TOLERANCE[dtype])


@given(image=images_and_sizes(), dtype=dtypes, order=orders, seed=seeds)
def test_max_pooling_and_the_gradient_of_the_first_maximum(image, dtype, order, seed):
    shape, size = image
    # few values, so that many entries are equal
    x = xp.asarray(np.random.default_rng(seed).integers(0, 3, shape).astype(dtype))
    with kernels_on_cpu(order):
        y = pooling.maximum(x, size)
        grad = y + 1
        grad_x = pooling.maximum_gradient(grad, x, size)
    entries = windows(asnumpy(x), size)
    np.testing.assert_array_equal(asnumpy(y), entries.max(axis=-1))
    is_argmax = np.arange(size * size) == entries.argmax(axis=-1)[..., None]
    expected = (is_argmax * asnumpy(grad)[..., None]).reshape(*y.shape, size, size)
    np.testing.assert_array_equal(asnumpy(grad_x), images_of(expected, shape))


def test_max_pooling_of_nan():
    x = xp.asarray([[[[1.0], [np.nan]], [[np.nan], [2.0]]]])
    with kernels_on_cpu():
        y, grad_x = pooling.maximum(x, 2), pooling.maximum_gradient(xp.full((1, 1, 1, 1), 5.0), x, 2)
    assert np.isnan(asnumpy(y)).all()
    np.testing.assert_array_equal(asnumpy(grad_x).ravel(), [0, 5, 0, 0])


# Adam


@given(
    count=st.sampled_from((0, 1, 7, 300, 1031)),
    steps=st.integers(1, 100),
    decay=st.sampled_from(((0.0, 0.0), (0.1, 0.0), (0.0, 0.1))),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_adam_step(count, steps, decay, dtype, order, seed):
    p, grad, mean, square = draw(seed, 4, count, dtype=dtype)
    square = square**2
    before = [asnumpy(a).astype(np.float64).copy() for a in (p, grad, mean, square)]
    options = {"lr": 0.01, "betas": (0.9, 0.999), "steps": steps, "eps": 1e-3}
    with kernels_on_cpu(order):
        updated = adam.step(p, grad, mean, square, **options, decay=decay[0], decoupled_decay=decay[1])
    p0, g0, m, v = before
    g0 = g0 + decay[0] * p0
    m, v = 0.9 * m + 0.1 * g0, 0.999 * v + 0.001 * g0**2
    direction = m / (1 - 0.9**steps) / (np.sqrt(v / (1 - 0.999**steps)) + 1e-3) + decay[1] * p0
    assert updated.dtype == dtype
    for result, expected in ((mean, m), (square, v), (updated, p0 - 0.01 * direction)):
        assert_close(result, expected, **TOLERANCE[dtype])
    np.testing.assert_array_equal(asnumpy(p), before[0])  # the inputs are not modified


# Arrays that are not contiguous


def test_strided_views():
    x = draw(0, 6, 5, 4)
    with kernels_on_cpu():
        mean, _ = normalize.moments(x.transpose(1, 0, 2)[::2])
        y = hamilton.product(x.transpose(1, 0, 2), x.transpose(1, 0, 2), -1)
    assert_close(mean, asnumpy(x)[:, ::2].mean(axis=(0, 1)))
    assert_close(y, quaternion.hamilton_product(x, x).transpose(1, 0, 2))


@pytest.mark.parametrize("kernel", [normalize.moments, lambda x: pooling.maximum(x, 1)])
def test_unsupported_dtype(kernel):
    with kernels_on_cpu(), pytest.raises(KeyError, match="float16"):
        kernel(xp.zeros((1, 1, 1, 3), dtype=np.float16))
