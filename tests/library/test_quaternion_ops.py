"""Test quaternion-wise ops, encoders and heads, and their equivariance.

A quaternion layer multiplies by its weights from the left, so layer(x ⊗ q) = layer(x) ⊗ q for every quaternion q.
Multiplication by a unit quaternion from the right keeps all norms. modReLU, pooling by norm and quaternion dropout
depend on norms only, and are therefore equivariant. The norm head is invariant. Componentwise activations and max
pooling are not equivariant.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_close, draw
from support.parity import assert_parity
from support.right_multiplication import norms, random_unit, times
from support.strategies import quaternions, seeds

from quatnet import Tensor, ops
from quatnet.autodiff import gradcheck
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError, ShapeError
from quatnet.nn import Conv2d, LearnedEncoder, Linear, ModReLU, NormHead

SHAPES = [(3, 8), (2, 3, 2, 12)]
I = np.array([0.0, 1, 0, 0])  # noqa: E741


def leaf(array):
    return Tensor(xp.asarray(array, dtype=np.float64), requires_grad=True)


def gradient(function, array, grad):
    x = leaf(array)
    function(x).backward(xp.asarray(grad, dtype=np.float64))
    return x.grad


def learned_encoder(channels):
    """Return a learned encoder with float64 weights."""
    encoder = LearnedEncoder(channels, rng=np.random.default_rng(0))
    encoder.imaginary.weight.data = encoder.imaginary.weight.data.astype(np.float64)
    return encoder


def components(x):
    return asnumpy(x).reshape(*x.shape[:-1], 4, x.shape[-1] // 4)


# Componentwise activations


def test_componentwise_relu_worked_example():
    # the input is one quaternion 1 - 2i + 3j - 4k, and its ReLU is 1 + 3j
    assert_close(ops.relu(leaf([[1, -2, 3, -4]])).data, [[1, 0, 3, 0]])


def test_tanh_worked_example():
    # tanh(log 3) = (3 - 1/3) / (3 + 1/3) = 4/5, and the derivative is 1 - 16/25 = 9/25
    x = [0, math.log(3), -math.log(3), 1000]
    assert_close(ops.tanh(leaf(x)).data, [0, 0.8, -0.8, 1])
    assert_close(gradient(ops.tanh, x, [1, 25, 50, 1]), [1, 9, 18, 0])


@given(seeds)
def test_tanh_equals_math_module(seed):
    x = draw(seed, 3, 4)
    assert_close(ops.tanh(Tensor(x)).data, [[math.tanh(entry) for entry in row] for row in asnumpy(x)])
    gradcheck(ops.tanh, [x], rng=np.random.default_rng(seed), num_directions=1)


# modReLU


def test_mod_relu_worked_example():
    # the norm of 1 + 2i + 2j + 4k is 5, so the factor is max(5 + bias, 0) / 5
    for bias, factor in [(-2, 0.6), (5, 2), (-5, 0), (-9, 0), (0, 1)]:
        assert_close(ops.mod_relu(leaf([[1, 2, 2, 4]]), leaf([bias])).data, factor * np.array([[1.0, 2, 2, 4]]))


def test_gradient_of_mod_relu_worked_example():
    # for q = 2 and bias -1, the derivative is 1 in the direction of q, and (2 - 1) / 2 in perpendicular directions
    # the partial derivative with respect to the bias is the inner product of q / |q| and the upstream gradient
    x, bias = leaf([[2, 0, 0, 0]]), leaf([-1])
    ops.mod_relu(x, bias).backward(xp.asarray([[10.0, 20, 30, 40]]))
    assert_close(x.grad, [[10, 10, 15, 20]])
    assert_close(bias.grad, [10])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.0])
def test_mod_relu_of_zero(bias):
    x, b = leaf(np.zeros((1, 4))), leaf([bias])
    y = ops.mod_relu(x, b)
    y.backward(xp.ones((1, 4)))
    for array in (y.data, x.grad):
        assert_close(array, np.zeros((1, 4)))
    assert_close(b.grad, [0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_mod_relu_and_norm_do_not_overflow(size):
    # the norm is |q| = 2 size and the bias is -size, so the factor is 1/2
    x, bias = leaf(np.full((1, 4), size)), leaf([-size])
    y = ops.mod_relu(x, bias)
    y.backward(xp.asarray([[2.0, 0, 0, 0]]))
    assert_close(y.data / size, np.full((1, 4), 0.5))
    assert_close(x.grad, [[1.25, 0.25, 0.25, 0.25]])  # grad/2 + <u, grad> u/2 with u = q / |q|
    assert_close(ops.quaternion_norm(x).data / size, [[2]])


def test_nan_is_propagated():
    x = leaf([[math.nan, 0, 0, 0]])
    assert np.isnan(asnumpy(ops.mod_relu(x, leaf([-1])).data)).any()
    assert np.isnan(asnumpy(ops.quaternion_norm(x).data)).all()


@given(seeds, st.sampled_from(SHAPES))
def test_mod_relu_equals_reference(seed, shape):
    rng = np.random.default_rng(seed)
    x, bias = draw(rng, *shape), draw(rng, shape[-1] // 4) - 1
    expected = np.zeros_like(components(x))
    for *row, c in np.ndindex(*shape[:-1], shape[-1] // 4):
        q = components(x)[(*row, slice(None), c)]
        norm = math.sqrt(sum(component**2 for component in q))
        for k in range(4):
            expected[(*row, k, c)] = max(norm + float(bias[c]), 0) * q[k] / norm
    assert_close(ops.mod_relu(Tensor(x), Tensor(bias)).data, expected.reshape(shape))


@given(seeds, st.floats(-3, 3))
def test_mod_relu_keeps_direction(seed, bias):
    x = draw(seed, 5, 8)
    y = ops.mod_relu(Tensor(x), leaf([bias, bias])).data
    assert_close(norms(y), xp.maximum(norms(x) + bias, 0), atol=1e-9)
    assert_close((components(x) * components(y)).sum(axis=-2), norms(x) * norms(y), atol=1e-9)  # y is parallel to x


def test_mod_relu_layer_is_initially_the_identity(rng):
    layer, x = ModReLU(8), draw(rng, 3, 8, dtype=np.float32)
    assert_close(layer(Tensor(x)).data, x, rtol=1e-6)
    assert {name: p.shape for name, p in layer.named_parameters()} == {"bias": (2,)}


# Norm head


def test_quaternion_norm_worked_example():
    # the channels r r i i j j k k contain the quaternions 1 + 2i + 2j + 4k with norm 5, and 0 with gradient 0
    x = [[1, 0, 2, 0, 2, 0, 4, 0]]
    assert_close(ops.quaternion_norm(leaf(x)).data, [[5, 0]])
    assert_close(gradient(ops.quaternion_norm, x, [[10, 10]]), [[2, 0, 4, 0, 4, 0, 8, 0]])


@given(seeds, st.sampled_from(SHAPES))
def test_quaternion_norm_equals_reference(seed, shape):
    x = draw(seed, *shape)
    assert_close(ops.quaternion_norm(Tensor(x)).data, norms(x))


def test_linear_head_and_norm_head(rng):
    # the quaternion is 1 + 2i + 3j + 4k and all weights are 1
    # the linear head adds the components to 10, and the result of the norm head is the norm, sqrt(30)
    linear, norm = Linear(4, 1, rng=rng), NormHead(4, 1, rng=rng)
    linear.weight.data = xp.ones((4, 1))
    norm.linear.weight.data = xp.ones((1, 1))
    x = leaf([[1, 2, 3, 4]])
    assert_close(linear(x).data, [[10]])
    assert_close(norm(x).data, [[math.sqrt(30)]])


# Pooling by norm


def test_norm_max_pool_worked_example():
    # in the window of 1, 2i, -5k and 3 + 3j, -5k has the largest norm; the componentwise maximum is 3 + 2i + 3j
    window = np.array([[[1.0, 0, 0, 0], [0, 2, 0, 0]], [[0, 0, 0, -5], [3, 0, 3, 0]]])[None]
    assert_close(ops.norm_max_pool2d(leaf(window)).data, [[[[0, 0, 0, -5]]]])
    assert_close(ops.max_pool2d(leaf(window)).data, [[[[3, 2, 3, 0]]]])
    grad = gradient(ops.norm_max_pool2d, window, [[[[1, 2, 3, 4]]]])
    expected = np.zeros((1, 2, 2, 4))
    expected[0, 1, 0] = [1, 2, 3, 4]
    assert_close(grad, expected)


def test_norm_max_pool_of_equal_norms():
    window = np.array([[[1.0, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]])[None]
    assert_close(ops.norm_max_pool2d(leaf(window)).data, [[[[1, 0, 0, 0]]]])


@given(seeds, st.integers(1, 2), st.integers(2, 5), st.integers(2, 5), st.integers(1, 2), st.integers(1, 3))
def test_norm_max_pool_equals_reference(seed, n, h, w, c, size):
    size = min(size, h, w)
    x = draw(seed, n, h, w, 4 * c)
    expected = np.zeros((n, h // size, w // size, 4, c))
    for b, i, j, channel in np.ndindex(n, h // size, w // size, c):
        window = components(x)[b, i * size : (i + 1) * size, j * size : (j + 1) * size, :, channel].reshape(-1, 4)
        expected[b, i, j, :, channel] = max(window, key=lambda q: sum(q**2))
    actual = ops.norm_max_pool2d(Tensor(x), kernel_size=size).data
    assert_close(actual, expected.reshape(actual.shape))


# Quaternion dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_quaternion_dropout_mask(rate, rng):
    y = asnumpy(ops.quaternion_dropout(Tensor(np.ones((500, 400))), rate, rng=rng, train=True).data)
    mask = components(y)
    assert (mask == mask[:, :1]).all()
    # the tolerance is 5 standard deviations; the standard deviation of the fraction of zeros is at most 0.0023
    assert (mask[:, 0] == 0).mean() == pytest.approx(rate, abs=0.012)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)])


def test_gradient_of_quaternion_dropout(rng):
    x = leaf(np.ones((4, 20)))
    y = ops.quaternion_dropout(x, 0.5, rng=rng, train=True)
    y.backward(xp.full((4, 20), 3.0))
    assert_close(x.grad, 3 * y.data)


def test_quaternion_dropout_identity(rng):
    x = leaf(np.ones((1, 4)))
    assert ops.quaternion_dropout(x, 0.5, rng=None, train=False) is x
    assert ops.quaternion_dropout(x, 0.0, rng=rng, train=True) is x


@pytest.mark.parametrize(("rate", "seed"), [(1.0, 0), (-0.1, 0), (0.5, None)])
def test_quaternion_dropout_errors(rate, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    with pytest.raises(ConfigError, match=r"expected (p in .0, 1.|a generator as rng)"):
        ops.quaternion_dropout(leaf(np.ones((1, 4))), rate, rng=rng, train=True)


# Encoders


def test_encoders_worked_example():
    # the real channels are 7 and 9
    # repeat_encoder adds the gradients of the four copies; zero_pad_encoder drops the gradients of the zeros
    x, grad = [[7, 9]], [[1, 2, 10, 20, 100, 200, 1000, 2000]]
    assert_close(ops.repeat_encoder(leaf(x)).data, [[7, 9, 7, 9, 7, 9, 7, 9]])
    assert_close(gradient(ops.repeat_encoder, x, grad), [[1111, 2222]])
    assert_close(ops.zero_pad_encoder(leaf(x)).data, [[7, 9, 0, 0, 0, 0, 0, 0]])
    assert_close(gradient(ops.zero_pad_encoder, x, grad), [[1, 2]])


@given(seeds, st.sampled_from([(3,), (2, 1), (2, 3, 4, 2)]))
def test_encoders_are_products_with_a_constant(seed, shape):
    x = draw(seed, *shape)
    real = xp.concatenate([x, xp.zeros((*shape[:-1], 3 * shape[-1]))], axis=-1)
    for encoder, constant in [(ops.repeat_encoder, [1.0, 1, 1, 1]), (ops.zero_pad_encoder, [1.0, 0, 0, 0])]:
        assert_close(encoder(Tensor(x)).data, times(real, constant))


@given(seeds, st.floats(-10, 10))
def test_encoders_are_homogeneous(seed, factor):
    x = draw(seed, 1, 4, 4, 2)
    for encoder in (ops.repeat_encoder, ops.zero_pad_encoder, learned_encoder(2)):
        assert_close(encoder(Tensor(factor * x)).data, factor * encoder(Tensor(x)).data, atol=1e-9)


def test_learned_encoder_output(rng):
    encoder, x = LearnedEncoder(2, rng=rng), Tensor(draw(rng, 1, 4, 5, 2, dtype=np.float32))
    y = encoder(x)
    assert y.shape == (1, 4, 5, 8)
    assert_close(y.data[..., :2], x.data)
    assert_close(y.data[..., 2:], encoder.imaginary(x).data)
    assert {name: p.shape for name, p in encoder.named_parameters()} == {"imaginary.weight": (3, 3, 2, 6)}
    assert isinstance(encoder.imaginary, Conv2d)


# Equivariance

EQUIVARIANT = {
    "average pool": ops.avg_pool2d,
    "pooling by norm": ops.norm_max_pool2d,
    "dropout": lambda x: ops.quaternion_dropout(x, 0.5, rng=np.random.default_rng(0), train=True),
}
NOT_EQUIVARIANT = {
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "exp": ops.exp,
    "maximum pool": ops.max_pool2d,
    "dropout of components": lambda x: ops.dropout(x, 0.5, rng=np.random.default_rng(0), train=True),
}


@pytest.mark.parametrize("name", EQUIVARIANT)
@given(seeds, quaternions())
def test_equivariance_to_quaternions(name, seed, q):
    layer, x = EQUIVARIANT[name], draw(seed, 2, 4, 4, 8)
    q = np.where(np.abs(q) < 1e-3, 0, q)  # for tiny q, different norms would underflow to equal norms
    assert_close(layer(Tensor(times(x, q))).data, times(layer(Tensor(x)).data, q), atol=1e-9)


@given(seeds, seeds)
def test_mod_relu_is_equivariant_to_unit_quaternions(seed, other):
    x, u, bias = draw(seed, 3, 8), random_unit(other), leaf([-1.5, 0.5])
    assert_close(ops.mod_relu(Tensor(times(x, u)), bias).data, times(ops.mod_relu(Tensor(x), bias).data, u), atol=1e-9)


def test_mod_relu_is_not_equivariant_to_scaling():
    # q = 2 and bias -1: 3 relu(2 - 1) = 3, but relu(3 · 2 - 1) = 5
    x, bias = np.array([[2.0, 0, 0, 0]]), leaf([-1])
    assert_close(ops.mod_relu(Tensor(3 * x), bias).data, [[5, 0, 0, 0]])
    assert_close(3 * ops.mod_relu(Tensor(x), bias).data, [[3, 0, 0, 0]])


@given(seeds, seeds)
def test_norm_head_is_invariant(seed, other):
    x, head = draw(seed, 3, 8), NormHead(8, 2, rng=np.random.default_rng(seed))
    assert_close(ops.quaternion_norm(Tensor(times(x, random_unit(other)))).data, norms(x))
    assert_close(head(Tensor(times(x, random_unit(other)))).data, head(Tensor(x)).data)


def test_componentwise_relu_is_not_equivariant():
    # x = 1 - i is multiplied by i from the right: relu((1 - i) i) = relu(1 + i) = 1 + i, but relu(1 - i) i = i
    x = np.array([[1.0, -1, 0, 0]])
    assert_close(ops.relu(Tensor(times(x, I))).data, [[1, 1, 0, 0]])
    assert_close(times(ops.relu(Tensor(x)).data, I), [[0, 1, 0, 0]])


@pytest.mark.parametrize("name", NOT_EQUIVARIANT)
def test_componentwise_ops_are_not_equivariant(name, rng):
    # u = (1 + i + j + k) / 2 mixes the components; tanh is equivariant to i, which permutes the components up to sign
    x, layer, u = draw(rng, 1, 2, 2, 4), NOT_EQUIVARIANT[name], np.full(4, 0.5)
    actual, expected = layer(Tensor(times(x, u))).data, times(layer(Tensor(x)).data, u)
    assert float(xp.abs(actual - expected).max()) > 0.1


# Gradients, dtypes, errors


def quaternion_dropout(x):
    return ops.quaternion_dropout(x, 0.3, rng=np.random.default_rng(7), train=True)


IMAGE_OPS = {
    "norm": ops.quaternion_norm,
    "pool": ops.norm_max_pool2d,
    "pool 3": lambda x: ops.norm_max_pool2d(x, kernel_size=3),
    "dropout": quaternion_dropout,
    "repeat": ops.repeat_encoder,
    "zero pad": ops.zero_pad_encoder,
    "tanh": ops.tanh,
}


@pytest.mark.parametrize("name", IMAGE_OPS)
def test_gradcheck(name, rng):
    function, x = IMAGE_OPS[name], draw(rng, 2, 4, 5, 8)
    gradcheck(function, [x], rng=rng)
    gradcheck(lambda x: function(ops.transpose(x, (0, 2, 1, 3))), [x], rng=rng)


def test_gradcheck_of_learned_encoder(rng):
    encoder = learned_encoder(2)

    def encode(x, weight):
        encoder.imaginary.weight = weight
        return encoder(x)

    gradcheck(encode, [draw(rng, 1, 4, 3, 2), draw(rng, 3, 3, 2, 6)], rng=rng)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradcheck_of_mod_relu(shape, rng):
    bias = xp.asarray(rng.uniform(-3, 1, shape[-1] // 4))
    y = ops.mod_relu(Tensor(draw(0, *shape)), Tensor(bias)).data
    assert 0 < int((norms(y) == 0).sum()) < norms(y).size  # some quaternions are 0 and some are not
    gradcheck(ops.mod_relu, [draw(0, *shape), bias], rng=rng)


@pytest.mark.parametrize("name", IMAGE_OPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(name, dtype, rng):
    x = Tensor(draw(rng, 1, 4, 4, 8, dtype=dtype), requires_grad=True)
    y = IMAGE_OPS[name](x)
    ops.sum(y * y).backward()
    assert y.data.dtype == x.grad.dtype == dtype


def test_mod_relu_keeps_float32(rng):
    x, layer = Tensor(draw(rng, 3, 8, dtype=np.float32), requires_grad=True), ModReLU(8)
    y = layer(x)
    ops.sum(y * y).backward()
    assert {a.dtype for a in (y.data, x.grad, layer.bias.grad)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "function",
    [
        ops.quaternion_norm,
        lambda x: ops.mod_relu(x, leaf([0])),
        lambda x: ops.quaternion_dropout(x, 0.5, rng=None, train=False),
        ops.norm_max_pool2d,
    ],
)
@pytest.mark.parametrize("channels", [0, 3, 6])
def test_invalid_channels_raise(function, channels):
    with pytest.raises(ShapeError, match=f"multiple of 4 real channels, in blocks .*, got {channels}"):
        function(leaf(np.ones((1, 2, 2, channels))))


def test_layers_with_invalid_channels_raise(rng):
    for layer in (ModReLU, lambda channels: NormHead(channels, 2, rng=rng)):
        with pytest.raises(ShapeError, match="multiple of 4"):
            layer(6)


def test_wrong_bias_shape_raises():
    with pytest.raises(ShapeError, match=r"each quaternion channel, shape \(2,\), got \(8,\)"):
        ops.mod_relu(leaf(np.ones((3, 8))), leaf(np.ones(8)))


@pytest.mark.parametrize("pool", [ops.avg_pool2d, ops.max_pool2d, ops.norm_max_pool2d])
def test_pooling_errors(pool):
    with pytest.raises(ShapeError, match=r"images \(N, H, W, C\), got shape \(4, 4, 4\)"):
        pool(leaf(np.ones((4, 4, 4))))
    with pytest.raises(ShapeError, match="is larger than"):
        pool(leaf(np.ones((1, 1, 4, 4))))


@pytest.mark.parametrize("encoder", [ops.repeat_encoder, ops.zero_pad_encoder])
def test_encoding_a_scalar_raises(encoder):
    with pytest.raises(ShapeError, match="got a scalar"):
        encoder(leaf(3.0))


# PyTorch


@pytest.mark.parity
def test_equals_pytorch(torch, rng):
    def mod_relu(x, bias):
        q = x.reshape(2, 6, 5, 4, 2)
        norm = q.norm(dim=3, keepdim=True)
        return (torch.relu(norm + bias) * q / norm).reshape(x.shape)

    def norm_max_pool(x):
        windows = x[:, :6, :4].reshape(2, 3, 2, 2, 2, 4, 2).permute(0, 1, 3, 5, 6, 2, 4).reshape(2, 3, 2, 4, 2, 4)
        argmax = windows.norm(dim=3, keepdim=True).argmax(dim=-1, keepdim=True)
        return windows.gather(5, argmax.expand(2, 3, 2, 4, 2, 1)).reshape(2, 3, 2, 8)

    x = draw(rng, 2, 6, 5, 8)
    assert_parity(torch, ops.mod_relu, mod_relu, [x, xp.asarray([-2.0, 0.5])], rng)
    assert_parity(torch, ops.norm_max_pool2d, norm_max_pool, [x], rng)
    assert_parity(torch, ops.quaternion_norm, lambda x: x.reshape(2, 6, 5, 4, 2).norm(dim=3), [x], rng)
    assert_parity(torch, ops.tanh, torch.tanh, [x], rng)
    assert_parity(torch, ops.repeat_encoder, lambda x: x.repeat(1, 1, 1, 4), [x], rng)
    assert_parity(torch, ops.zero_pad_encoder, lambda x: torch.nn.functional.pad(x, (0, 24)), [x], rng)
