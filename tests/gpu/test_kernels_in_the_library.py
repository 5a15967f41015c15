"""The library with its kernels: each op asks `kernels.takes`, and where it does, the result must be what it was.

Earlier lessons proved the kernels alone. Here they run where a GPU would run them: in convolutions, products, batch
norms, pools and steps of Adam. The oracle is the same op without kernels, which earlier lessons compared with loops;
what is compared is the result and, for a random cotangent, each gradient.
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
    kernels_everywhere,
    need_a_compiler,
    orders,
    without_kernels,
)
from support.strategies import seeds

from quatnet import Tensor, kernels, ops
from quatnet.backend import asnumpy, xp
from quatnet.conv import gpu
from quatnet.conv.fast import stacks
from quatnet.errors import ShapeError
from quatnet.nn import BatchNorm
from quatnet.optim import Adam, AdamW

pytestmark = need_a_compiler
CLOSE = {np.float32: 2e-5, np.float64: 1e-11}  # of the largest number of a result


def worked(op, arrays, options, constants=()):
    """The result of an op, and its gradients for a cotangent that depends on nothing but the shape."""
    tensors = [Tensor(a, requires_grad=n not in constants) for n, a in enumerate(arrays)]
    y = op(*tensors, **options)
    y.backward(draw(7, *y.shape, dtype=arrays[0].dtype))
    return [y.data] + [t.grad for t in tensors if t.grad is not None]


def assert_unchanged(op, *arrays, order="forward", constants=(), **options):
    with without_kernels():
        expected = worked(op, arrays, options, constants)
    with kernels_everywhere(order):
        found = worked(op, arrays, options, constants)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == arrays[0].dtype
        largest = max(1.0, np.abs(asnumpy(theirs)).max(initial=0))
        assert_close(ours / largest, theirs / largest, rtol=0, atol=CLOSE[arrays[0].dtype.type])


# Convolution: patches by a kernel, one product, a kernel back

few = st.integers(1, 3)
pairs = st.tuples(few, few)


@st.composite
def convolutions(draw):
    """Sizes (N, H, W), kernel, channels and filters of a group, and options that fit together."""
    size, kernel = draw(st.tuples(st.integers(0, 3), st.integers(1, 7), st.integers(1, 11))), draw(pairs)
    options = {
        "stride": draw(pairs),
        "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "dilation": draw(pairs),
        "groups": draw(st.sampled_from((1, 1, 2, 3))),
    }
    reach = [d * (k - 1) + 1 for d, k in zip(options["dilation"], kernel, strict=True)]
    assume(all(n + 2 * p >= r for n, p, r in zip(size[1:], options["padding"], reach, strict=True)))
    return size, kernel, (draw(st.sampled_from((1, 2, 5))), draw(st.sampled_from((1, 3, 4)))), options


def image_and_weight(case, parts, dtype, seed):
    size, kernel, (channels, filters), options = case
    groups = options["groups"]
    x = draw(seed, *size, parts * groups * channels, dtype=dtype)
    w = draw(seed + 1, *([parts] if parts == 4 else []), *kernel, channels, groups * filters, dtype=dtype)
    return x, w


@given(case=convolutions(), dtype=dtypes, order=orders, seed=seeds)
def test_a_real_convolution_and_its_gradients(case, dtype, order, seed):
    assert_unchanged(ops.conv2d, *image_and_weight(case, 1, dtype, seed), order=order, **case[-1])


@given(case=convolutions(), dtype=dtypes, order=orders, seed=seeds)
def test_a_quaternion_convolution_in_eight_products_and_its_gradients(case, dtype, order, seed):
    with eight_products_always():
        assert_unchanged(ops.quaternion_conv2d, *image_and_weight(case, 4, dtype, seed), order=order, **case[-1])


def test_eight_products_pay_where_they_spare_more_than_they_move():
    # 3 x 3 taps, C = O: 144 C² operations spared, 88 C numbers moved, each worth 64 operations: from C = 39.1 on
    assert [gpu.pays((4, 3, 3, c, c)) for c in (39, 40)] == [False, True]
    # pixels: 16 C² against 24 C, from C = 96 on
    assert [gpu.pays((4, 1, 1, c, c)) for c in (95, 96)] == [False, True]


@given(case=convolutions(), seed=seeds)
@settings(max_examples=20)
def test_few_channels_take_the_real_block_matrix(case, seed):
    with mock.patch.object(gpu, "left_operands", wraps=gpu.left_operands) as left:
        assert_unchanged(ops.quaternion_conv2d, *image_and_weight(case, 4, np.float64, seed), **case[-1])
    assert {len(call.args[0]) for call in left.call_args_list} == {1}


@given(case=convolutions(), parts=st.sampled_from((1, 4)), dtype=dtypes, seed=seeds)
def test_a_transposed_convolution_changes_the_roles_of_the_three(case, parts, dtype, seed):
    size, kernel, _, options = case
    sizes = zip(size[1:], kernel, *(options[name] for name in ("stride", "padding", "dilation")), strict=True)
    assume(all((n - 1) * s - 2 * p + d * (k - 1) + 1 > 0 for n, k, s, p, d in sizes))
    op = ops.conv_transpose2d if parts == 1 else ops.quaternion_conv_transpose2d
    assert_unchanged(op, *image_and_weight(case, parts, dtype, seed), **options)


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_batch_in_pieces_gives_the_same(parts, kernel, rng):
    op = ops.conv2d if parts == 1 else ops.quaternion_conv2d
    x, w = draw(rng, 5, 6, 7, 4 * parts), draw(rng, *([4] if parts == 4 else []), kernel, kernel, 4, 3)
    with eight_products_always(), mock.patch.object(stacks, "PATCH_BYTES", 2 * 8 * 8 * 42 * kernel**2 * 4):
        plan = gpu.plan_of(x.shape, (4, kernel, kernel, 4, 3), (1, 1), (kernel // 2,) * 2, (1, 1), 1)
        assert [part.start for part in plan.pieces(5, 8)] == [0, 2, 4]
        assert_unchanged(op, x, w, padding=kernel // 2)


def test_pixels_need_no_patches(rng):
    x, w = draw(rng, 2, 3, 4, 8), draw(rng, 4, 1, 1, 2, 3)
    with eight_products_always(), mock.patch.object(kernels.eight, "mix_patches", None):
        assert_unchanged(ops.quaternion_conv2d, x, w)


@given(rows=st.sampled_from((0, 1, 7)), dtype=dtypes, bias=st.booleans(), seed=seeds)
def test_a_quaternion_linear_layer_in_eight_products(rows, dtype, bias, seed):
    arrays = (draw(seed, rows, 12, dtype=dtype), draw(seed + 1, 4, 3, 5, dtype=dtype), draw(seed, 20, dtype=dtype))
    with eight_products_always():
        assert_unchanged(ops.quaternion_linear, *arrays[: 2 + bias])


# Between convolutions


@given(shape=st.lists(st.integers(0, 5), max_size=3), axis=st.integers(0, 3), dtype=dtypes, order=orders, seed=seeds)
def test_the_hamilton_product_of_one_shape(shape, axis, dtype, order, seed):
    shape.insert(min(axis, len(shape)), 4)
    p, q = draw(seed, 2, *shape, dtype=dtype)
    assert_unchanged(ops.hamilton_product, p, q, order=order, axis=min(axis, len(shape) - 1))


def test_a_hamilton_product_that_broadcasts_takes_the_expression(rng):
    with mock.patch.object(kernels.hamilton, "product", None):
        assert_unchanged(ops.hamilton_product, draw(rng, 3, 4), draw(rng, 5, 1, 4))


@given(
    shape=st.sampled_from(((1, 1), (2, 3), (300, 5), (2, 3, 5, 7), (3, 1, 9, 33))),
    relu=st.booleans(),
    constant=st.booleans(),
    wanted=st.booleans(),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_batch_norm_of_a_batch_or_with_running_statistics(shape, relu, constant, wanted, dtype, order, seed):
    x, (scale, shift, mean, variance) = draw(seed, *shape, dtype=dtype), draw(seed, 4, shape[-1], dtype=dtype)
    statistics = (mean, variance**2 + 1) if constant else None
    options = {"running_stats": statistics, "relu": relu, "eps": 1e-2}
    assert_unchanged(ops.batch_norm, x, scale, shift, order=order, constants=() if wanted else (0,), **options)


def test_statistics_of_another_dtype_take_the_plain_form(rng):
    # float32 statistics of a layer with float64 images: a kernel would read the wrong bytes
    x, norm = draw(rng, 9, 3), BatchNorm(3)
    with kernels_everywhere():
        y = norm(Tensor(x), train=False)
    with without_kernels():
        assert_close(y.data, norm(Tensor(x), train=False).data)


@given(
    sizes=st.tuples(st.integers(0, 2), st.integers(2, 7), st.integers(2, 7), st.sampled_from((1, 3, 33))),
    size=st.integers(1, 2),
    dtype=dtypes,
    order=orders,
    seed=seeds,
)
def test_pools_of_windows_that_do_not_divide(sizes, size, dtype, order, seed):
    x = xp.asarray(np.random.default_rng(seed).integers(-2, 3, sizes).astype(dtype))  # many are equal
    assert_unchanged(ops.avg_pool2d, x, order=order, kernel_size=size)
    assert_unchanged(ops.max_pool2d, x, order=order, kernel_size=size)


# Errors come before kernels


@pytest.mark.parametrize(
    ("op", "shapes", "options", "message"),
    [
        (ops.hamilton_product, ((3, 5), (3, 5)), {}, "length 4"),
        (ops.hamilton_product, ((4, 3), (4, 3)), {"axis": 2}, "along axis 2"),
        (ops.avg_pool2d, ((1, 2, 2, 3),), {"kernel_size": 3}, "does not fit"),
        (ops.max_pool2d, ((1, 2, 2, 3),), {"kernel_size": 0}, "at least 1 x 1"),
        (ops.conv2d, ((1, 5, 5, 3), (3, 3, 2, 4)), {}, "expected x"),
        (ops.conv2d, ((1, 2, 5, 3), (3, 3, 3, 4)), {}, "does not fit a size of 2"),
        (ops.quaternion_conv2d, ((1, 2, 5, 8), (4, 3, 3, 2, 4)), {}, "does not fit a size of 2"),
        (ops.batch_norm, ((0, 3), (3,), (3,)), {}, "at least one row"),
    ],
)
def test_bad_input_gets_the_error_it_always_gets(op, shapes, options, message, rng):
    tensors = [Tensor(draw(rng, *shape)) for shape in shapes]
    with eight_products_always(), kernels_everywhere(), pytest.raises(ShapeError, match=message):
        op(*tensors, **options)


# Optimizers


@pytest.mark.parametrize(("optimizer", "options"), [(Adam, {}), (AdamW, {}), (Adam, {"amsgrad": True})])
@pytest.mark.parametrize("shape", [(7, 9), (5,), ()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_three_steps_of_adam(optimizer, options, shape, dtype):
    def moved():
        p = {"p": Tensor(draw(0, *shape, dtype=dtype), requires_grad=True)}
        adam = optimizer(p.items(), weight_decay=0.1, eps=1e-3, **options)
        for step in range(3):
            p["p"].grad = draw(step + 1, *shape, dtype=dtype)
            adam.step(lr=0.1)
        return [p["p"].data, *(value for name, value in sorted(adam.state_dict().items()) if name != "steps")]

    with without_kernels():
        expected = moved()
    with kernels_everywhere("shuffled"):
        found = moved()
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype == dtype
        assert_close(ours, theirs, rtol=10 * CLOSE[dtype], atol=CLOSE[dtype])


@pytest.mark.parametrize("way", [without_kernels, kernels_everywhere])
def test_state_that_was_read_in_another_memory_order_is_kept(way, rng):
    # a step changes the means in place; of arrays in column order it changed a copy, with kernels and without
    adam = Adam([("p", Tensor(draw(rng, 3, 5), requires_grad=True))])
    adam.load_state_dict({k: np.asfortranarray(v) if v.ndim else v for k, v in adam.state_dict().items()})
    adam.parameters["p"].grad = xp.ones((3, 5))
    with way():
        adam.step(lr=0.1)
    assert_close(adam.state_dict()["exp_avg/p"], np.full((3, 5), 0.1))
