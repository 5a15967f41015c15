"""Convolutions with gaps, in groups, and along one line.

Dilation lets the taps of a kernel stand apart, so that it looks further with the same weights. A pair (height,
width) treats time and frequency differently. Groups cut the channels into runs that do not see each other; for
quaternions a run is one of whole quaternions, so that each of the four blocks r|i|j|k is cut. A signal is an
image of height one. All of this is one plain form, patches times weights, compared here with loops; and a
quaternion on the right still goes straight through, whatever the gaps and groups.
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

from quatnet import Tensor, ops, threads
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, on_gpu, xp
from quatnet.conv import dispatch, plain
from quatnet.conv.im2col import col2im, im2col, output_size, pair, single
from quatnet.errors import ConfigError, ShapeError

kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))
options = options_of("stride", "padding", "dilation")
groups = st.integers(1, 3)
EVERYTHING = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}


def assume_fit(x, kernel, chosen):
    assume(min(oracles.output_size(x, kernel, *(chosen[name] for name in ("stride", "padding", "dilation")))) > 0)


# By hand


def test_a_kernel_with_gaps_reaches_further():
    # taps 1 and 10, two apart, on 1 2 3 4 5: 1·1 + 10·3 = 31, 1·2 + 10·4 = 42, 1·3 + 10·5 = 53
    x, w = xp.arange(1.0, 6).reshape(1, 1, 5, 1), xp.asarray([1.0, 10]).reshape(1, 2, 1, 1)
    assert_close(ops.conv2d(Tensor(x), Tensor(w), dilation=2).data.ravel(), [31, 42, 53])
    assert_close(ops.conv1d(Tensor(x[:, 0]), Tensor(w[0]), dilation=2).data.ravel(), [31, 42, 53])


def test_a_pair_means_height_and_width():
    # 1 2 3 / 4 5 6 / 7 8 9 by a single tap: every second row, every pixel of it, one zero left and right
    x, w = xp.arange(1.0, 10).reshape(1, 3, 3, 1), xp.ones((1, 1, 1, 1))
    y = ops.conv2d(Tensor(x), Tensor(w), stride=(2, 1), padding=(0, 1)).data
    assert_close(y[0, :, :, 0], [[0, 1, 2, 3, 0], [0, 7, 8, 9, 0]])


def test_the_filters_of_a_group_see_its_channels_only():
    # channels 1 2 | 3 4, filters (10, 100) | (1000, 10000): 1·10 + 2·100 = 210 and 3·1000 + 4·10000 = 43000
    x = xp.asarray([1.0, 2, 3, 4]).reshape(1, 1, 1, 4)
    w = xp.asarray([[10.0, 1000], [100, 10000]]).reshape(1, 1, 2, 2)
    assert_close(ops.conv2d(Tensor(x), Tensor(w), groups=2).data.ravel(), [210, 43000])


def test_a_group_of_quaternions_is_cut_from_every_block():
    # r r i i j j k k; filter 0 is i on quaternion 0 = 1 + 2i + 3j + 4k: -2 + 1i - 4j + 3k;
    # filter 1 is 2 on quaternion 1 = 10 + 20i + 30j + 40k
    x = xp.asarray([1.0, 10, 2, 20, 3, 30, 4, 40]).reshape(1, 1, 1, 8)
    w = xp.zeros((4, 1, 1, 1, 2))
    w[1, 0, 0, 0, 0], w[0, 0, 0, 0, 1] = 1, 2
    y = ops.quaternion_conv2d(Tensor(x), Tensor(w), groups=2).data
    assert_close(y.ravel(), [-2, 20, 1, 40, -4, 60, 3, 80])


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "expected"),
    [(5, 2, 1, 0, 2, 3), (5, 3, 1, 0, 2, 1), (9, 3, 2, 1, 3, 3), (1, 3, 1, 2, 2, 1)],
)
def test_output_sizes_with_gaps_by_hand(size, kernel, stride, padding, dilation, expected):
    assert output_size(size, kernel, stride, padding, dilation) == expected  # reach = dilation (kernel - 1) + 1


# Against loops


@given(seeds, st.integers(0, 2), kernels, options, groups, st.integers(1, 2), st.integers(1, 2))
def test_the_plain_form_is_a_loop_for_all_options(seed, n, kernel, chosen, g, c, o):
    assume_fit((4, 6), kernel, chosen)
    x, w = draw(seed, n, 4, 6, g * c), draw(seed + 1, *kernel, c, g * o)
    expected = oracles.conv2d(asnumpy(x), asnumpy(w), **chosen, groups=g)
    assert_close(plain.conv2d(x, w, **chosen, groups=g), expected)
    assert_close(ops.conv2d(Tensor(x), Tensor(w), **chosen, groups=g).data, expected)


@given(seeds, kernels, options, groups, st.integers(1, 2), st.integers(1, 2))
def test_the_quaternion_form_is_a_loop_of_hamilton_products_for_all_options(seed, kernel, chosen, g, c, o):
    assume_fit((3, 5), kernel, chosen)
    x, w = draw(seed, 1, 3, 5, 4 * g * c), draw(seed + 1, 4, *kernel, c, g * o)
    expected = oracles.quaternion_conv2d(asnumpy(x), asnumpy(w), **chosen, groups=g)
    assert_close(ops.quaternion_conv2d(Tensor(x), Tensor(w), **chosen, groups=g).data, expected)


@given(seeds, st.integers(1, 3), *[st.integers(1, 2)] * 3, st.integers(0, 2), groups)
def test_a_signal_is_an_image_of_height_one(seed, kernel, c, o, dilation, padding, g):
    chosen = {"stride": 2, "dilation": dilation, "groups": g}
    x, w = draw(seed, 2, 7, g * c), draw(seed + 1, kernel, c, g * o)
    expected = oracles.conv2d(asnumpy(x)[:, None], asnumpy(w)[None], padding=(0, padding), **chosen)[:, 0]
    assert_close(ops.conv1d(Tensor(x), Tensor(w), padding=padding, **chosen).data, expected)
    x, w = draw(seed, 2, 7, 4 * g * c), draw(seed + 1, 4, kernel, c, g * o)
    expected = oracles.quaternion_conv2d(asnumpy(x)[:, None], asnumpy(w)[:, None], padding=(0, padding), **chosen)
    assert_close(ops.quaternion_conv1d(Tensor(x), Tensor(w), padding=padding, **chosen).data, expected[:, 0])


@given(seeds, kernels, options)
def test_im2col_and_col2im_are_adjoint_for_all_options(seed, kernel, chosen):
    assume_fit((4, 6), kernel, chosen)
    x = draw(seed, 2, 4, 6, 3)
    rows = im2col(x, kernel, **chosen)
    r = draw(seed + 1, *rows.shape)
    assert_close(dot(rows, r), dot(x, col2im(r, x.shape, kernel, **chosen)))


# A batch in pieces, and the fast engine


@pytest.mark.parametrize(
    "chosen",
    [
        EVERYTHING,
        {**EVERYTHING, "groups": 2},
        {"dilation": 2},
        {"groups": 2},
        {"stride": (1, 2)},
        {"padding": (0, 1)},
        {},
    ],
)
def test_a_few_clips_at_a_time_give_what_all_at_once_give(chosen, monkeypatch, rng):
    monkeypatch.setattr(threads, "CACHE_BYTES", 1)  # a piece for every clip
    x, w = draw(rng, 5, 6, 20, 4), draw(rng, 3, 2, 4 // chosen.get("groups", 1), 2)
    y = dispatch.conv2d(x, w, **chosen)
    assert_close(y, plain.conv2d(x, w, **chosen))
    g = draw(rng, *y.shape)
    found = dispatch.conv2d_input_gradient(g, w, x.shape, **chosen)
    assert_close(found, plain.conv2d_input_gradient(g, w, x.shape, **chosen))
    found = dispatch.conv2d_weight_gradient(x, g, (3, 2), **chosen)
    assert_close(found, plain.conv2d_weight_gradient(x, g, (3, 2), **chosen))


@pytest.mark.skipif(on_gpu(), reason="a GPU takes every array whole")
def test_patches_of_a_piece_are_counted_with_a_pencil(monkeypatch):
    # 3 x 5 pixels out, 2 x 2 taps, 6 channels of 8 bytes: 15 · 4 · 48 = 2880 bytes of patches a clip; two fit
    monkeypatch.setattr(threads, "CACHE_BYTES", 2 * 2880)
    x, y = np.zeros((5, 4, 6, 6)), np.zeros((5, 3, 5, 1))
    assert dispatch._clips(x, y, (2, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]


@pytest.mark.skipif(on_gpu(), reason="the fast forms are NumPy's")
def test_what_the_fast_engine_can_do_it_does():
    assert dispatch.fast_options((2, 1), 1, (1, 1)) == ((2, 1), (1, 1))
    assert dispatch.fast_options(1, 1, (1, 2)) is None


def test_the_fast_engine_knows_nothing_of_gaps_and_quaternion_groups_and_is_not_asked(rng):
    x, w = draw(rng, 1, 5, 6, 16), draw(rng, 4, 2, 2, 2, 4)
    for chosen in ({**EVERYTHING, "groups": 2}, {"groups": 2}):
        expected = oracles.quaternion_conv2d(asnumpy(x), asnumpy(w), **chosen)
        assert_close(ops.quaternion_conv2d(Tensor(x), Tensor(w), **chosen).data, expected)


# The law


@given(seeds, quaternions(), options, st.integers(1, 2))
def test_a_quaternion_on_the_right_goes_through_gaps_and_groups(seed, q, chosen, g):
    assume_fit((4, 5), (2, 3), chosen)
    x, w = draw(seed, 1, 4, 5, 16), Tensor(draw(seed + 1, 4, 2, 3, 4 // g, 2))
    y = ops.quaternion_conv2d(Tensor(x), w, **chosen, groups=g).data
    assert_close(ops.quaternion_conv2d(Tensor(times(x, q)), w, **chosen, groups=g).data, times(y, q), atol=1e-9)


@given(seeds, quaternions())
def test_a_quaternion_on_the_right_goes_through_a_convolution_of_a_signal(seed, q):
    x, w = draw(seed, 2, 7, 8), Tensor(draw(seed + 1, 4, 3, 2, 3))
    y = ops.quaternion_conv1d(Tensor(x), w, padding=1).data
    assert_close(ops.quaternion_conv1d(Tensor(times(x, q)), w, padding=1).data, times(y, q), atol=1e-9)


# Gradients


@given(seeds, kernels, options, groups)
def test_gradients_agree_with_difference_quotients_for_all_options(seed, kernel, chosen, g):
    assume_fit((4, 6), kernel, chosen)
    rng = np.random.default_rng(seed)
    arrays = [draw(rng, 2, 4, 6, 2 * g), draw(rng, *kernel, 2, 2 * g)]
    gradcheck(lambda x, w: ops.conv2d(x, w, **chosen, groups=g), arrays, rng=rng, directions=1, tolerance=1e-5)


@pytest.mark.parametrize("g", [1, 2])
def test_gradients_of_quaternion_convolutions_agree_with_difference_quotients(g, rng):
    arrays = [draw(rng, 2, 4, 6, 16), draw(rng, 4, 2, 3, 4 // g, 2)]
    gradcheck(lambda x, w: ops.quaternion_conv2d(x, w, **EVERYTHING, groups=g), arrays, rng=rng, tolerance=1e-5)
    arrays = [draw(rng, 2, 9, 16), draw(rng, 4, 3, 4 // g, 2)]
    signal = {"stride": 2, "padding": 1, "dilation": 2, "groups": g}
    gradcheck(lambda x, w: ops.quaternion_conv1d(x, w, **signal), arrays, rng=rng, tolerance=1e-5)


@pytest.mark.parametrize("chosen", [{}, {"padding": 2}, {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}])
def test_gradients_of_a_convolution_of_a_signal_agree_with_difference_quotients(chosen, rng):
    arrays = [draw(rng, 2, 18, 4), draw(rng, 3, 4 // chosen.get("groups", 1), 2)]
    gradcheck(lambda x, w: ops.conv1d(x, w, **chosen), arrays, rng=rng, tolerance=1e-5)


@pytest.mark.parametrize("chosen", [EVERYTHING, {"groups": 2}, {"dilation": 2, "groups": 4, "padding": 2}])
def test_float32_stays_float32(chosen, rng):
    g = chosen.get("groups", 1)
    for op, shape in [(ops.conv2d, (2, 2, 16 // g, 4)), (ops.quaternion_conv2d, (4, 2, 2, 4 // g, 4))]:
        x, w = (Tensor(draw(rng, *s, dtype=np.float32), requires_grad=True) for s in [(1, 4, 6, 16), shape])
        y = op(x, w, **chosen)
        ops.sum(y).backward()
        assert {a.dtype for a in (y.data, x.grad, w.grad)} == {np.dtype(np.float32)}


# PyTorch


@pytest.mark.parity
@pytest.mark.parametrize("chosen", [{**EVERYTHING, "groups": 2}, {"groups": 4}, {"dilation": 2}, {"padding": (0, 2)}])
def test_values_and_gradients_are_those_of_pytorch(chosen, torch, rng):
    def theirs(x, w):
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), **chosen)
        return y.permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 7, 8, 4), draw(rng, 2, 3, 4 // chosen.get("groups", 1), 8)]
    assert_parity(torch, lambda x, w: ops.conv2d(x, w, **chosen), theirs, arrays, rng)


@pytest.mark.parity
@pytest.mark.parametrize("chosen", [{}, {"padding": 1}, {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}])
def test_convolutions_of_a_signal_are_those_of_pytorch(chosen, torch, rng):
    def theirs(x, w):
        return torch.nn.functional.conv1d(x.permute(0, 2, 1), w.permute(2, 1, 0), **chosen).permute(0, 2, 1)

    arrays = [draw(rng, 2, 21, 4), draw(rng, 3, 4 // chosen.get("groups", 1), 6)]
    assert_parity(torch, lambda x, w: ops.conv1d(x, w, **chosen), theirs, arrays, rng)


@pytest.mark.parity
def test_quaternion_convolutions_with_gaps_are_those_of_pytorch_with_a_block_matrix_typed_out(torch, rng):
    def theirs(x, w):
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), block_matrix(torch, w), **EVERYTHING)
        return y.permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 6, 9, 8), draw(rng, 4, 3, 3, 2, 3)]
    assert_parity(torch, lambda x, w: ops.quaternion_conv2d(x, w, **EVERYTHING), theirs, arrays, rng)


# Mistakes


@pytest.mark.parametrize("wrong", [(1, 2, 3), (1,), 1.5, "same", (1, 0.5), None])
def test_an_option_that_is_no_number_and_no_pair_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"a whole number or a pair \(height, width\)"):
        pair(wrong)
    x, w = Tensor(np.ones((1, 5, 5, 1))), Tensor(np.ones((3, 3, 1, 1)))
    for name in ("stride", "padding", "dilation"):
        with pytest.raises(ConfigError, match="whole number"):
            ops.conv2d(x, w, **{name: wrong})


def test_a_signal_has_one_direction():
    assert single((2,)) == single(2) == 2
    x, w = Tensor(np.ones((1, 9, 4))), Tensor(np.ones((4, 3, 1, 1)))
    for name in ("stride", "padding", "dilation"):
        with pytest.raises(ConfigError, match="one direction of a signal"):
            ops.quaternion_conv1d(x, w, **{name: (1, 2)})
        with pytest.raises(ConfigError, match="one direction of a signal"):
            ops.conv1d(x, Tensor(np.ones((3, 4, 1))), **{name: (1, 2)})


@pytest.mark.parametrize(
    ("op", "x", "w", "chosen", "message"),
    [
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"groups": 2}, r"\(3, 3, 4, 2\) with groups 2"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 2, 3), {"groups": 2}, "filters in 2 equal groups, got 3"),
        (ops.conv2d, (1, 5, 5, 0), (3, 3, 4, 3), {"groups": 0}, "in 0 equal groups"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"dilation": 3}, "dilation 3 does not fit a size of 5"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"dilation": (1, 0)}, "dilation 0"),
        (ops.conv2d, (1, 5, 5, 4), (3, 0, 4, 2), {}, "a kernel of 0"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"stride": (1, 0)}, "stride 0"),
        (ops.conv2d, (1, 5, 5, 4), (3, 3, 4, 2), {"padding": (0, -1)}, "padding -1"),
        (ops.quaternion_conv2d, (1, 5, 5, 8), (4, 3, 3, 2, 2), {"groups": 2}, "with groups 2"),
        (ops.quaternion_conv2d, (1, 5, 5, 8), (4, 3, 3, 1, 3), {"groups": 2}, "filters in 2 equal groups, got 3"),
        (ops.conv1d, (1, 5, 5, 4), (3, 4, 2), {}, r"expected x \(N, L, C\)"),
        (ops.conv1d, (1, 5, 4), (1, 3, 4, 2), {}, r"w \(K, C / groups, O\)"),
        (ops.conv1d, (1, 5, 4), (3, 4, 2), {"padding": -1}, "padding of at least 0"),
        (ops.conv1d, (1, 2, 4), (3, 4, 2), {}, "does not fit a size of 2"),
        (ops.quaternion_conv1d, (1, 5, 4), (4, 1, 3, 1, 1), {}, r"w \(4, K, C / groups, O\)"),
        (ops.quaternion_conv1d, (1, 5, 4), (3, 3, 1, 1), {}, r"w \(4, KH, KW, C / groups, O\)"),
    ],
)
def test_shapes_that_do_not_fit_are_an_error_that_shows_them(op, x, w, chosen, message):
    with pytest.raises(ShapeError, match=message):
        op(Tensor(np.ones(x)), Tensor(np.ones(w)), **chosen)
