"""The kernels of everything between convolutions: Hamilton products, batch norm, pooling, and a step of Adam.

None of them multiplies much; what they cost is memory. A chain of array expressions reads and writes its arrays once
for each operator, a kernel reads and writes each number once. Sums are the exception to "one thread, one element": a
block of threads adds up a chunk of rows in shared memory, in a fixed order, and array expressions add up the chunks.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.arrays import assert_close, draw
from support.kernels import dtypes, kernels_run, need_a_compiler, orders
from support.strategies import seeds

from quatnet import quaternion
from quatnet.backend import asnumpy, xp
from quatnet.kernels import adam, hamilton, normalize, pooling

pytestmark = need_a_compiler
CLOSE = {np.float32: {"rtol": 1e-4, "atol": 1e-5}, np.float64: {"rtol": 1e-11, "atol": 1e-11}}
row_counts = st.sampled_from((1, 2, 7, 97, 300, 2051))
channel_counts = st.sampled_from((1, 3, 31, 33, 257))


# The Hamilton product


def test_i_times_j_is_k_and_its_gradients_by_hand():
    _, i, j, k = xp.eye(4)
    with kernels_run():
        assert_close(hamilton.product(i, j, -1), k)
        gp, gq = hamilton.gradients(i, j, k, -1)
    assert_close(gp, i)  # as in test_05_hamilton_gradient
    assert_close(gq, j)


@given(
    shape=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=19),
    axis=st.integers(0, 2),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_products_and_gradients_along_any_axis(shape, axis, dtype, order, seed):
    assume(axis <= len(shape))
    p, q, g = draw(seed, 3, *shape[:axis], 4, *shape[axis:], dtype=dtype)
    with kernels_run(order):
        y, (gp, gq) = hamilton.product(p, q, axis), hamilton.gradients(p, q, g, axis)

    def product(a, b):
        return quaternion.hamilton_product(a, b, axis=axis)

    assert_close(y, product(p, q), **CLOSE[dtype])
    assert_close(gp, product(g, quaternion.conjugate(q, axis=axis)), **CLOSE[dtype])
    assert_close(gq, product(quaternion.conjugate(p, axis=axis), g), **CLOSE[dtype])


def test_more_than_one_block_of_quaternions():
    p, q = draw(0, 2, 300, 4)
    with kernels_run("shuffled"):
        assert_close(hamilton.product(p, q, -1), quaternion.hamilton_product(p, q))


# Batch normalization


def test_the_moments_of_three_rows_by_hand():
    with kernels_run():
        mean, variance = normalize.moments(xp.asarray([[1.0, 5], [2, 5], [6, 5]]))
    assert_close(mean, [3.0, 5])
    assert_close(variance, [14 / 3, 0])


@given(rows=row_counts, channels=channel_counts, dtype=dtypes, order=orders, seed=seeds)
def test_mean_and_variance_of_each_channel(rows, channels, dtype, order, seed):
    x = draw(seed, rows, channels, dtype=dtype)
    with kernels_run(order):
        mean, variance = normalize.moments(x)
    assert_close(mean, asnumpy(x).mean(axis=0, dtype=np.float64), **CLOSE[dtype])
    assert_close(variance, asnumpy(x).var(axis=0, dtype=np.float64), **CLOSE[dtype])


def test_a_large_mean_does_not_swallow_the_variance():
    # float32 has seven digits: Σ x² / n - mean² would have none left of a variance of 1 at a mean of 10000
    x = draw(0, 5000, 2, dtype=np.float32) + xp.float32(10000)
    with kernels_run():
        _, variance = normalize.moments(x)
    assert_close(variance, asnumpy(x).astype(np.float64).var(axis=0), rtol=1e-5)


@given(rows=row_counts, channels=channel_counts, relu=st.booleans(), dtype=dtypes, order=orders, seed=seeds)
def test_scale_shift_and_relu_of_each_channel(rows, channels, relu, dtype, order, seed):
    x, (factor, offset) = draw(seed, rows, channels, dtype=dtype), draw(seed, 2, channels, dtype=dtype)
    with kernels_run(order):
        y = normalize.affine(x, factor, offset, relu)
    expected = asnumpy(x * factor + offset)
    assert_close(y, np.maximum(expected, 0) if relu else expected, **CLOSE[dtype])


@given(rows=row_counts, channels=channel_counts, relu=st.booleans(), dtype=dtypes, order=orders, seed=seeds)
def test_sums_and_gradients_of_what_a_relu_let_pass(rows, channels, relu, dtype, order, seed):
    g, x, y = draw(seed, 3, rows, channels, dtype=dtype)
    mean, factor, slope, offset = draw(seed, 4, channels, dtype=dtype)
    given_relu = y if relu else None
    with kernels_run(order):
        sums = normalize.gradient_sums(g, x, mean, given_relu)
        gx = normalize.input_gradient(g, x, factor, slope, offset, given_relu)
    passed = asnumpy(g) * (asnumpy(y) > 0 if relu else 1)
    centered = asnumpy(x) - asnumpy(mean)
    expected = [passed.sum(axis=0, dtype=np.float64), (passed * centered).sum(axis=0, dtype=np.float64)]
    scale = np.sqrt(rows)  # the sums grow, and so does what float32 loses
    assert_close(sums / scale, np.stack(expected) / scale, **CLOSE[dtype])
    assert_close(gx, passed * asnumpy(factor) + asnumpy(x) * asnumpy(slope) + asnumpy(offset), **CLOSE[dtype])


def test_nan_stays_nan_through_a_relu():
    x = xp.asarray([[np.nan, -1.0, 2.0]])
    with kernels_run():
        y = normalize.affine(x, xp.ones(3), xp.zeros(3), True)
    np.testing.assert_array_equal(asnumpy(y), [[np.nan, 0, 2]])


# Pooling


@st.composite
def pooled_images(draw):
    size = draw(st.integers(1, 3))
    shape = draw(st.tuples(st.integers(0, 2), st.integers(size, 8), st.integers(size, 8), st.sampled_from((1, 3, 130))))
    return shape, size


def windows(x, size):
    """(N, H, W, C) -> (N, OH, OW, C, size²), a view of what is pooled."""
    n, height, width, channels = x.shape
    oh, ow = height // size, width // size
    cut = x[:, : oh * size, : ow * size].reshape(n, oh, size, ow, size, channels)
    return cut.transpose(0, 1, 3, 5, 2, 4).reshape(n, oh, ow, channels, size * size)


def image_of(cells, shape):
    """Put windows (N, OH, OW, C, size, size) back into images of `shape`, 0 where there was no window."""
    n, oh, ow, channels, size, _ = cells.shape
    image = np.zeros(shape, cells.dtype)
    image[:, : oh * size, : ow * size] = cells.transpose(0, 1, 4, 2, 5, 3).reshape(n, oh * size, ow * size, channels)
    return image


@given(image=pooled_images(), dtype=dtypes, order=orders, seed=seeds)
def test_the_average_of_each_window_and_equal_shares_of_its_gradient(image, dtype, order, seed):
    shape, size = image
    x = draw(seed, *shape, dtype=dtype)
    with kernels_run(order):
        y = pooling.average(x, size)
        gx = pooling.average_gradient(y, shape, size)
    assert_close(y, windows(asnumpy(x), size).mean(axis=-1), **CLOSE[dtype])
    shares = np.broadcast_to(asnumpy(y)[..., None, None] / size**2, (*y.shape, size, size))
    assert_close(gx, image_of(shares, shape), **CLOSE[dtype])


@given(image=pooled_images(), dtype=dtypes, order=orders, seed=seeds)
def test_the_largest_of_each_window_and_the_first_of_equals_takes_the_gradient(image, dtype, order, seed):
    shape, size = image
    x = xp.asarray(np.random.default_rng(seed).integers(0, 3, shape).astype(dtype))  # many are equal
    with kernels_run(order):
        y = pooling.maximum(x, size)
        g = y + 1
        gx = pooling.maximum_gradient(g, x, size)
    cells = windows(asnumpy(x), size)
    np.testing.assert_array_equal(asnumpy(y), cells.max(axis=-1))
    winners = np.arange(size * size) == cells.argmax(axis=-1)[..., None]
    expected = (winners * asnumpy(g)[..., None]).reshape(*y.shape, size, size)
    np.testing.assert_array_equal(asnumpy(gx), image_of(expected, shape))


def test_a_window_with_nan_is_nan_and_the_first_nan_takes_the_gradient():
    x = xp.asarray([[[[1.0], [np.nan]], [[np.nan], [2.0]]]])
    with kernels_run():
        y, gx = pooling.maximum(x, 2), pooling.maximum_gradient(xp.full((1, 1, 1, 1), 5.0), x, 2)
    assert np.isnan(asnumpy(y)).all()
    np.testing.assert_array_equal(asnumpy(gx).ravel(), [0, 5, 0, 0])


# Adam


@given(
    count=st.sampled_from((0, 1, 7, 300, 1031)),
    steps=st.integers(1, 100),
    decay=st.sampled_from(((0.0, 0.0), (0.1, 0.0), (0.0, 0.1))),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_a_step_of_adam_in_one_pass(count, steps, decay, dtype, order, seed):
    p, g, mean, square = draw(seed, 4, count, dtype=dtype)
    square = square**2
    before = [asnumpy(a).astype(np.float64).copy() for a in (p, g, mean, square)]
    options = {"lr": 0.01, "betas": (0.9, 0.999), "steps": steps, "eps": 1e-3}
    with kernels_run(order):
        moved = adam.step(p, g, mean, square, **options, decay=decay[0], decoupled_decay=decay[1])
    p0, g0, m, v = before
    g0 = g0 + decay[0] * p0
    m, v = 0.9 * m + 0.1 * g0, 0.999 * v + 0.001 * g0**2
    direction = m / (1 - 0.9**steps) / (np.sqrt(v / (1 - 0.999**steps)) + 1e-3) + decay[1] * p0
    assert moved.dtype == dtype
    for found, expected in ((mean, m), (square, v), (moved, p0 - 0.01 * direction)):
        assert_close(found, expected, **CLOSE[dtype])
    np.testing.assert_array_equal(asnumpy(p), before[0])  # the old parameter stays as it was


# Arrays that are not contiguous


def test_a_view_with_strides_is_copied_before_a_kernel_sees_it():
    x = draw(0, 6, 5, 4)
    with kernels_run():
        mean, _ = normalize.moments(x.transpose(1, 0, 2)[::2])
        y = hamilton.product(x.transpose(1, 0, 2), x.transpose(1, 0, 2), -1)
    assert_close(mean, asnumpy(x)[:, ::2].mean(axis=(0, 1)))
    assert_close(y, quaternion.hamilton_product(x, x).transpose(1, 0, 2))


@pytest.mark.parametrize("kernel", [normalize.moments, lambda x: pooling.maximum(x, 1)])
def test_a_dtype_without_kernels_has_no_text(kernel):
    with kernels_run(), pytest.raises(KeyError, match="float16"):
        kernel(xp.zeros((1, 1, 1, 3), dtype=np.float16))
