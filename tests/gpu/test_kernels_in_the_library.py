"""Test that the results of ops do not depend on the use of CUDA kernels.

An op uses a CUDA kernel if `kernels.supports` returns True. The tested ops are convolutions, Hamilton products, batch
norms and pools. Optimizer steps of Adam are tested too. The reference is the same op without CUDA kernels. The results
are compared, and the gradients for a random upstream gradient.
"""

from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.kernels import (
    dtypes,
    eight_products_always,
    kernels_disabled,
    kernels_enabled,
    needs_compiler,
    orders,
)
from support.strategies import seeds

from quatnet import Tensor, kernels, ops
from quatnet.backend import asnumpy, xp
from quatnet.conv import gpu
from quatnet.conv.fast import gpu_layout
from quatnet.errors import ConfigError, ShapeError
from quatnet.nn import BatchNorm
from quatnet.optim import Adam, AdamW

pytestmark = needs_compiler
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}  # relative to the largest absolute value of the array


def result_and_gradients(op, arrays, options, constants=()):
    """Return the result and the gradients of an op. The upstream gradient depends on the shape of the result only."""
    tensors = [Tensor(a, requires_grad=n not in constants) for n, a in enumerate(arrays)]
    y = op(*tensors, **options)
    y.backward(draw(7, *y.shape, dtype=arrays[0].dtype))
    return [y.data] + [t.grad for t in tensors if t.grad is not None]


def assert_same(op, *arrays, order="forward", constants=(), **options):
    with kernels_disabled():
        expected = result_and_gradients(op, arrays, options, constants)
    with kernels_enabled(order):
        results = result_and_gradients(op, arrays, options, constants)
    assert len(results) == len(expected)
    for a, b in zip(results, expected, strict=True):
        assert a.dtype == arrays[0].dtype
        largest = max(1.0, np.abs(asnumpy(b)).max(initial=0))
        assert_close(a / largest, b / largest, rtol=0, atol=TOLERANCE[arrays[0].dtype.type])


# Convolutions

small = st.integers(1, 3)
pairs = st.tuples(small, small)


@st.composite
def convolutions(draw):
    """Draw the sizes and options of a convolution that fit together.

    They are the image size (N, H, W), the kernel size, the input and output channels of a group, and the options.
    """
    size, kernel = draw(st.tuples(st.integers(0, 3), st.integers(1, 7), st.integers(1, 11))), draw(pairs)
    options = {
        "stride": draw(pairs),
        "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "dilation": draw(pairs),
        "groups": draw(st.sampled_from((1, 1, 2, 3))),
    }
    effective = [d * (k - 1) + 1 for d, k in zip(options["dilation"], kernel, strict=True)]
    assume(all(n + 2 * p >= e for n, p, e in zip(size[1:], options["padding"], effective, strict=True)))
    return size, kernel, (draw(st.sampled_from((1, 2, 5))), draw(st.sampled_from((1, 3, 4)))), options


def image_and_weight(case, parts, dtype, seed):
    size, kernel, (channels, filters), options = case
    groups = options["groups"]
    x = draw(seed, *size, parts * groups * channels, dtype=dtype)
    w = draw(seed + 1, *([parts] if parts == 4 else []), *kernel, channels, groups * filters, dtype=dtype)
    return x, w


@given(case=convolutions(), dtype=dtypes, order=orders, seed=seeds)
def test_real_convolution(case, dtype, order, seed):
    assert_same(ops.conv2d, *image_and_weight(case, 1, dtype, seed), order=order, **case[-1])


@given(case=convolutions(), dtype=dtypes, order=orders, seed=seeds)
def test_quaternion_convolution_in_eight_products(case, dtype, order, seed):
    with eight_products_always():
        assert_same(ops.quaternion_conv2d, *image_and_weight(case, 4, dtype, seed), order=order, **case[-1])


def test_eight_products_are_profitable_from_enough_channels_on():
    # Per pixel and with C input and output channels, the eight products of a 3 x 5 convolution save 240 C² operations.
    # The transforms move 136 C numbers, each of which takes the time of 64 operations: 240 C² > 64 · 136 C from 36.3.
    assert [gpu.is_profitable((4, 3, 5, c, c)) for c in (36, 37)] == [False, True]
    # With Winograd's algorithm, 3 x 3: 36 C² >= 64 · 68 C from C = 120.9.
    assert [gpu.is_profitable((4, 3, 3, c, c)) for c in (120, 121)] == [False, True]
    # A 1 x 1 convolution saves 16 C² operations and moves 24 C numbers: 16 C² >= 64 · 24 C from C = 96.
    assert [gpu.is_profitable((4, 1, 1, c, c)) for c in (95, 96)] == [False, True]


