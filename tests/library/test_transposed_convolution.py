"""Test transposed convolutions.

A transposed convolution multiplies each pixel by each tap, and adds the product to the output pixel that the tap reads
in the convolution. Its matrix is the transpose of the matrix of a convolution. The forward pass is the input gradient
of a convolution. The input gradient is a convolution, and the weight gradient is the weight gradient of a convolution.
A quaternion weight multiplies from the left, y = w ⊗ x, so the op commutes with right multiplication by a quaternion.
The adjoint of a quaternion convolution is a transposed convolution with the conjugate weight w*.
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
any_options = options_of("stride", "padding", "dilation")
output_paddings = st.integers(0, 1)
ALL_OPTIONS = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (1, 2)}


def conv_transpose2d(x, w, **options):
    return ops.conv_transpose2d(Tensor(x), Tensor(w), **options).data


def quaternion_conv_transpose2d(x, w, **options):
    return ops.quaternion_conv_transpose2d(Tensor(x), Tensor(w), **options).data


def with_output_padding(options, extra):
    """Return `options` with the output padding `extra` (height, width), limited to the stride minus 1."""
    return {**options, "output_padding": tuple(min(extra, stride - 1) for stride in oracles.as_pair(options["stride"]))}


def assume_positive_size(size, kernel, options):
    names = ("stride", "padding", "output_padding", "dilation")
    assume(min(oracles.transposed_output_size(size, kernel, *(options[name] for name in names))) > 0)


# Worked examples


def test_overlapping_products_are_added():
    # x = (1, 2), w = (10, 20, 30), stride 2:
    # 1 · w:  10 20 30  .  .
    # 2 · w:   .  . 20 40 60
    # sum:    10 20 50 40 60
    x, w = xp.asarray([1.0, 2]).reshape(1, 1, 2, 1), xp.asarray([10.0, 20, 30]).reshape(1, 3, 1, 1)
    assert_close(conv_transpose2d(x, w, stride=2).ravel(), [10, 20, 50, 40, 60])
    # padding crops the result at both ends, and output padding extends it at the end
    assert_close(conv_transpose2d(x, w, stride=2, padding=(0, 1)).ravel(), [20, 50, 40])
    assert_close(conv_transpose2d(x, w, stride=2, padding=(0, 1), output_padding=(0, 1))[0, 0, :, 0], [20, 50, 40, 60])


def test_channels_of_the_weight():
    # as in conv2d, the weight has shape (1, 1, input channels, output channels)
    # the row vector (1, 2) times the matrix [[1, 2, 3], [4, 5, 6]] is (9, 12, 15)
    x, w = xp.asarray([1.0, 2]).reshape(1, 1, 1, 2), xp.arange(1.0, 7).reshape(1, 1, 2, 3)
    assert_close(conv_transpose2d(x, w).ravel(), [9, 12, 15])


def test_quaternion_weight_multiplies_from_the_left():
    # (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k) = -60 + 12i + 30j + 24k; the weight of the second tap is doubled
    x = xp.asarray([5.0, 6, 7, 8]).reshape(1, 1, 1, 4)
    w = xp.asarray([[1.0, 2, 3, 4], [2, 4, 6, 8]]).T.reshape(4, 1, 2, 1, 1)
    assert_close(quaternion_conv_transpose2d(x, w)[0, 0], [[-60, 12, 30, 24], [-120, 24, 60, 48]])


def test_output_padding_selects_the_size():
    # a convolution with kernel size 3, stride 2 and padding 1 maps 7 and 8 pixels to 4 pixels
    # the transposed convolution maps 4 pixels to 7 pixels, or to 8 pixels with output padding
    assert [output_size(size, 3, 2, 1) for size in (7, 8)] == [4, 4]
    assert [transposed_size(4, 3, 2, 1, extra) for extra in (0, 1)] == [7, 8]


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.data())
def test_output_size_inverts_transposed_size(size, kernel, stride, padding, dilation, data):
    extra = data.draw(st.integers(0, stride - 1))
    assume((size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + extra > 0)
    full = transposed_size(size, kernel, stride, padding, extra, dilation)
    assert output_size(full, kernel, stride, padding, dilation) == size


# Comparison with loops


@given(
    seeds,
    st.integers(0, 2),
    kernels,
    any_options,
    output_paddings,
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(1, 2),
)
def test_conv_transpose2d_is_a_loop_for_all_options(seed, n, kernel, options, extra, g, c, o):
    options = with_output_padding(options, extra)
    assume_positive_size((3, 4), kernel, options)
    x, w = draw(seed, n, 3, 4, g * c), draw(seed + 1, *kernel, c, g * o)
    expected = oracles.conv_transpose2d(asnumpy(x), asnumpy(w), **options, groups=g)
    assert_close(conv_transpose2d(x, w, **options, groups=g), expected)


@given(seeds, kernels, any_options, output_paddings, st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
def test_quaternion_conv_transpose2d_is_a_loop_for_all_options(seed, kernel, options, extra, g, c, o):
    options = with_output_padding(options, extra)
    assume_positive_size((2, 3), kernel, options)
    x, w = draw(seed, 2, 2, 3, 4 * g * c), draw(seed + 1, 4, *kernel, c, g * o)
    expected = oracles.quaternion_conv_transpose2d(asnumpy(x), asnumpy(w), **options, groups=g)
    assert_close(quaternion_conv_transpose2d(x, w, **options, groups=g), expected)


@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_transpose_channels_twice_is_the_identity(seed, g, c, o):
    w = draw(seed, 2, 3, c, g * o)
    assert plain.transpose_channels(w, g).shape == (2, 3, o, g * c)
    assert_close(plain.transpose_channels(plain.transpose_channels(w, g), g), w)


# Adjoint and equivariance


@given(seeds, st.integers(1, 2))
def test_adjoint_of_a_convolution(seed, g):
    # for all x and z, <conv(x, w), z> = <x, conv_transpose(z, w with transposed channels)>
    options = {"stride": 2, "padding": 1, "dilation": (1, 2), "groups": g}
    x, w = draw(seed, 2, 6, 7, 2 * g), draw(seed + 1, 3, 2, 2, 3 * g)
    y = plain.conv2d(x, w, **options)
    z = draw(seed + 2, *y.shape)
    transposed = conv_transpose2d(z, plain.transpose_channels(w, g), **options, output_padding=(1, 0))
    assert_close(dot(y, z), dot(x, transposed))


def test_adjoint_of_a_quaternion_convolution(rng):
    # for all x and z, <w ⊗ x, z> = <x, w* ⊗ z>
    x, w = draw(rng, 2, 5, 7, 8), draw(rng, 4, 3, 3, 2, 3)
    y = ops.quaternion_conv2d(Tensor(x), Tensor(w), stride=2).data
    z = draw(rng, *y.shape)
    transposed = quaternion_conv_transpose2d(z, conjugate(w, axis=0).swapaxes(3, 4), stride=2)
    assert_close(dot(y, z), dot(x, transposed))


@given(seeds, quaternions(), st.integers(1, 2))
def test_equivariance_to_right_multiplication(seed, q, g):
    x, w = draw(seed, 1, 3, 4, 16), draw(seed + 1, 4, 2, 3, 4 // g, 2)
    y = quaternion_conv_transpose2d(x, w, **ALL_OPTIONS, groups=g)
    assert_close(quaternion_conv_transpose2d(times(x, q), w, **ALL_OPTIONS, groups=g), times(y, q), atol=1e-9)


# Gradients


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {**ALL_OPTIONS, "groups": 2}])
def test_gradients(options, rng):
    g = options.get("groups", 1)
    arrays = [draw(rng, 2, 3, 4, 4), draw(rng, 3, 2, 4 // g, 6)]
    gradcheck(lambda x, w: ops.conv_transpose2d(x, w, **options), arrays, rng=rng, tolerance=1e-5)
    arrays = [draw(rng, 2, 3, 4, 16), draw(rng, 4, 3, 2, 4 // g, 2)]
    gradcheck(lambda x, w: ops.quaternion_conv_transpose2d(x, w, **options), arrays, rng=rng, tolerance=1e-5)


def test_no_gradient_for_an_input_without_requires_grad(rng):
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
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, ALL_OPTIONS, {**ALL_OPTIONS, "groups": 2}])
def test_equals_pytorch(options, torch, rng):
    # in PyTorch the weight has shape (C, O/G, KH, KW), with G groups of the C input and O output channels
    g = options.get("groups", 1)

    def torch_op(x, w):
        kh, kw, c, o = w.shape
        kernel = w.reshape(kh, kw, c, g, o // g).permute(3, 2, 4, 0, 1).reshape(g * c, o // g, kh, kw)
        return torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), kernel, **options).permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 4, 5, 4), draw(rng, 3, 2, 4 // g, 6)]
    assert_parity(torch, lambda x, w: ops.conv_transpose2d(x, w, **options), torch_op, arrays, rng)


@pytest.mark.parity
def test_quaternion_op_agrees_with_a_block_matrix_in_pytorch(torch, rng):
    def torch_op(x, w):
        kernel = block_matrix(torch, w).transpose(0, 1)  # (4C, 4O, KH, KW)
        return torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), kernel, **ALL_OPTIONS).permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 3, 4, 8), draw(rng, 4, 3, 2, 2, 3)]
    assert_parity(torch, lambda x, w: ops.quaternion_conv_transpose2d(x, w, **ALL_OPTIONS), torch_op, arrays, rng)


# Errors


@pytest.mark.parametrize(
    ("w", "options", "message"),
    [
        ((3, 3, 3, 2), {}, r"\(1, 3, 4, 4\) and \(3, 3, 3, 2\)"),
        ((3, 3, 4), {}, r"w \(KH, KW, C / groups, O\)"),
        ((3, 3, 2, 3), {"groups": 2}, "filters divisible by groups=2, got 3"),
        ((3, 3, 4, 2), {"output_padding": 1}, r"output padding 1 \(expected 0 to stride - 1\)"),
        ((3, 3, 4, 2), {"stride": 2, "output_padding": (0, 2)}, "output padding 2"),
        ((3, 3, 4, 2), {"output_padding": -1}, "output padding -1"),
        ((3, 3, 4, 2), {"stride": 0}, "stride 0"),
        ((3, 3, 4, 2), {"dilation": 0}, "dilation 0"),
        ((3, 3, 4, 2), {"padding": -1}, "padding -1"),
        ((1, 1, 4, 2), {"padding": 2}, "padding 2 .*does not fit a size of 3"),
    ],
)
def test_incompatible_shapes(w, options, message):
    with pytest.raises(ShapeError, match=message.replace(" .*", ".*")):
        conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones(w), **options)


def test_errors_of_quaternions_and_options():
    with pytest.raises(ShapeError, match="four times the number of quaternion channels"):
        quaternion_conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((4, 3, 3, 2, 1)))
    with pytest.raises(ShapeError, match="x float64 and w float32"):
        quaternion_conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((4, 3, 3, 1, 1), np.float32))
    with pytest.raises(ConfigError, match="an int"):
        conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((3, 3, 4, 1)), output_padding="same")
