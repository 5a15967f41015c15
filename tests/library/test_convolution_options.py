"""Tests of the options of convolutions: dilation, (height, width) pairs, groups, and 1d convolutions.

Dilation increases the distance between the taps of a kernel, so that the receptive field grows with the same number of
weights. Groups split the channels into parts that are convolved separately. A group of a quaternion layer is a range of
quaternions, so each of the four blocks r|i|j|k is split. A 1d convolution is a 2d convolution of an image of height
one. The plain convolution supports all options and is compared with loops. Right multiplication by a quaternion
commutes with the convolution for all options.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, dot, draw
from support.parity import assert_parity
from support.right_multiplication import times
from support.strategies import options_of, quaternions, seeds
from support.torch_networks import block_matrix

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, on_gpu, xp
from quatnet.conv import dispatch, plain
from quatnet.conv.fast import direct, direct_gradients, im2col_conv
from quatnet.conv.im2col import col2im, im2col, output_size, pair, single
from quatnet.errors import ConfigError, ShapeError

kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))
any_options = options_of("stride", "padding", "dilation")
groups = st.integers(1, 3)
ALL_OPTIONS = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}


def assume_fit(x, kernel, options):
    assume(min(oracles.output_size(x, kernel, *(options[name] for name in ("stride", "padding", "dilation")))) > 0)


# Worked examples


def test_dilation_of_five_pixels():
    # The taps 1 and 10 are two pixels apart. On the row 1 2 3 4 5, the outputs are
    # 1·1 + 10·3 = 31, 1·2 + 10·4 = 42, 1·3 + 10·5 = 53.
    x, w = xp.arange(1.0, 6).reshape(1, 1, 5, 1), xp.asarray([1.0, 10]).reshape(1, 2, 1, 1)
    assert_close(ops.conv2d(Tensor(x), Tensor(w), dilation=2).data.ravel(), [31, 42, 53])
    assert_close(ops.conv1d(Tensor(x[:, 0]), Tensor(w[0]), dilation=2).data.ravel(), [31, 42, 53])


def test_pairs_are_height_and_width():
    # The kernel has one tap of weight 1. With stride (2, 1) and padding (0, 1), the output has every second row of the
    # image 1 2 3 / 4 5 6 / 7 8 9 and one zero at the left and right.
    x, w = xp.arange(1.0, 10).reshape(1, 3, 3, 1), xp.ones((1, 1, 1, 1))
    y = ops.conv2d(Tensor(x), Tensor(w), stride=(2, 1), padding=(0, 1)).data
    assert_close(y[0, :, :, 0], [[0, 1, 2, 3, 0], [0, 7, 8, 9, 0]])


def test_groups_of_channels():
    # Group 0 has the channels 1 2 and the filter (10, 100), so the output is 1·10 + 2·100 = 210.
    # Group 1 has the channels 3 4 and the filter (1000, 10000), so the output is 3·1000 + 4·10000 = 43000.
    x = xp.asarray([1.0, 2, 3, 4]).reshape(1, 1, 1, 4)
    w = xp.asarray([[10.0, 1000], [100, 10000]]).reshape(1, 1, 2, 2)
    assert_close(ops.conv2d(Tensor(x), Tensor(w), groups=2).data.ravel(), [210, 43000])


def test_groups_of_quaternions():
    # The channels are r r i i j j k k. Filter 0 is i, filter 1 is 2.
    # The product of i and quaternion 0 is i ⊗ (1 + 2i + 3j + 4k) = -2 + 1i - 4j + 3k.
    # The product of 2 and quaternion 1 is 2 (10 + 20i + 30j + 40k).
    x = xp.asarray([1.0, 10, 2, 20, 3, 30, 4, 40]).reshape(1, 1, 1, 8)
    w = xp.zeros((4, 1, 1, 1, 2))
    w[1, 0, 0, 0, 0], w[0, 0, 0, 0, 1] = 1, 2
    y = ops.quaternion_conv2d(Tensor(x), Tensor(w), groups=2).data
    assert_close(y.ravel(), [-2, 20, 1, 40, -4, 60, 3, 80])


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "expected"),
    [(5, 2, 1, 0, 2, 3), (5, 3, 1, 0, 2, 1), (9, 3, 2, 1, 3, 3), (1, 3, 1, 2, 2, 1)],
)
def test_output_size_with_dilation(size, kernel, stride, padding, dilation, expected):
    assert output_size(size, kernel, stride, padding, dilation) == expected


# Comparison with loops


@given(seeds, st.integers(0, 2), kernels, any_options, groups, st.integers(1, 2), st.integers(1, 2))
def test_conv2d_equals_loops_for_all_options(seed, n, kernel, options, g, c, o):
    assume_fit((4, 6), kernel, options)
    x, w = draw(seed, n, 4, 6, g * c), draw(seed + 1, *kernel, c, g * o)
    expected = oracles.conv2d(asnumpy(x), asnumpy(w), **options, groups=g)
    assert_close(plain.conv2d(x, w, **options, groups=g), expected)
    assert_close(ops.conv2d(Tensor(x), Tensor(w), **options, groups=g).data, expected)


@given(seeds, kernels, any_options, groups, st.integers(1, 2), st.integers(1, 2))
def test_quaternion_conv2d_equals_loops_for_all_options(seed, kernel, options, g, c, o):
    assume_fit((3, 5), kernel, options)
    x, w = draw(seed, 1, 3, 5, 4 * g * c), draw(seed + 1, 4, *kernel, c, g * o)
    expected = oracles.quaternion_conv2d(asnumpy(x), asnumpy(w), **options, groups=g)
    assert_close(ops.quaternion_conv2d(Tensor(x), Tensor(w), **options, groups=g).data, expected)


@given(seeds, st.integers(1, 3), *[st.integers(1, 2)] * 3, st.integers(0, 2), groups)
def test_conv1d_is_conv2d_of_height_one(seed, kernel, c, o, dilation, padding, g):
    options = {"stride": 2, "dilation": dilation, "groups": g}
    x, w = draw(seed, 2, 7, g * c), draw(seed + 1, kernel, c, g * o)
    expected = oracles.conv2d(asnumpy(x)[:, None], asnumpy(w)[None], padding=(0, padding), **options)[:, 0]
    assert_close(ops.conv1d(Tensor(x), Tensor(w), padding=padding, **options).data, expected)
    x, w = draw(seed, 2, 7, 4 * g * c), draw(seed + 1, 4, kernel, c, g * o)
    expected = oracles.quaternion_conv2d(asnumpy(x)[:, None], asnumpy(w)[:, None], padding=(0, padding), **options)
    assert_close(ops.quaternion_conv1d(Tensor(x), Tensor(w), padding=padding, **options).data, expected[:, 0])


@given(seeds, kernels, any_options)
def test_im2col_and_col2im_are_adjoint_for_all_options(seed, kernel, options):
    assume_fit((4, 6), kernel, options)
    x = draw(seed, 2, 4, 6, 3)
    rows = im2col(x, kernel, **options)
    r = draw(seed + 1, *rows.shape)
    assert_close(dot(rows, r), dot(x, col2im(r, x.shape, kernel, **options)))


# Slices of the batch, and the fast algorithms


@pytest.mark.parametrize(
    "options",
    [
        ALL_OPTIONS,
        {**ALL_OPTIONS, "groups": 2},
        {"dilation": 2},
        {"groups": 2},
        {"groups": 4, "dilation": 2},
        {"groups": 4, "stride": 2, "padding": 1},
        {"stride": (1, 2)},
        {"padding": (0, 1)},
        {},
    ],
)
def test_batch_slices_do_not_change_results(options, monkeypatch, rng):
    monkeypatch.setattr(im2col_conv, "PATCHES_BYTES", 1)  # each image is one slice
    groups = options.get("groups", 1)
    x, w = draw(rng, 5, 6, 20, 4), draw(rng, 3, 2, 4 // groups, max(2, groups))
    y = dispatch.conv2d(x, w, **options)
    assert_close(y, plain.conv2d(x, w, **options))
    grad = draw(rng, *y.shape)
    grad_x = dispatch.conv2d_input_gradient(grad, w, x.shape, **options)
    assert_close(grad_x, plain.conv2d_input_gradient(grad, w, x.shape, **options))
    grad_w = dispatch.conv2d_weight_gradient(x, grad, (3, 2), **options)
    assert_close(grad_w, plain.conv2d_weight_gradient(x, grad, (3, 2), **options))


@pytest.mark.skipif(on_gpu(), reason="a GPU uses other batch slices")
def test_batch_slices_fit_into_the_cache(monkeypatch):
    # The output has 3 x 5 pixels, and each pixel uses 2 x 2 taps of 6 channels with 8 bytes.
    # The patches of an image have 15 · 4 · 48 = 2880 bytes, so two images fit into the cache.
    monkeypatch.setattr(im2col_conv, "PATCHES_BYTES", 2 * 2880)
    assert im2col_conv.image_slices(4, (3, 5), np.zeros((1, 24, 1))) == [slice(0, 2), slice(2, 4)]


@pytest.mark.skipif(on_gpu(), reason="the fast algorithms need NumPy")
@given(seeds, kernels, any_options)
def test_direct_convolution_with_all_options(seed, kernel, options):
    assume_fit((4, 6), kernel, options)
    pairs = [pair(options[name]) for name in ("stride", "padding", "dilation")]
    x, w = draw(seed, 2, 4, 6, 3), draw(seed + 1, *kernel, 3, 2)
    y = plain.conv2d(x, w, **options)
    assert_close(direct.convolve(x, w[None], *pairs), y)
    grad = draw(seed + 2, *y.shape)
    grad_x = direct_gradients.input_gradient(grad, w[None], x.shape, *pairs)
    assert_close(grad_x, plain.conv2d_input_gradient(grad, w, x.shape, **options))
    grad_w = direct_gradients.weight_gradient(x, grad, (1, *w.shape), *pairs)[0]
    assert_close(grad_w, plain.conv2d_weight_gradient(x, grad, kernel, **options))


def test_dilation_and_groups_of_few_quaternion_channels(rng):
    x, w = draw(rng, 1, 5, 6, 16), draw(rng, 4, 2, 2, 2, 4)
    for options in ({**ALL_OPTIONS, "groups": 2}, {"groups": 2}):
        expected = oracles.quaternion_conv2d(asnumpy(x), asnumpy(w), **options)
        assert_close(ops.quaternion_conv2d(Tensor(x), Tensor(w), **options).data, expected)


@pytest.mark.parametrize("options", [{"dilation": 2, "padding": 2}, {"dilation": (1, 3), "stride": 2, "padding": 1}])
def test_dilation_with_eight_products(options, rng):
    x, w = draw(rng, 2, 7, 8, 64), draw(rng, 4, 2, 2, 16, 16)
    expected = oracles.quaternion_conv2d(asnumpy(x), asnumpy(w), **options)
    assert_close(ops.quaternion_conv2d(Tensor(x), Tensor(w), **options).data, expected, atol=1e-9)
    gradcheck(lambda x, w: ops.quaternion_conv2d(x, w, **options), [x, w], rng=rng)


# Equivariance: layer(x ⊗ q) = layer(x) ⊗ q


@given(seeds, quaternions(), any_options, st.integers(1, 2))
def test_equivariance_with_dilation_and_groups(seed, q, options, g):
    assume_fit((4, 5), (2, 3), options)
    x, w = draw(seed, 1, 4, 5, 16), Tensor(draw(seed + 1, 4, 2, 3, 4 // g, 2))
    y = ops.quaternion_conv2d(Tensor(x), w, **options, groups=g).data
    assert_close(ops.quaternion_conv2d(Tensor(times(x, q)), w, **options, groups=g).data, times(y, q), atol=1e-9)


@given(seeds, quaternions())
def test_equivariance_of_conv1d(seed, q):
    x, w = draw(seed, 2, 7, 8), Tensor(draw(seed + 1, 4, 3, 2, 3))
    y = ops.quaternion_conv1d(Tensor(x), w, padding=1).data
    assert_close(ops.quaternion_conv1d(Tensor(times(x, q)), w, padding=1).data, times(y, q), atol=1e-9)


# Gradients


@given(seeds, kernels, any_options, groups)
def test_conv2d_gradients_for_all_options(seed, kernel, options, g):
    assume_fit((4, 6), kernel, options)
    rng = np.random.default_rng(seed)
    arrays = [draw(rng, 2, 4, 6, 2 * g), draw(rng, *kernel, 2, 2 * g)]
    gradcheck(lambda x, w: ops.conv2d(x, w, **options, groups=g), arrays, rng=rng, num_directions=1, tolerance=1e-5)


@pytest.mark.parametrize("g", [1, 2])
def test_quaternion_convolution_gradients(g, rng):
    arrays = [draw(rng, 2, 4, 6, 16), draw(rng, 4, 2, 3, 4 // g, 2)]
    gradcheck(lambda x, w: ops.quaternion_conv2d(x, w, **ALL_OPTIONS, groups=g), arrays, rng=rng, tolerance=1e-5)
    arrays = [draw(rng, 2, 9, 16), draw(rng, 4, 3, 4 // g, 2)]
    signal = {"stride": 2, "padding": 1, "dilation": 2, "groups": g}
    gradcheck(lambda x, w: ops.quaternion_conv1d(x, w, **signal), arrays, rng=rng, tolerance=1e-5)


@pytest.mark.parametrize("options", [{}, {"padding": 2}, {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}])
def test_conv1d_gradients(options, rng):
    arrays = [draw(rng, 2, 18, 4), draw(rng, 3, 4 // options.get("groups", 1), 2)]
    gradcheck(lambda x, w: ops.conv1d(x, w, **options), arrays, rng=rng, tolerance=1e-5)


@pytest.mark.parametrize("options", [ALL_OPTIONS, {"groups": 2}, {"dilation": 2, "groups": 4, "padding": 2}])
def test_float32_stays_float32(options, rng):
    g = options.get("groups", 1)
    for op, shape in [(ops.conv2d, (2, 2, 16 // g, 4)), (ops.quaternion_conv2d, (4, 2, 2, 4 // g, 4))]:
        x, w = (Tensor(draw(rng, *s, dtype=np.float32), requires_grad=True) for s in [(1, 4, 6, 16), shape])
        y = op(x, w, **options)
        ops.sum(y).backward()
        assert {a.dtype for a in (y.data, x.grad, w.grad)} == {np.dtype(np.float32)}


# PyTorch


@pytest.mark.parity
@pytest.mark.parametrize("options", [{**ALL_OPTIONS, "groups": 2}, {"groups": 4}, {"dilation": 2}, {"padding": (0, 2)}])
def test_conv2d_agrees_with_pytorch(options, torch, rng):
    def torch_op(x, w):
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), **options)
        return y.permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 7, 8, 4), draw(rng, 2, 3, 4 // options.get("groups", 1), 8)]
    assert_parity(torch, lambda x, w: ops.conv2d(x, w, **options), torch_op, arrays, rng)


@pytest.mark.parity
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}])
def test_conv1d_agrees_with_pytorch(options, torch, rng):
    def torch_op(x, w):
        return torch.nn.functional.conv1d(x.permute(0, 2, 1), w.permute(2, 1, 0), **options).permute(0, 2, 1)

    arrays = [draw(rng, 2, 21, 4), draw(rng, 3, 4 // options.get("groups", 1), 6)]
    assert_parity(torch, lambda x, w: ops.conv1d(x, w, **options), torch_op, arrays, rng)


@pytest.mark.parity
def test_quaternion_conv2d_agrees_with_a_block_matrix_in_pytorch(torch, rng):
    def torch_op(x, w):
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), block_matrix(torch, w), **ALL_OPTIONS)
        return y.permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 6, 9, 8), draw(rng, 4, 3, 3, 2, 3)]
    assert_parity(torch, lambda x, w: ops.quaternion_conv2d(x, w, **ALL_OPTIONS), torch_op, arrays, rng)


# Errors


@pytest.mark.parametrize("value", [(1, 2, 3), (1,), 1.5, "same", (1, 0.5), None])
def test_options_must_be_ints_or_pairs(value):
    with pytest.raises(ConfigError, match=r"an int or a pair \(height, width\)"):
        pair(value)
    x, w = Tensor(np.ones((1, 5, 5, 1))), Tensor(np.ones((3, 3, 1, 1)))
    for name in ("stride", "padding", "dilation"):
        with pytest.raises(ConfigError, match="an int"):
            ops.conv2d(x, w, **{name: value})


def test_options_of_conv1d_are_single_numbers():
    assert single((2,)) == single(2) == 2
    x, w = Tensor(np.ones((1, 9, 4))), Tensor(np.ones((4, 3, 1, 1)))
    for name in ("stride", "padding", "dilation"):
        with pytest.raises(ConfigError, match="one int for a 1d convolution"):
            ops.quaternion_conv1d(x, w, **{name: (1, 2)})
        with pytest.raises(ConfigError, match="one int for a 1d convolution"):
            ops.conv1d(x, Tensor(np.ones((3, 4, 1))), **{name: (1, 2)})


@pytest.mark.parametrize(
    ("op", "x", "w", "options", "message"),
    [
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"groups": 2}, r"\(3, 3, 4, 2\) with groups 2"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 2, 3), {"groups": 2}, "filters divisible by groups=2, got 3"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"dilation": 3}, "dilation 3 does not fit a size of 5"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"dilation": (1, 0)}, "dilation 0"),
        (ops.conv2d, (1, 5, 5, 4), (3, 0, 4, 2), {}, "a kernel of 0"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"stride": (1, 0)}, "stride 0"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"padding": (0, -1)}, "padding -1"),
        (ops.quaternion_conv2d, (1, 5, 5, 8), (4, 3, 3, 2, 2), {"groups": 2}, "with groups 2"),
        (ops.quaternion_conv2d, (1, 5, 5, 8), (4, 3, 3, 1, 3), {"groups": 2}, "filters divisible by groups=2, got 3"),
        (ops.conv1d, (1, 5, 5, 4), (3, 4, 2), {}, r"expected x \(N, W, C\)"),
        (ops.conv1d, (1, 5, 4), (1, 3, 4, 2), {}, r"w \(KW, C / groups, O\)"),
        (ops.conv1d, (1, 5, 4), (3, 4, 2), {"padding": -1}, "padding -1"),
        (ops.conv1d, (1, 2, 4), (3, 4, 2), {}, "does not fit a size of 2"),
        (ops.quaternion_conv1d, (1, 5, 4), (4, 1, 3, 1, 1), {}, r"w \(4, KW, C / groups, O\)"),
        (ops.quaternion_conv1d, (1, 5, 4), (3, 3, 1, 1), {}, r"w \(4, KH, KW, C / groups, O\)"),
    ],
)
def test_incompatible_shapes(op, x, w, options, message):
    with pytest.raises(ShapeError, match=message):
        op(Tensor(np.ones(x)), Tensor(np.ones(w)), **options)