@given(case=convolutions(), seed=seeds)
@settings(max_examples=20)
def test_few_channels_use_the_real_block_matrix(case, seed):
    with mock.patch.object(gpu, "run", wraps=gpu.run) as run:
        assert_same(ops.quaternion_conv2d, *image_and_weight(case, 4, np.float64, seed), **case[-1])
    assert {len(call.args[1]) for call in run.call_args_list} == {1}


@given(case=convolutions(), parts=st.sampled_from((1, 4)), dtype=dtypes, seed=seeds)
def test_transposed_convolution(case, parts, dtype, seed):
    size, kernel, _, options = case
    sizes = zip(size[1:], kernel, *(options[name] for name in ("stride", "padding", "dilation")), strict=True)
    assume(all((n - 1) * s - 2 * p + d * (k - 1) + 1 > 0 for n, k, s, p, d in sizes))
    op = ops.conv_transpose2d if parts == 1 else ops.quaternion_conv_transpose2d
    assert_same(op, *image_and_weight(case, parts, dtype, seed), **options)


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("kernel", [1, 3])
def test_batch_in_slices(parts, kernel, rng):
    op = ops.conv2d if parts == 1 else ops.quaternion_conv2d
    x, w = draw(rng, 5, 6, 7, 4 * parts), draw(rng, *([4] if parts == 4 else []), kernel, kernel, 4, 3)
    with eight_products_always(), mock.patch.object(gpu_layout, "PATCH_BYTES", 2 * 8 * 8 * 42 * kernel**2 * 4):
        plan = gpu_layout.make_shape(x.shape, (4, kernel, kernel, 4, 3), (1, 1), (kernel // 2,) * 2, (1, 1), 1)
        assert [part.start for part in plan.batch_slices(5, 8)] == [0, 2, 4]
        assert_same(op, x, w, padding=kernel // 2)


def test_pointwise_convolution_needs_no_patches(rng):
    x, w = draw(rng, 2, 3, 4, 8), draw(rng, 4, 1, 1, 2, 3)
    with eight_products_always(), mock.patch.object(kernels.eight_products, "input_transform_im2col", None):
        assert_same(ops.quaternion_conv2d, x, w)


@given(rows=st.sampled_from((0, 1, 7)), dtype=dtypes, bias=st.booleans(), seed=seeds)
def test_quaternion_linear_in_eight_products(rows, dtype, bias, seed):
    arrays = (draw(seed, rows, 12, dtype=dtype), draw(seed + 1, 4, 3, 5, dtype=dtype), draw(seed, 20, dtype=dtype))
    with eight_products_always():
        assert_same(ops.quaternion_linear, *arrays[: 2 + bias])


# Other ops


@given(shape=st.lists(st.integers(0, 5), max_size=3), axis=st.integers(0, 3), dtype=dtypes, order=orders, seed=seeds)
def test_hamilton_product_of_the_same_shape(shape, axis, dtype, order, seed):
    shape.insert(min(axis, len(shape)), 4)
    p, q = draw(seed, 2, *shape, dtype=dtype)
    assert_same(ops.hamilton_product, p, q, order=order, axis=min(axis, len(shape) - 1))


def test_hamilton_product_with_broadcasting_uses_no_kernel(rng):
    with mock.patch.object(kernels.hamilton, "product", None):
        assert_same(ops.hamilton_product, draw(rng, 3, 4), draw(rng, 5, 1, 4))


@given(
    shape=st.sampled_from(((1, 1), (2, 3), (300, 5), (2, 3, 5, 7), (3, 1, 9, 33))),
    relu=st.booleans(),
    use_running_stats=st.booleans(),
    x_requires_grad=st.booleans(),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_batch_norm(shape, relu, use_running_stats, x_requires_grad, dtype, order, seed):
    x, (scale, shift, mean, variance) = draw(seed, *shape, dtype=dtype), draw(seed, 4, shape[-1], dtype=dtype)
    running_stats = (mean, variance**2 + 1) if use_running_stats else None
    options = {"running_stats": running_stats, "relu": relu, "eps": 1e-2}
    constants = () if x_requires_grad else (0,)
    assert_same(ops.batch_norm, x, scale, shift, order=order, constants=constants, **options)


def test_batch_norm_with_running_statistics_of_another_dtype(rng):
    # the statistics are float32 and the images float64, and no kernel supports two dtypes
    x, norm = draw(rng, 9, 3), BatchNorm(3)
    with kernels_enabled():
        y = norm(Tensor(x), train=False)
    with kernels_disabled():
        assert_close(y.data, norm(Tensor(x), train=False).data)


@given(
    sizes=st.tuples(st.integers(0, 2), st.integers(2, 7), st.integers(2, 7), st.sampled_from((1, 3, 33))),
    size=st.integers(1, 2),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_pooling_windows_that_do_not_divide_the_size(sizes, size, dtype, order, seed):
    # few values, so that many entries are equal
    x = xp.asarray(np.random.default_rng(seed).integers(-2, 3, sizes).astype(dtype))
    assert_same(ops.avg_pool2d, x, order=order, kernel_size=size)
    assert_same(ops.max_pool2d, x, order=order, kernel_size=size)


# Errors


@pytest.mark.parametrize(
    ("op", "shapes", "options", "message"),
    [
        (ops.hamilton_product, ((3, 5), (3, 5)), {}, "length 4"),
        (ops.hamilton_product, ((4, 3), (4, 3)), {"axis": 2}, "along axis 2"),
        (ops.avg_pool2d, ((1, 2, 2, 3),), {"kernel_size": 3}, "is larger than"),
        (ops.max_pool2d, ((1, 2, 2, 3),), {"kernel_size": 0}, "at least 1"),
        (ops.conv2d, ((1, 5, 5, 3), (3, 3, 2, 4)), {}, "expected x"),
        (ops.conv2d, ((1, 2, 5, 3), (3, 3, 3, 4)), {}, "does not fit a size of 2"),
        (ops.quaternion_conv2d, ((1, 2, 5, 8), (4, 3, 3, 2, 4)), {}, "does not fit a size of 2"),
        (ops.batch_norm, ((0, 3), (3,), (3,)), {}, "at least one entry per channel"),
    ],
)
def test_errors_are_the_same_with_kernels(op, shapes, options, message, rng):
    tensors = [Tensor(draw(rng, *shape)) for shape in shapes]
    with eight_products_always(), kernels_enabled(), pytest.raises((ConfigError, ShapeError), match=message):
        op(*tensors, **options)


# Optimizers


@pytest.mark.parametrize(("optimizer", "options"), [(Adam, {}), (AdamW, {}), (Adam, {"amsgrad": True})])
@pytest.mark.parametrize("shape", [(7, 9), (5,), ()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_three_steps_of_adam(optimizer, options, shape, dtype):
    def train():
        p = {"p": Tensor(draw(0, *shape, dtype=dtype), requires_grad=True)}
        adam = optimizer(p.items(), weight_decay=0.1, eps=1e-3, **options)
        for step in range(3):
            p["p"].grad = draw(step + 1, *shape, dtype=dtype)
            adam.step(lr=0.1)
        return [p["p"].data, *(value for name, value in sorted(adam.state_dict().items()) if name != "steps")]

    with kernels_disabled():
        expected = train()
    with kernels_enabled("shuffled"):
        results = train()
    for a, b in zip(results, expected, strict=True):
        assert a.dtype == b.dtype == dtype
        assert_close(a, b, rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("context", [kernels_disabled, kernels_enabled])
def test_loaded_state_in_column_order_is_updated(context, rng):
    # regression test: a step updated a copy of an array in column-major order
    adam = Adam([("p", Tensor(draw(rng, 3, 5), requires_grad=True))])
    adam.load_state_dict({k: np.asfortranarray(v) if v.ndim else v for k, v in adam.state_dict().items()})
    adam.parameters["p"].grad = xp.ones((3, 5))
    with context():
        adam.step(lr=0.1)
    assert_close(adam.state_dict()["exp_avg/p"], np.full((3, 5), 0.1))
