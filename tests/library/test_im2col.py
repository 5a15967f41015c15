"""Tests of the convolution as one matrix product.

A 3x3 filter multiplies patches of nine pixels. im2col copies each patch into a row of a matrix. One matrix product of
the rows and the weights then applies all filters at all positions. The gradients follow from the gradients of a matrix
product. For the input gradient, col2im (the adjoint of im2col) adds overlapping patches at the pixels that the patches
cover. `quatnet.conv.plain` implements this algorithm and is compared here with seven nested loops. Training uses the
faster algorithms of `quatnet.conv.dispatch`, which are compared here with the plain convolution for many shapes.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, dot, draw
from support.parity import assert_parity
from support.strategies import seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.conv import dispatch, plain
from quatnet.conv.im2col import col2im, im2col, output_size, pad
from quatnet.errors import ShapeError

sides = st.integers(1, 6)
kernels = st.tuples(st.sampled_from([1, 2, 3, 5]), st.sampled_from([1, 2, 3, 5]))
strides_and_paddings = st.fixed_dictionaries({"stride": st.integers(1, 3), "padding": st.integers(0, 3)})
IMAGE = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # the image has the rows 1 2 3 / 4 5 6 / 7 8 9


def assume_fit(height, width, kernel, options):
    assume(min(height - kernel[0], width - kernel[1]) + 2 * options["padding"] >= 0)


# Patches: worked examples


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [(3, 2, 1, 0, 2), (7, 3, 2, 0, 3), (8, 3, 2, 0, 3), (8, 3, 2, 1, 4), (5, 5, 3, 0, 1), (1, 3, 1, 1, 1)],
)
def test_output_size(size, kernel, stride, padding, expected):
    # the formula is floor((size + 2 padding - kernel) / stride) + 1
    assert output_size(size, kernel, stride, padding) == expected


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_output_size_is_the_number_of_positions(size, kernel, stride, padding):
    positions = range(0, size + 2 * padding - kernel + 1, stride)
    assume(len(positions))
    assert output_size(size, kernel, stride, padding) == len(positions)


# Patches of any shape


@given(seeds, st.integers(0, 2), sides, sides, st.integers(1, 3), kernels, strides_and_paddings)
def test_im2col_and_col2im_are_adjoint(seed, n, h, w, c, kernel, options):
    assume_fit(h, w, kernel, options)
    rng = np.random.default_rng(seed)
    x = draw(rng, n, h, w, c)
    rows = im2col(x, kernel, **options)
    r = draw(rng, *rows.shape)
    assert_close(dot(rows, r), dot(x, col2im(r, x.shape, kernel, **options)))


def test_pad(rng):
    x = draw(rng, 2, 3, 4, 5)
    assert_close(pad(x, 2), oracles.pad(asnumpy(x), 2))
    assert_close(pad(x, 0), x)


# Convolution: worked examples


def test_the_kernel_is_not_flipped():
    # conv2d is a correlation: the kernel (1, 2) maps the row 1 2 3 to 1·1 + 2·2 = 5 and 1·2 + 2·3 = 8
    y = ops.conv2d(Tensor(IMAGE[:, :1]), Tensor(np.array([1.0, 2]).reshape(1, 2, 1, 1)))
    assert_close(y.data.ravel(), [5, 8])


def test_gradients_worked_example():
    # For y = (w0 x0 + w1 x1, w0 x1 + w1 x2) with x = (1, 2, 3), w = (4, 5) and the upstream gradient (1, 10):
    # grad_x = (w0·1, w1·1 + w0·10, w1·10) = (4, 45, 50), grad_w = (x0·1 + x1·10, x1·1 + x2·10) = (21, 32)
    x = Tensor(IMAGE[:, :1].copy(), requires_grad=True)
    w = Tensor(np.array([4.0, 5]).reshape(1, 2, 1, 1), requires_grad=True)
    ops.conv2d(x, w).backward(np.array([1.0, 10]).reshape(1, 1, 2, 1))
    assert_close(x.grad.ravel(), [4, 45, 50])
    assert_close(w.grad.ravel(), [21, 32])


# The plain convolution and seven nested loops


@given(seeds, st.integers(0, 2), sides, sides, st.integers(1, 3), st.integers(1, 3), kernels, strides_and_paddings)
def test_plain_convolution_equals_loops(seed, n, h, w, c, o, kernel, options):
    assume_fit(h, w, kernel, options)
    rng = np.random.default_rng(seed)
    x, weight = draw(rng, n, h, w, c), draw(rng, *kernel, c, o)
    expected = oracles.conv2d(asnumpy(x), asnumpy(weight), **options)
    assert_close(plain.conv2d(x, weight, **options), expected)


@given(seeds, sides, sides, kernels, strides_and_paddings)
def test_plain_gradients_are_adjoint_to_the_convolution(seed, h, w, kernel, options):
    # The convolution is linear in x and in w, so <conv(x, w), grad> = <x, grad_x> = <w, grad_w>.
    assume_fit(h, w, kernel, options)
    rng = np.random.default_rng(seed)
    x, weight = draw(rng, 2, h, w, 2), draw(rng, *kernel, 2, 3)
    y = plain.conv2d(x, weight, **options)
    grad = draw(rng, *y.shape)
    assert_close(dot(y, grad), dot(x, plain.conv2d_input_gradient(grad, weight, x.shape, **options)))
    assert_close(dot(y, grad), dot(weight, plain.conv2d_weight_gradient(x, grad, kernel, **options)))


# Fast algorithms and the plain convolution


def assert_same_as_plain(x, w, grad, **options):
    kernel = w.shape[:2]
    assert_close(dispatch.conv2d(x, w, **options), plain.conv2d(x, w, **options))
    assert_close(
        dispatch.conv2d_input_gradient(grad, w, x.shape, **options),
        plain.conv2d_input_gradient(grad, w, x.shape, **options),
    )
    assert_close(
        dispatch.conv2d_weight_gradient(x, grad, kernel, **options),
        plain.conv2d_weight_gradient(x, grad, kernel, **options),
    )


def draw_arguments(rng, shape, kernel, outputs, **options):
    """Draw x, w and an upstream gradient with compatible shapes."""
    x, w = draw(rng, *shape), draw(rng, *kernel, shape[-1], outputs)
    return x, w, draw(rng, *plain.conv2d(x, w, **options).shape)


# widths of narrow images, and widths around the thresholds of the algorithms
widths = st.one_of(sides, st.integers(12, 24))


@given(seeds, st.integers(0, 3), sides, widths, st.integers(1, 4), st.integers(1, 4), kernels, strides_and_paddings)
def test_fast_algorithms_equal_plain_convolution(seed, n, h, w, c, o, kernel, options):
    assume_fit(h, w, kernel, options)
    rng = np.random.default_rng(seed)
    assert_same_as_plain(*draw_arguments(rng, (n, h, w, c), kernel, o, **options), **options)


CASES = {
    "two tiles high": ((2, 70, 17, 2), (3, 3), 3, {"padding": 1}),
    "exactly one tile": ((1, 64, 16, 2), (3, 3), 3, {"padding": 1}),
    "three tiles, the last one row": ((1, 129, 16, 1), (1, 1), 2, {}),
    "large kernel across tiles": ((1, 130, 20, 2), (5, 5), 2, {"padding": 2}),
    "kernel of one row": ((2, 66, 18, 2), (1, 3), 2, {"padding": 1}),
    "kernel of one column": ((2, 66, 18, 2), (3, 1), 2, {"padding": 1}),
    "more padding than kernel": ((1, 5, 18, 2), (1, 1), 2, {"padding": 2}),
    "stride, several slices": ((16, 32, 32, 8), (3, 3), 2, {"padding": 1, "stride": 2}),
    "narrow, several slices": ((40, 24, 12, 8), (3, 3), 4, {"padding": 1}),
    "empty batch": ((0, 70, 17, 2), (3, 3), 3, {"padding": 1}),
}


@pytest.mark.parametrize("name", CASES)
def test_fast_algorithms_in_special_cases(name, rng):
    shape, kernel, outputs, options = CASES[name]
    assert_same_as_plain(*draw_arguments(rng, shape, kernel, outputs, **options), **options)


VIEWS = {
    "transposed": lambda x: xp.swapaxes(x, 1, 2),
    "channels moved to the end": lambda x: xp.moveaxis(x, 1, -1),
    "every second pixel": lambda x: x[:, ::2, ::2],
    "reversed": lambda x: x[:, ::-1, ::-1, ::-1],
    "one channel of many": lambda x: x[..., 1:2],
    "a new axis for the channel": lambda x: xp.ascontiguousarray(x[..., 0])[..., None],
    "broadcast": lambda x: xp.broadcast_to(x[:1, :1], x.shape),
}


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("view", VIEWS)
def test_views_that_are_not_contiguous(view, padding, rng):
    x = VIEWS[view](draw(rng, 2, 40, 40, 40))
    w = draw(rng, 3, 3, x.shape[-1], 2)
    grad = draw(rng, *plain.conv2d(xp.ascontiguousarray(x), w, padding=padding).shape)
    assert_same_as_plain(x, w, grad, padding=padding)
    assert_close(dispatch.conv2d(x, w, padding=padding), dispatch.conv2d(x.copy(order="C"), w, padding=padding))


def test_gradients_that_are_not_contiguous(rng):
    x, w = draw(rng, 2, 20, 20, 3), draw(rng, 3, 3, 3, 1)
    for grad in (xp.broadcast_to(draw(rng, 1), (2, 22, 22, 1)), draw(rng, 2, 22, 22)[..., None]):
        assert_same_as_plain(x, w, grad, padding=2)


def test_arguments_are_not_changed(rng):
    arrays = draw_arguments(rng, (2, 20, 20, 3), (3, 3), 2)
    before = [a.copy() for a in arrays]
    assert_same_as_plain(*arrays)
    for array, copy in zip(arrays, before, strict=True):
        assert_close(array, copy, rtol=0, atol=0)


# Number of threads


@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": 1, "stride": 2}])
def test_results_are_bit_identical_for_any_number_of_threads(options, with_threads, rng):
    x, w = draw(rng, 6, 130, 40, 4, dtype=np.float32), draw(rng, 3, 3, 4, 8, dtype=np.float32)
    grad = draw(rng, *plain.conv2d(x, w, **options).shape, dtype=np.float32)
    results = []
    for count in (1, 2, 5):
        with_threads(count)
        results.append(
            [
                dispatch.conv2d(x, w, **options),
                dispatch.conv2d_input_gradient(grad, w, x.shape, **options),
                dispatch.conv2d_weight_gradient(x, grad, (3, 3), **options),
            ]
        )
    for other in results[1:]:
        for a, b in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(asnumpy(a), asnumpy(b))


# The op conv2d


@pytest.mark.parametrize("name", ["large kernel across tiles", "kernel of one row", "more padding than kernel"])
def test_gradients_in_special_cases(name, rng):
    shape, kernel, outputs, options = CASES[name]
    x, w, _ = draw_arguments(rng, shape, kernel, outputs, **options)
    gradcheck(lambda x, w: ops.conv2d(x, w, **options), [x, w], rng=rng, tolerance=1e-5)


@given(seeds, sides, widths, kernels, strides_and_paddings)
def test_gradients_for_any_stride_and_padding(seed, h, w, kernel, options):
    assume_fit(h, w, kernel, options)
    rng = np.random.default_rng(seed)
    x, weight = draw(rng, 1, h, w, 2), draw(rng, *kernel, 2, 2)
    gradcheck(lambda x, w: ops.conv2d(x, w, **options), [x, weight], rng=rng, num_directions=1, tolerance=1e-5)


def test_no_gradient_for_an_input_without_requires_grad(rng):
    x, w = Tensor(draw(rng, 1, 4, 4, 2)), Tensor(draw(rng, 3, 3, 2, 2), requires_grad=True)
    ops.sum(ops.conv2d(x, w)).backward()
    assert x.grad is None
    assert w.grad is not None


def test_float32_stays_float32(rng):
    x, w = (Tensor(draw(rng, *s, dtype=np.float32), requires_grad=True) for s in [(1, 4, 20, 2), (3, 3, 2, 2)])
    y = ops.conv2d(x, w, padding=1)
    ops.sum(y).backward()
    assert {a.dtype for a in (y.data, x.grad, w.grad)} == {np.dtype(np.float32)}


@pytest.mark.parity
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2}, {"stride": 3, "padding": 2}])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (3, 1)])
def test_conv2d_equals_pytorch(kernel, options, torch, rng):
    def channels_first(x, w):
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), **options)
        return y.permute(0, 2, 3, 1)

    x, w, _ = draw_arguments(rng, (2, 9, 21, 3), kernel, 4, **options)
    assert_parity(torch, lambda x, w: ops.conv2d(x, w, **options), channels_first, [x, w], rng)


# Errors


@pytest.mark.parametrize("conv2d", [plain.conv2d, dispatch.conv2d])
@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        ((1, 5, 5, 3), (3, 3, 2, 4), {}, r"\(1, 5, 5, 3\) and \(3, 3, 2, 4\)"),
        ((5, 5, 3), (3, 3, 3, 4), {}, r"expected x \(N, H, W, C\)"),
        ((1, 5, 5, 3), (3, 3, 3), {}, r"w \(KH, KW, C / groups, O\)"),
        ((1, 2, 5, 3), (3, 3, 3, 4), {}, "a kernel of 3 .* does not fit a size of 2"),
        ((1, 5, 5, 3), (3, 3, 3, 4), {"stride": 0}, "stride 0"),
        ((1, 5, 5, 3), (3, 3, 3, 4), {"padding": -1}, "padding -1"),
    ],
)
def test_incompatible_shapes(conv2d, x, w, options, message):
    with pytest.raises(ShapeError, match=message):
        conv2d(np.ones(x), np.ones(w), **options)


def test_mixed_dtypes():
    with pytest.raises(ShapeError, match="x float64 and w float32"):
        ops.conv2d(Tensor(np.ones((1, 3, 3, 1))), Tensor(np.ones((1, 1, 1, 1), np.float32)))
