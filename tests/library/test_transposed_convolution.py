"""Convolution the other way: from a small image to a large one.

A convolution with stride gathers many pixels into one. Transposed, each pixel is spread out again: it adds its
product with every tap to where that tap would have read it from. As a matrix the one is the transpose of the
other, which is why this op needs no arithmetic of its own: its forward is the input gradient of a convolution, and
its gradients are a convolution and a weight gradient. With quaternions the weight stays on the left, y = w ⊗ x, so
that a quaternion on the right goes through here as well; the true adjoint of a quaternion convolution takes w*.
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
from quatnet.backend import asnumpy, xp
from quatnet.conv import plain
from quatnet.conv.im2col import output_size, transposed_size
from quatnet.errors import ConfigError, ShapeError
from quatnet.quaternion import conjugate

kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))
options = options_of("stride", "padding", "dilation")
more = st.integers(0, 1)  # output padding
EVERYTHING = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (1, 2)}


def conv_transpose2d(x, w, **chosen):
    return ops.conv_transpose2d(Tensor(x), Tensor(w), **chosen).data


def quaternion_conv_transpose2d(x, w, **chosen):
    return ops.quaternion_conv_transpose2d(Tensor(x), Tensor(w), **chosen).data


def with_output_padding(chosen, extra):
    """As much of `extra` as the strides allow: less than they are, height and width."""
    return {**chosen, "output_padding": tuple(min(extra, stride - 1) for stride in oracles.as_pair(chosen["stride"]))}


def assume_something_is_left(size, kernel, chosen):
    names = ("stride", "padding", "output_padding", "dilation")
    assume(min(oracles.transposed_output_size(size, kernel, *(chosen[name] for name in names))) > 0)


# By hand


def test_pixels_are_spread_out_and_overlaps_add_up():
    # x = (1, 2), w = (10, 20, 30), stride 2: 10 20 30 . .  plus  . . 20 40 60  is  10 20 50 40 60
    x, w = xp.asarray([1.0, 2]).reshape(1, 1, 2, 1), xp.asarray([10.0, 20, 30]).reshape(1, 3, 1, 1)
    assert_close(conv_transpose2d(x, w, stride=2).ravel(), [10, 20, 50, 40, 60])
    # padding cuts the ends off, output padding lets the end grow again
    assert_close(conv_transpose2d(x, w, stride=2, padding=(0, 1)).ravel(), [20, 50, 40])
    assert_close(conv_transpose2d(x, w, stride=2, padding=(0, 1), output_padding=(0, 1))[0, 0, :, 0], [20, 50, 40, 60])


def test_channels_go_in_before_they_come_out():
    # w (KH, KW, C, O) as in conv2d: (1, 2) times the matrix 1 2 3 / 4 5 6 is (9, 12, 15)
    x, w = xp.asarray([1.0, 2]).reshape(1, 1, 1, 2), xp.arange(1.0, 7).reshape(1, 1, 2, 3)
    assert_close(conv_transpose2d(x, w).ravel(), [9, 12, 15])


def test_the_quaternion_weight_is_on_the_left():
    # (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k) = -60 + 12i + 30j + 24k, and twice that at the second tap
    x = xp.asarray([5.0, 6, 7, 8]).reshape(1, 1, 1, 4)
    w = xp.asarray([[1.0, 2, 3, 4], [2, 4, 6, 8]]).T.reshape(4, 1, 2, 1, 1)
    assert_close(quaternion_conv_transpose2d(x, w)[0, 0], [[-60, 12, 30, 24], [-120, 24, 60, 48]])


def test_a_size_that_was_rounded_down_comes_back():
    # kernel 3, stride 2, padding 1: both 7 and 8 pixels become 4, so that 4 become 7 or, padded, 8
    assert [output_size(size, 3, 2, 1) for size in (7, 8)] == [4, 4]
    assert [transposed_size(4, 3, 2, 1, extra) for extra in (0, 1)] == [7, 8]


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.data())
def test_the_transposed_size_is_one_that_the_convolution_takes_back(size, kernel, stride, padding, dilation, data):
    extra = data.draw(st.integers(0, stride - 1))
    assume((size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + extra > 0)
    whole = transposed_size(size, kernel, stride, padding, extra, dilation)
    assert output_size(whole, kernel, stride, padding, dilation) == size


# Against loops


@given(seeds, st.integers(0, 2), kernels, options, more, st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
def test_the_op_is_a_loop_for_all_options(seed, n, kernel, chosen, extra, g, c, o):
    chosen = with_output_padding(chosen, extra)
    assume_something_is_left((3, 4), kernel, chosen)
    x, w = draw(seed, n, 3, 4, g * c), draw(seed + 1, *kernel, c, g * o)
    expected = oracles.conv_transpose2d(asnumpy(x), asnumpy(w), **chosen, groups=g)
    assert_close(conv_transpose2d(x, w, **chosen, groups=g), expected)


@given(seeds, kernels, options, more, st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
def test_the_quaternion_op_is_a_loop_of_hamilton_products(seed, kernel, chosen, extra, g, c, o):
    chosen = with_output_padding(chosen, extra)
    assume_something_is_left((2, 3), kernel, chosen)
    x, w = draw(seed, 2, 2, 3, 4 * g * c), draw(seed + 1, 4, *kernel, c, g * o)
    expected = oracles.quaternion_conv_transpose2d(asnumpy(x), asnumpy(w), **chosen, groups=g)
    assert_close(quaternion_conv_transpose2d(x, w, **chosen, groups=g), expected)


@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_turning_a_kernel_twice_gives_it_back(seed, g, c, o):
    w = draw(seed, 2, 3, c, g * o)
    assert plain.transpose_channels(w, g).shape == (2, 3, o, g * c)
    assert_close(plain.transpose_channels(plain.transpose_channels(w, g), g), w)


# The laws


@given(seeds, st.integers(1, 2))
def test_it_is_the_adjoint_of_a_convolution(seed, g):
    # <conv(x, w), y> = <x, conv transposed(y, turned w)>
    chosen = {"stride": 2, "padding": 1, "dilation": (1, 2), "groups": g}
    x, w = draw(seed, 2, 6, 7, 2 * g), draw(seed + 1, 3, 2, 2, 3 * g)
    y = plain.conv2d(x, w, **chosen)
    z = draw(seed + 2, *y.shape)
    back = conv_transpose2d(z, plain.transpose_channels(w, g), **chosen, output_padding=(1, 0))
    assert_close(dot(y, z), dot(x, back))


def test_the_adjoint_of_a_quaternion_convolution_takes_the_conjugate(rng):
    # <w ⊗ x, y> = <x, w* ⊗ y>
    x, w = draw(rng, 2, 5, 7, 8), draw(rng, 4, 3, 3, 2, 3)
    y = ops.quaternion_conv2d(Tensor(x), Tensor(w), stride=2).data
    z = draw(rng, *y.shape)
    back = quaternion_conv_transpose2d(z, conjugate(w, axis=0).swapaxes(3, 4), stride=2)
    assert_close(dot(y, z), dot(x, back))


@given(seeds, quaternions(), st.integers(1, 2))
def test_a_quaternion_on_the_right_goes_through(seed, q, g):
    x, w = draw(seed, 1, 3, 4, 16), draw(seed + 1, 4, 2, 3, 4 // g, 2)
    y = quaternion_conv_transpose2d(x, w, **EVERYTHING, groups=g)
    assert_close(quaternion_conv_transpose2d(times(x, q), w, **EVERYTHING, groups=g), times(y, q), atol=1e-9)


# Gradients


@pytest.mark.parametrize("chosen", [{}, {"stride": 2, "padding": 1}, {**EVERYTHING, "groups": 2}])
def test_gradients_agree_with_difference_quotients(chosen, rng):
    g = chosen.get("groups", 1)
    arrays = [draw(rng, 2, 3, 4, 4), draw(rng, 3, 2, 4 // g, 6)]
    gradcheck(lambda x, w: ops.conv_transpose2d(x, w, **chosen), arrays, rng=rng, tolerance=1e-5)
    arrays = [draw(rng, 2, 3, 4, 16), draw(rng, 4, 3, 2, 4 // g, 2)]
    gradcheck(lambda x, w: ops.quaternion_conv_transpose2d(x, w, **chosen), arrays, rng=rng, tolerance=1e-5)


def test_an_image_that_needs_no_gradient_gets_none(rng):
    x, w = Tensor(draw(rng, 1, 4, 4, 2)), Tensor(draw(rng, 3, 3, 2, 2), requires_grad=True)
    ops.sum(ops.conv_transpose2d(x, w)).backward()
    assert x.grad is None
    assert w.grad is not None


@pytest.mark.parametrize(
    ("op", "shape"), [(ops.conv_transpose2d, (2, 2, 4, 4)), (ops.quaternion_conv_transpose2d, (4, 2, 2, 1, 3))]
)
def test_float32_stays_float32(op, shape, rng):
    x, w = (Tensor(draw(rng, *s, dtype=np.float32), requires_grad=True) for s in [(1, 3, 4, 4), shape])
    y = op(x, w, stride=2)
    ops.sum(y).backward()
    assert {a.dtype for a in (y.data, x.grad, w.grad)} == {np.dtype(np.float32)}


@pytest.mark.parity
@pytest.mark.parametrize("chosen", [{}, {"stride": 2, "padding": 1}, EVERYTHING, {**EVERYTHING, "groups": 2}])
def test_values_and_gradients_are_those_of_pytorch(chosen, torch, rng):
    # PyTorch keeps the kernel as (C, O/G, KH, KW): groups lie along the channels that come in
    g = chosen.get("groups", 1)

    def theirs(x, w):
        kh, kw, c, o = w.shape
        kernel = w.reshape(kh, kw, c, g, o // g).permute(3, 2, 4, 0, 1).reshape(g * c, o // g, kh, kw)
        return torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), kernel, **chosen).permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 4, 5, 4), draw(rng, 3, 2, 4 // g, 6)]
    assert_parity(torch, lambda x, w: ops.conv_transpose2d(x, w, **chosen), theirs, arrays, rng)


@pytest.mark.parity
def test_the_quaternion_op_is_that_of_pytorch_with_a_block_matrix_typed_out(torch, rng):
    def theirs(x, w):
        kernel = block_matrix(torch, w).transpose(0, 1)  # (4C, 4O, KH, KW)
        return torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), kernel, **EVERYTHING).permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 3, 4, 8), draw(rng, 4, 3, 2, 2, 3)]
    assert_parity(torch, lambda x, w: ops.quaternion_conv_transpose2d(x, w, **EVERYTHING), theirs, arrays, rng)


# Mistakes


@pytest.mark.parametrize(
    ("w", "chosen", "message"),
    [
        ((3, 3, 3, 2), {}, r"\(1, 3, 4, 4\) and \(3, 3, 3, 2\)"),
        ((3, 3, 4), {}, r"w \(KH, KW, C / groups, O\)"),
        ((3, 3, 2, 3), {"groups": 2}, "filters in 2 equal groups, got 3"),
        ((3, 3, 4, 2), {"output_padding": 1}, r"output padding 1 \(expected 0 to stride - 1\)"),
        ((3, 3, 4, 2), {"stride": 2, "output_padding": (0, 2)}, "output padding 2"),
        ((3, 3, 4, 2), {"output_padding": -1}, "output padding -1"),
        ((3, 3, 4, 2), {"stride": 0}, "stride 0"),
        ((3, 3, 4, 2), {"dilation": 0}, "dilation 0"),
        ((3, 3, 4, 2), {"padding": -1}, "padding -1"),
        ((1, 1, 4, 2), {"padding": 2}, "padding 2 .*does not spread a size of 3"),
    ],
)
def test_what_does_not_fit_is_an_error_that_shows_it(w, chosen, message):
    with pytest.raises(ShapeError, match=message.replace(" .*", ".*")):
        conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones(w), **chosen)


def test_mistakes_with_quaternions_and_with_options_are_named_too():
    with pytest.raises(ShapeError, match="four times the number of quaternion channels"):
        quaternion_conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((4, 3, 3, 2, 1)))
    with pytest.raises(ShapeError, match="x float64 and w float32"):
        quaternion_conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((4, 3, 3, 1, 1), np.float32))
    with pytest.raises(ConfigError, match="whole number"):
        conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((3, 3, 4, 1)), output_padding="same")
