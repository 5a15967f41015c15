"""Tests of the quaternion convolution.

Four real channels of an image are one quaternion. The real channels are ordered in blocks r|i|j|k. The weights are
quaternions w that multiply the input x from the left: y = Σ w ⊗ x. The reference is a loop with one Hamilton product
per tap and channel. A faster algorithm replaces each w by its 4x4 matrix. The result is a real convolution in which
each weight occurs four times. Because w multiplies from the left, right multiplication by a quaternion q commutes with
the layer: layer(x ⊗ q) = layer(x) ⊗ q.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, dot, draw
from support.parity import assert_parity
from support.right_multiplication import times
from support.strategies import quaternions, seeds
from support.torch_networks import block_matrix

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.conv import eight_products as eight_products_conv
from quatnet.conv import plain
from quatnet.errors import ShapeError
from quatnet.nn import Conv2d, Linear, QuaternionConv2d, QuaternionLinear
from quatnet.ops.quaternion_blocks import block_weight
from quatnet.quaternion import eight_products, left_matrix_adjoint

small = st.integers(1, 2)
kernels = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3]))
strides_and_paddings = st.fixed_dictionaries({"stride": st.integers(1, 2), "padding": st.integers(0, 2)})


def quaternion_conv2d(x, w, **options):
    return ops.quaternion_conv2d(Tensor(x), Tensor(w), **options).data


def quaternion_linear(x, w, bias):
    return ops.quaternion_linear(Tensor(x), Tensor(w), Tensor(bias)).data


# Worked examples


def test_one_pixel_and_one_tap_are_one_hamilton_product():
    # This is the product (1 + 2i + 3j + 4k)(5 + 6i + 7j + 8k) = -60 + 12i + 30j + 24k of test_01_quaternions.
    x = xp.asarray([5.0, 6, 7, 8]).reshape(1, 1, 1, 4)
    w = xp.asarray([1.0, 2, 3, 4]).reshape(4, 1, 1, 1, 1)
    assert_close(quaternion_conv2d(x, w).ravel(), [-60, 12, 30, 24])
    assert_close(quaternion_linear(x.reshape(1, 4), w.reshape(4, 1, 1), xp.ones(4)).ravel(), [-59, 13, 31, 25])


def test_channels_are_in_blocks():
    # Two quaternion channels have the real channels r r i i j j k k.
    # The weight i on channel 0 maps r -> i, i -> -r, j -> k, k -> -j.
    x = xp.asarray([1.0, 10, 2, 20, 3, 30, 4, 40]).reshape(1, 1, 1, 8)
    w = xp.zeros((4, 1, 1, 2, 1))
    w[1, 0, 0, 0, 0] = 1
    assert_close(quaternion_conv2d(x, w).ravel(), [-2, 1, -4, 3])


def test_block_weight_of_one_tap():
    # Rows are input channels and columns are output channels, so the block weight is the transpose of L(w).
    w = xp.asarray([1.0, 2, 3, 4]).reshape(4, 1, 1, 1, 1)
    expected = [[1, 2, 3, 4], [-2, 1, 4, -3], [-3, -4, 1, 2], [-4, 3, -2, 1]]
    assert_close(plain.quaternion_to_real_kernel(w)[0, 0], expected)


def test_quaternion_layers_have_a_quarter_of_the_weights(rng):
    for real, quaternion in [
        (Conv2d(8, 12, rng=rng).weight, QuaternionConv2d(8, 12, rng=rng).weight),
        (Linear(8, 12, rng=rng).weight, QuaternionLinear(8, 12, rng=rng).weight),
    ]:
        assert 4 * quaternion.data.size == real.data.size


# Comparison with loops


@given(seeds, st.integers(0, 2), st.integers(1, 4), st.integers(1, 4), small, small, kernels, strides_and_paddings)
def test_convolution_equals_loop_of_hamilton_products(seed, n, h, w, c, o, kernel, options):
    assume(min(h - kernel[0], w - kernel[1]) + 2 * options["padding"] >= 0)
    rng = np.random.default_rng(seed)
    x, weight = draw(rng, n, h, w, 4 * c), draw(rng, 4, *kernel, c, o)
    expected = oracles.quaternion_conv2d(asnumpy(x), asnumpy(weight), **options)
    assert_close(quaternion_conv2d(x, weight, **options), expected)


@given(seeds, st.integers(1, 3), small, small)
def test_linear_equals_loop_of_hamilton_products(seed, n, c, o):
    rng = np.random.default_rng(seed)
    x, w, bias = draw(rng, n, 4 * c), draw(rng, 4, c, o), draw(rng, 4 * o)
    pixel, taps = asnumpy(x).reshape(n, 1, 1, 4 * c), asnumpy(w)[:, None, None]
    expected = oracles.quaternion_conv2d(pixel, taps).reshape(n, 4 * o) + asnumpy(bias)
    assert_close(quaternion_linear(x, w, bias), expected)


def test_real_convolution_with_the_block_weight(rng):
    x, w = draw(rng, 2, 5, 18, 8), draw(rng, 4, 3, 3, 2, 3)
    y = quaternion_conv2d(x, w, padding=1)
    assert_close(y, plain.conv2d(x, plain.quaternion_to_real_kernel(w), padding=1))


def test_eight_products_of_kernels_and_images(rng):
    # The product with eight multiplications (test_02_product_as_a_matrix) is 8 convolutions of C/4 channels.
    x, w = draw(rng, 2, 5, 6, 4, 3), draw(rng, 4, 3, 3, 3, 2)
    calls = []

    def convolution(kernel, image):
        calls.append(kernel.shape)
        return plain.conv2d(image, kernel, padding=1)

    y = eight_products(w, xp.moveaxis(x, 3, 0), convolution)  # the shape is (4, N, H, W, O)
    expected = quaternion_conv2d(x.reshape(2, 5, 6, 12), w, padding=1).reshape(2, 5, 6, 4, 2)
    assert_close(xp.moveaxis(y, 0, 3), expected)
    assert calls == [(3, 3, 3, 2)] * 8


# Equivariance: layer(x ⊗ q) = layer(x) ⊗ q


@given(seeds, quaternions(), strides_and_paddings)
def test_equivariance_of_the_convolution(seed, q, options):
    rng = np.random.default_rng(seed)
    x, w = draw(rng, 1, 4, 5, 8), draw(rng, 4, 3, 3, 2, 2)
    assert_close(quaternion_conv2d(times(x, q), w, **options), times(quaternion_conv2d(x, w, **options), q), atol=1e-9)


@given(seeds, quaternions())
def test_equivariance_of_the_linear_layer(seed, q):
    rng = np.random.default_rng(seed)
    x, w, bias = draw(rng, 3, 8), draw(rng, 4, 2, 3), draw(rng, 12)
    y = quaternion_linear(times(x, q), w, times(bias, q))
    assert_close(y, times(quaternion_linear(x, w, bias), q), atol=1e-9)


def test_real_convolution_is_not_equivariant(rng):
    x, w, q = draw(rng, 1, 4, 5, 8), draw(rng, 3, 3, 8, 8), draw(rng, 4)
    difference = plain.conv2d(times(x, q), w) - times(plain.conv2d(x, w), q)
    assert float(xp.abs(difference).max()) > 1


# Gradients


@given(seeds, kernels, strides_and_paddings)
def test_convolution_gradients(seed, kernel, options):
    rng = np.random.default_rng(seed)
    x, w = draw(rng, 2, 4, 5, 8), draw(rng, 4, *kernel, 2, 3)
    gradcheck(lambda x, w: ops.quaternion_conv2d(x, w, **options), [x, w], rng=rng, num_directions=1, tolerance=1e-5)


def test_convolution_gradients_of_a_wide_image(rng):
    x, w = draw(rng, 1, 4, 20, 8), draw(rng, 4, 3, 3, 2, 1)
    gradcheck(lambda x, w: ops.quaternion_conv2d(x, w, padding=1), [x, w], rng=rng, tolerance=1e-5)


@given(seeds, small, small)
def test_linear_gradients(seed, c, o):
    rng = np.random.default_rng(seed)
    arrays = [draw(rng, 3, 4 * c), draw(rng, 4, c, o), draw(rng, 4 * o)]
    gradcheck(ops.quaternion_linear, arrays, rng=rng, num_directions=1)


@given(seeds, kernels, small, small)
def test_gradient_of_the_block_weight(seed, kernel, c, o):
    rng = np.random.default_rng(seed)
    w, grad = draw(rng, 4, *kernel, c, o), draw(rng, *kernel, 4 * c, 4 * o)
    tensor = Tensor(w, requires_grad=True)
    block_weight(tensor).backward(grad)
    assert_close(dot(plain.quaternion_to_real_kernel(w), grad), dot(w, tensor.grad))
    # Each component of w occurs four times in the block weight. The adjoint multiplies by the same signs, so the
    # adjoint maps the block weight to 4 w.
    second = Tensor(w, requires_grad=True)
    block_weight(second).backward(plain.quaternion_to_real_kernel(w))
    assert_close(second.grad, 4 * w)


def test_float32_stays_float32(rng):
    layer = QuaternionConv2d(8, 8, rng=rng)
    x = Tensor(draw(rng, 1, 4, 20, 8, dtype=np.float32), requires_grad=True)
    y = layer(x)
    ops.sum(y).backward()
    assert {a.dtype for a in (y.data, x.grad, layer.weight.grad)} == {np.dtype(np.float32)}


@pytest.mark.parity
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2, "padding": 1}])
def test_convolution_agrees_with_a_block_matrix_in_pytorch(options, torch, rng):
    def torch_op(x, w):
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), block_matrix(torch, w), **options)
        return y.permute(0, 2, 3, 1)

    arrays = [draw(rng, 2, 6, 17, 8), draw(rng, 4, 3, 3, 2, 3)]
    assert_parity(torch, lambda x, w: ops.quaternion_conv2d(x, w, **options), torch_op, arrays, rng)


@pytest.mark.parity
def test_linear_agrees_with_a_block_matrix_in_pytorch(torch, rng):
    def torch_op(x, w, bias):
        return torch.nn.functional.linear(x, block_matrix(torch, w[:, None, None])[:, :, 0, 0], bias)

    arrays = [draw(rng, 3, 8), draw(rng, 4, 2, 3), draw(rng, 12)]
    assert_parity(torch, ops.quaternion_linear, torch_op, arrays, rng)


# Layers


@pytest.mark.parametrize("layer", [QuaternionConv2d, Conv2d])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_default_padding_keeps_the_size(layer, kernel, rng):
    x = Tensor(draw(rng, 2, 5, 7, 8, dtype=np.float32))
    assert layer(8, 12, kernel_size=kernel, rng=rng)(x).shape == (2, 5, 7, 12)


def test_layers_agree_with_ops(rng):
    conv, linear = QuaternionConv2d(8, 12, rng=rng), QuaternionLinear(8, 12, rng=rng)
    image, rows = draw(rng, 1, 5, 7, 8, dtype=np.float32), draw(rng, 3, 8, dtype=np.float32)
    assert_close(conv(Tensor(image)).data, quaternion_conv2d(image, conv.weight.data, padding=1))
    linear.bias.data = draw(rng, 12, dtype=np.float32)
    assert_close(linear(Tensor(rows)).data, quaternion_linear(rows, linear.weight.data, linear.bias.data))


def test_linear_worked_example():
    # The product (1, 2) [[1, 10], [100, 1000]] is (201, 2010). The bias is (5, 6).
    x, w = xp.asarray([[1.0, 2]]), xp.asarray([[1.0, 10], [100, 1000]])
    assert_close(ops.linear(Tensor(x), Tensor(w), Tensor(xp.asarray([5.0, 6]))).data, [[206, 2016]])
    assert_close(ops.linear(Tensor(x), Tensor(w)).data, [[201, 2010]])


# Errors


@pytest.mark.parametrize("layer", [QuaternionConv2d, QuaternionLinear])
@pytest.mark.parametrize("channels", [(6, 8), (8, 6), (0, 4), (4, 0), (-4, 4)])
def test_channels_must_be_divisible_by_four(layer, channels, rng):
    invalid = next(count for count in channels if count % 4 or count < 4)
    with pytest.raises(ShapeError, match=rf"multiple of 4 real channels.* got {invalid}$"):
        layer(*channels, rng=rng)


@pytest.mark.parametrize(
    ("x", "w"),
    [
        ((1, 5, 5, 4), (4, 3, 3, 2, 1)),
        ((1, 5, 5, 8), (3, 3, 3, 2, 1)),
        ((1, 5, 5, 8), (3, 3, 8, 8)),
        ((5, 5, 8), (4, 3, 3, 2, 1)),
    ],
)
def test_convolution_incompatible_shapes(x, w):
    with pytest.raises(ShapeError, match="four times the number of quaternion channels") as error:
        quaternion_conv2d(np.ones(x), np.ones(w))
    assert str(x) in str(error.value)
    assert str(w) in str(error.value)


@pytest.mark.parametrize(("x", "w"), [((2, 4), (4, 2, 1)), ((2, 8), (3, 2, 1)), ((2, 8), (8, 4)), ((8,), (4, 2, 1))])
def test_linear_incompatible_shapes(x, w):
    with pytest.raises(ShapeError):
        quaternion_linear(np.ones(x), np.ones(w), np.zeros(4))


@pytest.mark.parametrize("layer", [Conv2d, QuaternionConv2d])
def test_options_and_output_size(layer, rng):
    x = Tensor(xp.ones((1, 7, 9, 4), dtype=np.float32))
    assert layer(4, 8, rng=rng)(x).shape == (1, 7, 9, 8)
    assert layer(4, 8, kernel_size=5, rng=rng)(x).shape == (1, 7, 9, 8)
    assert layer(4, 8, stride=2, rng=rng)(x).shape == (1, 4, 5, 8)
    assert layer(4, 8, padding=0, rng=rng)(x).shape == (1, 5, 7, 8)


# Eight products


@given(seed=seeds, kernel=kernels, options=strides_and_paddings, channels=small, outputs=small, batch=st.integers(0, 2))
def test_eight_products_agree_with_the_block_matrix(seed, kernel, options, channels, outputs, batch):
    x, w = draw(seed, batch, 5, 6, 4 * channels), draw(seed + 1, 4, *kernel, channels, outputs)
    expected = plain.conv2d(x, plain.quaternion_to_real_kernel(w), **options)
    assert_close(eight_products_conv.conv2d(x, w, **options), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2, "padding": 1}])
def test_gradients_in_eight_products(options, rng):
    x, w = draw(rng, 2, 5, 4, 8), draw(rng, 4, 3, 3, 2, 3)
    real = plain.quaternion_to_real_kernel(w)
    grad = draw(rng, *plain.conv2d(x, real, **options).shape)
    grad_x = plain.conv2d_input_gradient(grad, real, x.shape, **options)
    assert_close(eight_products_conv.input_gradient(grad, w, x.shape, **options), grad_x)
    grad_w = left_matrix_adjoint(plain.split_blocks(plain.conv2d_weight_gradient(x, grad, (3, 3), **options)), axis=0)
    assert_close(eight_products_conv.weight_gradient(x, grad, (3, 3), **options), grad_w)
